import pytest

from roman_dms.planning.exposure import PlannedExposure


@pytest.fixture
def planned():
    """Makes an exposure that differs from a plain one as said."""

    def make(**changes):
        plain = {
            "ra": 270.0, "dec": 66.0, "position_angle": 20.0, "element": "F158",
            "ma_table": 4, "start": 61557.0,
        }  # fmt: skip
        return PlannedExposure(**{**plain, **changes})

    return make
