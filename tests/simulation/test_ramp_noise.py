"""The noise of a slope against many simulated ramps, fitted by a library."""

import numpy as np
import pytest

from roman_dms.instrument.ma_tables import ma_table
from roman_dms.simulation.ramp_noise import slope_noise


@pytest.mark.parametrize("rate", [0.5, 5.0, 500.0])
@pytest.mark.parametrize("table", [3, 4, 109])
def test_variance_of_fitted_ramps(rate, table):
    """Ramps made read by read; the best fit from the scatter of the ramps themselves."""
    pattern, noise, ramps = ma_table(table).read_pattern, 9.0, 20_000
    rng = np.random.default_rng(table)
    last = pattern.reads[-1][-1]
    reads = np.cumsum(rng.poisson(rate * pattern.frame_time, (ramps, last)), axis=1)
    reads = reads + rng.normal(0, noise, reads.shape)
    means = np.stack([reads[:, np.array(r) - 1].mean(axis=1) for r in pattern], axis=1)
    inverse = np.linalg.inv(np.cov(means.T))
    design = np.stack([pattern.mean_times, np.ones(len(pattern))], axis=1)
    weights = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse)[0]
    scatter = np.var(means @ weights)
    time, read_variance = (
        values.item() for values in slope_noise(pattern, noise)(np.array([rate], np.float32))
    )
    assert rate / time + read_variance == pytest.approx(scatter, rel=0.03)


def test_bright_light_is_limited_by_photons_between_first_and_last_read():
    pattern = ma_table(4).read_pattern
    time, _ = slope_noise(pattern, 9.0)(np.array([1e5], np.float32))
    assert time.item() == pytest.approx(pattern.exposure_time - pattern.frame_time, rel=1e-3)
