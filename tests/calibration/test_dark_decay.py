"""Dark decay, against the exponential at the time of each read."""

import numpy as np
import pytest

from roman_dms.calibration.dark_decay import subtract
from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.instrument.readout import read_times

PATTERN = ReadPattern([[1], [2, 3, 4], [9, 10]], frame_time=3.16247)
DETECTOR = Detector("WFI05", 64, 256)


def test_each_read_decays_from_the_middle_of_the_first():
    pixel_times = read_times(DETECTOR, PATTERN.frame_time)
    data = np.full((3, *DETECTOR.shape), 100, np.float32)
    for k, reads in enumerate(PATTERN):
        for read in reads:
            since = pixel_times + (read - 1.5) * PATTERN.frame_time
            data[k] += 40 * np.exp(-since / 23.0) / len(reads)
    before = data.copy()
    result = subtract(data, 0, DETECTOR, 40.0, 23.0, PATTERN)
    np.testing.assert_allclose(result, 100, atol=5e-5)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(data, before)


def test_tiles_make_up_the_frame():
    data = np.zeros((3, *DETECTOR.shape), np.float32)
    whole = subtract(data, 0, DETECTOR, 0.4, 23.0, PATTERN)
    tile = subtract(data[:, 20:30], 20, DETECTOR, 0.4, 23.0, PATTERN)
    np.testing.assert_array_equal(tile, whole[:, 20:30])


@pytest.mark.parametrize("reference", [(np.nan, 20.0), (0.4, 0.0), (0.4, -3.0), (0.4, np.inf)])
def test_a_senseless_reference_is_an_error(reference):
    with pytest.raises(ReferenceDataError, match="time constant"):
        subtract(np.zeros((3, 64, 256), np.float32), 0, DETECTOR, *reference, PATTERN)
