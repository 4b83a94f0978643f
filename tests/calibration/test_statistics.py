from __future__ import annotations

import numpy as np
import pytest
from astropy.stats import mad_std

from roman_dms.calibration.statistics import image_statistics


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (1, 1), (3, 1)])
@pytest.mark.parametrize("workers", [1, 3])
def test_equal_to_a_sort(size, workers):
    rng = np.random.default_rng(1)
    image = rng.normal(-0.3, 4, size).astype(np.float32)
    dq = np.zeros(size, np.uint32)
    found = image_statistics(image, dq, 1, workers)
    assert found.median == pytest.approx(np.median(image.astype(float)), abs=1e-7)
    assert found.rms == pytest.approx(mad_std(image.astype(float)), rel=1e-5, abs=1e-7)
    assert found.good_fraction == 1


def test_flagged_and_undefined_pixels_do_not_count():
    image = np.array([[1, 2, 3, np.nan], [np.inf, -np.inf, 1e9, 4]], np.float32)
    dq = np.array([[0, 4, 0, 0], [0, 0, 1, 0]], np.uint32)
    found = image_statistics(image, dq, 1)
    assert found.median == 2.5
    assert found.good_fraction == 0.5


def test_nothing_usable():
    found = image_statistics(np.zeros((4, 4), np.float32), np.ones((4, 4), np.uint32), 1)
    assert np.isnan(found.median)
    assert np.isnan(found.rms)
    assert found.good_fraction == 0
