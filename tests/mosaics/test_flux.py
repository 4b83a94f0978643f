"""Count rates to surface brightness."""

from __future__ import annotations

import numpy as np

from roman_dms.mosaics.flux import NODE_STEP, FluxScale


def area_at(x, y):
    """A pixel's solid angle that varies as a detector's does, 2 % from side to side [sr]."""
    return 2.8e-13 * (1 + 1e-5 * (x - 300) - 4e-6 * y)


def test_a_uniform_sky_becomes_uniform():
    shape = (700, 611)
    y, x = np.indices(shape)
    rate = (0.3 * area_at(x, y) / 2.8e-13).astype(np.float32)
    scale = FluxScale.of(0.5, 2.8e-13, area_at(*FluxScale.places(shape)))
    brightness, usable = scale.apply(rate, np.zeros(shape, np.uint32), 1)
    assert usable.all()
    assert np.abs(brightness / 0.15 - 1).max() < 3e-7 + 1e-5 * NODE_STEP * 1e-3


def test_parts_agree_with_the_whole():
    rng = np.random.default_rng(2)
    shape = (600, 300)
    rate = rng.random(shape, np.float32)
    dq = rng.integers(0, 4, shape).astype(np.uint32)
    scale = FluxScale.of(2.0, 2.8e-13, area_at(*FluxScale.places(shape)))
    whole = scale.apply(rate, dq, 1)
    part = scale.apply(rate[333:], dq[333:], 1, first_row=333)
    for of_whole, of_part in zip(whole, part, strict=True):
        assert np.array_equal(of_whole[333:], of_part)


def test_unusable_pixels_are_zero_whatever_they_hold():
    rate = np.array([[1, np.nan, np.inf, 4]], np.float32)
    dq = np.array([[0, 0, 0, 1]], np.uint32)
    brightness, usable = FluxScale.of(3.0, 1.0, None).apply(rate, dq, 1)
    assert usable.tolist() == [[True, False, False, False]]
    assert brightness.tolist() == [[3, 0, 0, 0]]
