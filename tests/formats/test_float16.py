"""The narrow types of the disk, against what the format can hold."""

from __future__ import annotations

import numpy as np

from roman_dms.formats.float16 import AsFloat16, narrowed


def test_large_values_stay_finite_and_small_ones_positive() -> None:
    values = np.array([0, 1e-12, 3e-8, 1e-7, 0.1, 65504, 65520, 1e9, np.inf, -1e9], np.float32)
    out = narrowed(values)
    assert out.dtype == np.float16
    smallest = 2.0**-24
    np.testing.assert_array_equal(out[:4], np.float16([0, smallest, smallest, 2 * smallest]))
    np.testing.assert_array_equal(out[5:], np.float16([65504, 65504, 65504, 65504, -65504]))


def test_rounding_is_to_the_nearest() -> None:
    values = np.random.default_rng(0).uniform(1, 2, 1000).astype(np.float32)
    assert np.abs(narrowed(values) - values).max() <= 2.0**-11


def test_not_a_number_stays_one() -> None:
    assert np.isnan(narrowed(np.array([np.nan, 1], np.float32))).tolist() == [True, False]


def test_rows_are_narrowed_as_the_whole() -> None:
    values = np.random.default_rng(0).normal(0, 1e4, (20, 30)).astype(np.float32)
    array = AsFloat16(values)
    assert array.shape == (20, 30)
    np.testing.assert_array_equal(array.rows(4, 9), narrowed(values)[4:9])
    np.testing.assert_array_equal(np.asarray(array), narrowed(values))
