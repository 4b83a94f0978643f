"""What tests of several packages share: the miniature exposure, its references, apertures."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

MINIATURE = Path(__file__).parent / "data" / "miniature"


@pytest.fixture(scope="session")
def miniature_raw():
    """The L1 file that ships with the repository."""
    return next(MINIATURE.glob("*_uncal.asdf"))


@pytest.fixture(scope="session")
def miniature_store(tmp_path_factory):
    """References of the miniature exposure, bootstrapped once for all test processes."""
    from roman_dms.psf.steps.reference_files import baseline_epsf
    from roman_dms.references.bootstrap import MINIATURE as BASELINE
    from roman_dms.references.bootstrap import bootstrap

    run = tmp_path_factory.getbasetemp()  # of this process; its parent is that of all workers
    shared = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "miniature_store"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "store" / "done").exists():
            bootstrap(shared / "store", **BASELINE, effective_psf=baseline_epsf)
            (shared / "store" / "done").touch()
    return shared / "store"


@pytest.fixture(scope="session")
def siaf():
    """Roman's apertures as ``pysiaf`` reads them, without its call to the internet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("requests.get", _no_network)
        pysiaf = pytest.importorskip("pysiaf")
    return pysiaf.Siaf("Roman")


def _no_network(*args, **kwargs):
    raise ConnectionError
