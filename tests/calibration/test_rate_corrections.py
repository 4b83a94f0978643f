from __future__ import annotations

import numpy as np

from roman_dms.calibration.rate_corrections import divide_by_flat, subtract_dark
from roman_dms.instrument.quality import Pixel

NO_FLAGS = np.zeros((1, 3), np.uint32)


def image(*values):
    return np.array([values], np.float32)


def test_dark_is_subtracted_where_it_is_known():
    rate, flags = subtract_dark(image(1, 2, 3), image(0.1, np.nan, 0.3), NO_FLAGS, 2.0)
    np.testing.assert_allclose(rate, [[0.8, 2, 2.4]], rtol=1e-6)
    np.testing.assert_array_equal(flags, [[0, Pixel.UNRELIABLE_DARK, 0]])


def test_flat_scales_rates_and_variances():
    done = divide_by_flat(
        {"data": image(4, 4, 4), "err": image(2, 2, 2)},
        {"var_poisson": image(8, 8, 8)},
        image(2, 1, 0.5),
        image(0.2, 0, 0.05),
        NO_FLAGS,
    )
    np.testing.assert_allclose(done.images["data"], [[2, 4, 8]])
    np.testing.assert_allclose(done.images["err"], [[1, 2, 4]])
    np.testing.assert_allclose(done.images["var_poisson"], [[2, 8, 32]])
    # error of f = d / F from the error of F alone: f * sigma_F / F
    np.testing.assert_allclose(done.var_flat, [[0.2**2, 0, 0.8**2]], rtol=1e-5)


def test_a_pixel_without_a_flat_is_left_and_flagged():
    flags = np.array([[0, Pixel.NO_FLAT_FIELD, 0]], np.uint32)
    done = divide_by_flat(
        {"data": image(1, 2, 3)}, {}, image(np.nan, 0.5, 0), image(1, 1, 1), flags
    )
    np.testing.assert_array_equal(done.images["data"], [[1, 2, 3]])
    assert (done.flags == Pixel.NO_FLAT_FIELD).all()
    assert not done.var_flat.any()
