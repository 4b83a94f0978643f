"""Times of reading, against a clock that reads pixel after pixel."""

import numpy as np
import pytest

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.readout import read_times, row_and_column_times

FRAME_TIME = 3.16247


def one_channel_by_clock(rows: int, clocks_of_frame: float) -> np.ndarray:
    """Read 128 columns a row, pause 14 clocks, and 16 times a frame for the guide window."""
    times, clock = np.zeros((rows, 128)), 0.0
    guide_window = (clocks_of_frame - ((rows - 1) * 142 + 127)) / 16 * 1.5
    for row in range(rows):
        if row and row % (rows // 16) == 0:
            clock += guide_window
        for column in range(128):
            times[row, column] = clock
            clock += 1
        clock += 14
    return times * FRAME_TIME / (times[-1, -1] + guide_window)


def test_full_frame_follows_the_clock():
    expected = one_channel_by_clock(4096, FRAME_TIME / 4.915263e-06)
    times = read_times(Detector("WFI03"), FRAME_TIME)
    np.testing.assert_allclose(times[:, :128], expected, atol=1e-9)
    np.testing.assert_allclose(times[:, 128:256], expected[:, ::-1], atol=1e-9)


def test_a_small_detector_spends_the_same_part_of_the_frame_in_the_guide_window():
    expected = one_channel_by_clock(64, FRAME_TIME / 4.915263e-06 / 64)
    np.testing.assert_allclose(
        read_times(Detector("WFI18", 64, 128), FRAME_TIME), expected, atol=1e-9
    )
    full = row_and_column_times(Detector("WFI18"), FRAME_TIME)[0]
    small = row_and_column_times(Detector("WFI18", 64, 128), FRAME_TIME)[0]
    assert small[32] == pytest.approx(full[2048], rel=2e-3)


def test_two_of_three_detectors_are_read_from_the_last_row():
    third = read_times(Detector("WFI06", 64, 256), FRAME_TIME)
    for name in ("WFI01", "WFI17"):
        np.testing.assert_array_equal(read_times(Detector(name, 64, 256), FRAME_TIME), third[::-1])


def test_a_band_of_rows_is_cut_from_the_frame():
    detector = Detector("WFI01", 64, 256)
    band = read_times(detector, FRAME_TIME, first_row=10, rows=7)
    np.testing.assert_array_equal(band, read_times(detector, FRAME_TIME)[10:17])
