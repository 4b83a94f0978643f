import pytest

from roman_dms.errors import FormatError, UsageError
from roman_dms.instrument.detectors import NAMES, detector


def test_the_flight_detector():
    flight = detector("WFI18")
    assert len(NAMES) == 18
    assert flight.number == 18
    assert flight.shape == (4096, 4096)
    assert flight.science_shape == (4088, 4088)
    assert flight.channels == 32


def test_a_smaller_detector_is_made_like_it():
    small = detector("WFI01", (256, 512))
    assert small.science_shape == (248, 504)
    assert small.channels == 4


@pytest.mark.parametrize("name", ["WFI00", "WFI19", "wfi01", "WFI1", ""])
def test_unknown_names_are_errors(name):
    with pytest.raises(UsageError, match="WFI01 to WFI18"):
        detector(name)


@pytest.mark.parametrize("shape", [(8, 128), (4096, 4088), (128, 0), (0, 0), (-4096, 4096)])
def test_impossible_sizes_are_errors(shape):
    with pytest.raises(FormatError, match="128 columns"):
        detector("WFI01", shape)
