"""Noise of a mosaic against its variance in closed form, and against exposures made one by one."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.simulation.mosaic_noise import Exposures, measured

EXPOSURES = Exposures(time=100.0, number=8, read_noise=6.0, dark_current=0.01)
RATIO = 0.25


@pytest.mark.parametrize("level", [0.0, 0.08, 20.0])
def test_variance_is_the_predicted_one(level):
    rate = np.full((512, 512), level, np.float32)
    noisy = measured(rate, EXPOSURES, RATIO, seed=3)
    photons = EXPOSURES.photon_variance(rate[:1, :1], RATIO)[0, 0]
    predicted = float(photons) + EXPOSURES.read_variance(RATIO)
    assert noisy.mean() == pytest.approx(level, abs=4 * np.sqrt(predicted / rate.size))
    assert noisy.var(dtype=float) == pytest.approx(predicted, rel=4 * np.sqrt(2 / rate.size))


def test_large_areas_have_the_noise_of_the_exposures():
    """512 x 512 mosaic pixels hold 256 x 256 pixels of each of eight exposures."""
    rng = np.random.default_rng(1)
    level, (rows, columns), trials = 0.5, (16, 16), 400
    counts = rng.poisson((level + 0.01) * 100.0, (trials, 8, rows, columns))
    reads = rng.normal(0, 6.0, counts.shape)
    exposures = ((counts + reads) / 100 - 0.01).mean(axis=1).sum(axis=(1, 2))
    rate = np.full((2 * rows * trials, 2 * columns), level * RATIO, np.float32)
    mosaic = measured(rate, EXPOSURES, RATIO, seed=4).reshape(trials, -1).sum(axis=1, dtype=float)
    assert mosaic.mean() == pytest.approx(exposures.mean(), rel=0.005)
    assert mosaic.std() == pytest.approx(exposures.std(), rel=0.15)


def test_the_same_seed_gives_the_same_noise_whatever_the_threads():
    rate = np.full((200, 30), 0.3, np.float32)
    one, three = (measured(rate, EXPOSURES, RATIO, seed=5, workers=n) for n in (1, 3))
    np.testing.assert_array_equal(one, three)
    assert np.any(measured(rate, EXPOSURES, RATIO, seed=6) != one)


@pytest.mark.parametrize(("time", "number"), [(0, 1), (-3, 1), (float("nan"), 1), (10, 0)])
def test_impossible_exposures_are_named(time, number):
    with pytest.raises(UsageError, match=rf"{number} exposures of {time}"):
        Exposures(time, number, 6.0, 0.0)
