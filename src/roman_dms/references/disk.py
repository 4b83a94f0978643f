"""Files of a store: written beside and renamed, locked, summed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roman_dms.errors import FileError

READABLE = 0o644


def sha1_of(path: Path) -> str:
    """SHA-1 of a file's bytes, as CRDS servers tell it.

    Raises
    ------
    FileError
        For a file that cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha1").hexdigest()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with _beside(path) as temporary:
        temporary.write_text(text)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file whole or not at all."""
    with _beside(path) as temporary:
        shutil.copyfile(source, temporary)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` when it is complete."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from None
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(READABLE)
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file against every other process; it is freed when the process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a")
    except OSError as error:
        raise _unwritable(path, error) from None
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(
        f"{path} cannot be written: {error.strerror or error}.",
        "a place with space where you may write",
        "name another place with --store or the variable RDMS_REFERENCES",
    )
