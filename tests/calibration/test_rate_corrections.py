from __future__ import annotations

import numpy as np

from roman_dms.calibration.rate_corrections import flat_variance, invert_flat, subtract_dark
from roman_dms.instrument.quality import Pixel

NO_FLAGS = np.zeros((1, 3), np.uint32)


def image(*values):
    return np.array([values], np.float32)


def test_dark_is_subtracted_where_it_is_known():
    rate, flags = subtract_dark(image(1, 2, 3), image(0.1, np.nan, 0.3), NO_FLAGS, 2.0)
    np.testing.assert_allclose(rate, [[0.8, 2, 2.4]], rtol=1e-6)
    np.testing.assert_array_equal(flags, [[0, Pixel.UNRELIABLE_DARK, 0]])


def test_the_factor_is_one_over_the_flat():
    factor, flags = invert_flat(image(2, 1, 0.5), NO_FLAGS)
    np.testing.assert_array_equal(factor, [[0.5, 1, 2]])
    assert factor.dtype == np.float32
    assert flags.dtype == np.uint32
    assert not flags.any()


def test_the_error_of_the_flat_adds_to_the_variance():
    """f = d / F, so that sigma_f = f sigma_F / F."""
    added = flat_variance(image(2, 4, 8), image(0.5, 1, 2), image(0.2, np.nan, 0.05))
    np.testing.assert_allclose(added, [[0.2**2, 0, 0.8**2]], rtol=1e-5)


def test_a_pixel_without_a_flat_is_left_and_flagged():
    flags = np.array([[0, Pixel.NO_FLAT_FIELD, 0, Pixel.LOW_QE]], np.uint32)
    factor, found = invert_flat(image(np.nan, 0.5, 0, -1), flags)
    np.testing.assert_array_equal(factor, [[1, 1, 1, 1]])
    assert (found & Pixel.NO_FLAT_FIELD).all()
    assert found[0, 3] & Pixel.LOW_QE
