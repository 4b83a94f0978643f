"""A small detector and short exposures."""

import numpy as np
import pytest

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern


@pytest.fixture
def small():
    """A detector of 64 rows and two channels."""
    return Detector("WFI01", 64, 256)


@pytest.fixture
def pattern():
    """Reads alone, reads together and a read that is thrown away."""
    return ReadPattern([[1], [2, 3], [5, 6, 7], [8, 9, 10, 11, 12, 13]], frame_time=3.0)


@pytest.fixture
def ramp_rate(small):
    """A rate that rises along the columns."""
    rows, columns = small.science_shape
    return np.broadcast_to(np.linspace(1, 400, columns, dtype=np.float32), (rows, columns)).copy()
