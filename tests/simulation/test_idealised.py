"""The noise of idealised images: its size, its independence, its seeds."""

import numpy as np
import pytest

from roman_dms.instrument.ma_tables import ma_table
from roman_dms.simulation.idealised import with_noise

PATTERN = ma_table(4).read_pattern


@pytest.mark.parametrize("rate", [0.3, 20.0, 5000.0])
def test_pulls_are_normal(rate):
    truth = np.full((400, 500), rate, np.float32)
    noisy = with_noise(truth, PATTERN, read_noise=9.0, dark_current=0.01, seed=3)
    pull = (noisy.rate - truth) / np.sqrt(noisy.photon_variance + noisy.read_variance)
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert pull.std() == pytest.approx(1, abs=0.01)


def test_photons_alone_are_poisson():
    """With bright light the variance is rate over the time from the first read to the last."""
    truth = np.full((300, 300), 3000.0, np.float32)
    noisy = with_noise(truth, PATTERN, read_noise=0.0, seed=1)
    assert noisy.rate.var() == pytest.approx(3000 / (43 * PATTERN.frame_time), rel=0.02)


def test_seed_decides_whatever_the_workers():
    truth = np.full((200, 128), 2.0, np.float32)
    first = with_noise(truth, PATTERN, read_noise=9.0, seed=5, workers=1).rate
    again = with_noise(truth, PATTERN, read_noise=9.0, seed=5, workers=3).rate
    other = with_noise(truth, PATTERN, read_noise=9.0, seed=6, workers=1).rate
    assert np.array_equal(first, again)
    assert np.corrcoef(first.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.03)
