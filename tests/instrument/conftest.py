"""The mission's own aperture library, as an independent truth."""

import pytest


@pytest.fixture(scope="session")
def siaf():
    """Roman's apertures as ``pysiaf`` reads them, without its call to the internet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("requests.get", _no_network)
        pysiaf = pytest.importorskip("pysiaf")
    return pysiaf.Siaf("Roman")


def _no_network(*args, **kwargs):
    raise ConnectionError
