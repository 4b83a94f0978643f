"""Saturation flags on ramps built read by read."""

import numpy as np
import pytest

from roman_dms.calibration.saturation import flag_saturation
from roman_dms.errors import CalibrationError
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

PATTERN = ReadPattern([[1], [2, 3, 4, 5], list(range(6, 14)), list(range(14, 22))], 3.0)
THRESHOLD, CLIPPED = 50_000, 52_000
SAT, DNU, FLOOR = Resultant.SATURATED, Resultant.DO_NOT_USE, Resultant.AD_FLOOR


def resultants(signal):
    """Resultants of a signal(read) that clips a little above the threshold."""
    reads = [[min(signal(read), CLIPPED) for read in resultant] for resultant in PATTERN]
    return [np.mean(resultant) for resultant in reads]


def by_rows(threshold, threshold_dq):
    return lambda start, stop: (threshold[start:stop], threshold_dq[start:stop])


def flags_of(ramps, pattern=PATTERN, threshold=THRESHOLD, threshold_dq=0, before=0, **options):
    """Flags of a row of ramps."""
    data = np.array(ramps, np.uint16).T[:, None, :]
    frame = data.shape[1:]
    return flag_saturation(
        lambda start, stop: data[:, start:stop],
        data.shape,
        by_rows(np.full(frame, threshold, np.float32), np.full(frame, threshold_dq, np.uint32)),
        pattern,
        np.full(data.shape, before, np.uint8),
        np.zeros(frame, np.uint32),
        **options,
    )


def test_all_resultants_from_the_threshold_on_are_saturated():
    pattern = ReadPattern([[1], [2], [3], [4]], 3.0)
    flags, dq = flags_of(
        [[10, 49_999, 50_000, 51_000], [10, 50_000, 200, 300], [1, 2, 3, 4]], pattern
    )
    np.testing.assert_array_equal(flags[:, 0].T, [[0, 0, SAT, SAT], [0, SAT, SAT, SAT], [0] * 4])
    assert not dq.any()


def test_the_floor_of_the_converter_spoils_one_resultant():
    flags, _ = flags_of([[0, 5, 0, 7]])
    np.testing.assert_array_equal(flags[:, 0, 0], [FLOOR | DNU, 0, FLOOR | DNU, 0])


def test_reads_that_saturate_inside_an_averaged_resultant():
    slow = resultants(lambda read: 3_700 * read)  # 48,100 at read 13, saturated from 14 on
    fast = resultants(lambda read: 4_100 * read)  # 53,300 at read 13: clipped, mean below threshold
    assert fast[2] < THRESHOLD
    flags, _ = flags_of([slow, fast])
    np.testing.assert_array_equal(flags[:, 0].T, [[0, 0, 0, SAT], [0, 0, DNU, SAT]])


def test_a_hit_in_the_last_read_of_the_second_resultant():
    hit = resultants(lambda read: 500 * read + (60_000 if read >= 5 else 0))
    weak = resultants(lambda read: 500 * read + (60_000 if read >= 6 else 0))
    flags, _ = flags_of([hit, weak])
    np.testing.assert_array_equal(flags[:, 0].T, [[0, DNU, SAT, SAT], [0, 0, SAT, SAT]])


@pytest.mark.parametrize(
    ("threshold", "flag"), [(np.nan, 0), (1000.0, Pixel.NO_SAT_CHECK), (np.nan, Pixel.HOT)]
)
def test_pixels_that_cannot_be_checked_never_saturate(threshold, flag):
    flags, dq = flags_of([[100, 30_000, 65_535, 65_535]], threshold=threshold, threshold_dq=flag)
    assert not flags.any()
    assert dq[0, 0] == Pixel.NO_SAT_CHECK | flag


def test_flags_from_before_are_kept_and_saturation_goes_on():
    flags, _ = flags_of([[10, 20, 30, 40]], before=Resultant.DROPOUT)
    assert (flags == Resultant.DROPOUT).all()


def test_averaged_resultants_before_saturation_can_be_flagged_too():
    ramp = [[10, 20, 30, 51_000]]
    np.testing.assert_array_equal(flags_of(ramp, backup=1)[0][:, 0, 0], [0, 0, SAT, SAT])
    np.testing.assert_array_equal(flags_of(ramp, backup=2)[0][:, 0, 0], [0, SAT, SAT, SAT])
    np.testing.assert_array_equal(flags_of(ramp, backup=9)[0][:, 0, 0], [0, SAT, SAT, SAT])


@pytest.mark.parametrize("workers", [1, 3])
def test_flags_grow_in_squares_across_the_bands_of_threads(workers):
    rows, columns = 300, 40
    data = np.full((4, rows, columns), 100, np.uint16)
    fast = resultants(lambda read: 4_100 * read)
    for row, column in ((127, 20), (0, 0), (256, 39)):
        data[:, row, column] = fast
    expected = np.zeros(data.shape, np.uint8)
    for row, column in ((127, 20), (0, 0), (256, 39)):
        near = np.s_[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        expected[3][near] = SAT
        expected[2][near] = DNU
    inputs = [
        np.full((rows, columns), THRESHOLD, np.float32),
        np.zeros((rows, columns), np.uint32),
        np.zeros(data.shape, np.uint8),
        np.zeros((rows, columns), np.uint32),
    ]
    flags, _ = flag_saturation(
        lambda start, stop: data[:, start:stop], data.shape, by_rows(*inputs[:2]),
        PATTERN, *inputs[2:],
        grow=2, workers=workers,
    )  # fmt: skip
    np.testing.assert_array_equal(flags, expected)
    assert not inputs[1].any() | inputs[2].any() | inputs[3].any()


def test_one_resultant_is_checked_too():
    flags, _ = flags_of([[60_000], [5]], ReadPattern([[1, 2]], 3.0))
    np.testing.assert_array_equal(flags[0, 0], [SAT, 0])


def test_arrays_that_do_not_fit_are_an_error():
    with pytest.raises(CalibrationError, match="read pattern"):
        flags_of([[1, 2, 3]])
