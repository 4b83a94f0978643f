"""The transient of WFI18, put into simulated ramps and taken out again."""

import numpy as np
import pytest

from roman_dms.calibration.wfi18_transient import estimate, remove_transient
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.quality import Resultant
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.instrument.readout import read_times

DETECTOR = Detector("WFI18", 512, 256)
PATTERN = ReadPattern([[1], [2], [3, 4], [5, 6, 7], [8, 9], [10]], frame_time=3.16247)


@pytest.fixture(scope="module")
def ramps():
    """Clean and disturbed resultants, with stars in some pixels."""
    rng = np.random.default_rng(3)
    rate = np.full(DETECTOR.shape, 0.5)
    rate[rng.random(DETECTOR.shape) < 0.03] = 300
    clean = rate * PATTERN.mean_times[:, None, None] + 300
    clean += rng.normal(0, 5, clean.shape)
    times = read_times(DETECTOR, PATTERN.frame_time)
    transient = 80 * np.exp(-times / 0.25) - 12 * np.exp(-times / 1.1)
    disturbed = clean.copy()
    disturbed[0] += transient
    return clean.astype(np.float32), disturbed.astype(np.float32), transient


def test_transient_is_recovered(ramps):
    clean, disturbed, transient = ramps
    before = disturbed.copy()
    data, flags = remove_transient(disturbed, DETECTOR, PATTERN)
    left = np.mean(data[0] - clean[0], axis=1)[4:-4]
    # About 120 dark pixels a row and noise of 10 DN: 0.9 DN a row, fitted over 504 rows.
    assert np.max(np.abs(left)) < 1.0
    assert np.max(np.abs(transient)) > 60
    np.testing.assert_array_equal(data[1:], clean[1:])
    np.testing.assert_array_equal(disturbed, before)
    assert not flags.any()


def test_without_a_transient_nothing_much_is_taken_off(ramps):
    clean, _, _ = ramps
    data, _ = remove_transient(clean, DETECTOR, PATTERN)
    assert np.sqrt(np.mean((data[0] - clean[0]) ** 2)) < 0.5


@pytest.mark.parametrize("short", [True, False])
def test_rows_are_flagged_where_nothing_can_be_fitted(ramps, short):
    pattern = ReadPattern(PATTERN.reads[:4], PATTERN.frame_time) if short else PATTERN
    data, flags = remove_transient(ramps[1][: len(pattern)], DETECTOR, pattern, mask_rows=not short)
    np.testing.assert_array_equal(data, ramps[1][: len(pattern)])
    assert (flags[0, :125] == (Resultant.DO_NOT_USE | Resultant.WFI18_TRANSIENT)).all()
    assert not flags[0, 125:].any()
    assert not flags[1:].any()


def test_constant_rows_cannot_be_fitted():
    data = np.full((6, *DETECTOR.shape), 300, np.float32)
    assert estimate(data, DETECTOR, PATTERN) is None
