"""Files under way, and those that a killed writer has left.

A writer holds a lock on its file, which ends with the process, however that ends: a file beside
the same target without a lock is nobody's.  Where hosts share a folder but not their locks (some
network file systems) that is not enough: the file of another host must also have lain untouched
for a day.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import secrets
import time
import zlib
from pathlib import Path

ABANDONED = 86_400.0
"""Age at which a file of another host without a lock is nobody's [s]."""


def begin(path: Path) -> tuple[Path, int]:
    """Make a new file beside ``path`` for this writer alone.

    Returns
    -------
    tuple
        Its name, and its descriptor, whose lock ends when it is closed.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    while True:
        beside = path.with_name(f".{path.name}.{_host()}.{secrets.token_hex(4)}.tmp")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if _is_ours(beside, descriptor):
            return beside, descriptor
        os.close(descriptor)


def clear_leftovers(path: Path) -> None:
    """Remove files beside ``path`` whose writers are dead; what cannot be removed stays."""
    for beside in path.parent.glob(f".{glob.escape(path.name)}.????????.????????.tmp"):
        with contextlib.suppress(OSError):
            descriptor = os.open(beside, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if beside.name.split(".")[-3] == _host() or _is_abandoned(descriptor):
                    beside.unlink()
            finally:
                os.close(descriptor)


def _host() -> str:
    """Eight characters for this machine."""
    return f"{zlib.crc32(os.uname().nodename.encode()):08x}"


def _is_ours(beside: Path, descriptor: int) -> bool:
    """Whether a new file is locked for us, before another writer took it for a leftover."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can lock, so nobody removes
        return True
    return beside.exists()


def _is_abandoned(descriptor: int) -> bool:
    return time.time() - os.fstat(descriptor).st_mtime > ABANDONED
