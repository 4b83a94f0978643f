import pytest

from roman_dms.planning.exposure import PlannedExposure


@pytest.fixture(scope="session")
def siaf():
    """Roman's apertures as ``pysiaf`` reads them, without its call to the internet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("requests.get", _no_network)
        pysiaf = pytest.importorskip("pysiaf")
    return pysiaf.Siaf("Roman")


def _no_network(*args, **kwargs):
    raise ConnectionError


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
