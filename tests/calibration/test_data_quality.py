from __future__ import annotations

import numpy as np

from roman_dms.calibration.data_quality import guide_window_flags, read_borders
from roman_dms.instrument.quality import Pixel


def test_guide_window():
    flags = guide_window_flags((100, 200), (50, 60, 30, 40))
    both = Pixel.DO_NOT_USE | Pixel.GW_AFFECTED_DATA
    assert (flags[30:40, 50:60] == both).all()
    assert (flags[:30, 50:60] == Pixel.GW_AFFECTED_DATA).all()
    assert np.count_nonzero(flags) == 100 * 10


def test_grown_guide_window_stays_on_the_detector():
    flags = guide_window_flags((100, 200), (0, 10, 95, 100), grow=5)
    assert (flags[90:, :15] & Pixel.DO_NOT_USE).all()
    assert np.count_nonzero(flags & Pixel.DO_NOT_USE) == 10 * 15


def test_no_guide_window():
    assert not guide_window_flags((64, 64), (-999999, -999983, -999999, -999983)).any()


def test_borders_are_kept_as_read():
    cube = np.arange(2 * 600 * 128, dtype=np.uint16).reshape(2, 600, 128)
    found = read_borders(lambda a, b: cube[:, a:b], cube.shape, 4, workers=2)
    np.testing.assert_array_equal(found["left"], cube[..., :4])
    np.testing.assert_array_equal(found["right"], cube[..., -4:])
    np.testing.assert_array_equal(found["bottom"], cube[:, :4])
    np.testing.assert_array_equal(found["top"], cube[:, -4:])
