"""A folder of effective PSFs with a database of what they are.

::

    library.sqlite     one row an entry
    files/             the PSFs, RAD epsf files named by their content

A file is there, whole, before its row; rows are never changed.  So a process that is killed
leaves a file without a row at worst, and what was chosen once can be chosen again by its
version.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from roman_dms.errors import FileError, ReferenceDataError, UsageError
from roman_dms.psf.library.entries import Entry, entry_of, values_of
from roman_dms.psf.library.selection import Choice, choose

if TYPE_CHECKING:
    from sqlalchemy import Engine

DATABASE = "library.sqlite"


def default_path() -> Path:
    """Where the library is: ``RDMS_PSF_LIBRARY``, else a folder in the home folder."""
    if value := os.environ.get("RDMS_PSF_LIBRARY"):
        return Path(value).expanduser()
    return Path.home() / ".local" / "share" / "rdms" / "psf"


class PsfLibrary:
    """A library of effective PSFs.

    Parameters
    ----------
    path
        Its folder; :func:`default_path` where omitted.  It is made when something is added.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = Path(path) if path is not None else default_path()
        self.files = self.path / "files"

    @cached_property
    def _engine(self) -> Engine:
        from roman_dms.psf.library.database import open_database  # noqa: PLC0415

        return open_database(self.path / DATABASE)

    def add(self, file: Path, entry: Entry) -> Entry:
        """Take a file and what is known of it; nothing that is there changes.

        Parameters
        ----------
        file
            Effective PSFs, a RAD ``epsf`` file; it is copied.
        entry
            What they are; number, version, date, file and hash are given here.

        Returns
        -------
        Entry
            As it is stored.

        Raises
        ------
        FileError
            If the file cannot be read or the library cannot be written.
        UsageError
            For a parent that is not there.
        """
        from sqlalchemy import func, insert, select  # noqa: PLC0415

        from roman_dms.psf.library.database import ENTRIES, told, writing  # noqa: PLC0415

        self._make_folder()
        sha256 = hash_of(file)
        name = f"{entry.detector}_{entry.element}_{sha256[:20]}.asdf".lower()
        self._keep(file, name, sha256)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        known = replace(entry, file=name, sha256=sha256, created=created)
        same = (ENTRIES.c.detector == entry.detector) & (ENTRIES.c.element == entry.element)
        with told(self.path / DATABASE), writing(self._engine) as connection:
            if entry.parent is not None:
                found = select(ENTRIES.c.number).where(ENTRIES.c.number == entry.parent)
                if connection.execute(found).first() is None:
                    raise UsageError(f"The library has no entry {entry.parent}.", "a parent in it")
            latest = connection.execute(select(func.max(ENTRIES.c.version)).where(same)).scalar()
            known = replace(known, version=(latest or 0) + 1)
            result = connection.execute(insert(ENTRIES).values(values_of(known)))
            key = result.inserted_primary_key
            assert key is not None
        return replace(known, number=key[0])

    def entries(self, detector: str | None = None, element: str | None = None) -> list[Entry]:
        """All entries, of a detector or an element where named, oldest first.

        Raises
        ------
        FileError
            If the database cannot be read.
        """
        from sqlalchemy import select  # noqa: PLC0415

        from roman_dms.psf.library.database import ENTRIES, told  # noqa: PLC0415

        if not (self.path / DATABASE).is_file():
            return []
        wanted = select(ENTRIES).order_by(ENTRIES.c.number)
        for column, value in ((ENTRIES.c.detector, detector), (ENTRIES.c.element, element)):
            wanted = wanted if value is None else wanted.where(column == value)
        with told(self.path / DATABASE), self._engine.connect() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [entry_of({str(name): value for name, value in row.items()}) for row in rows]

    def query(
        self,
        detector: str,
        element: str,
        x: float | None = None,
        y: float | None = None,
        *,
        time: str | None = None,
        engineering: Mapping[str, float] | None = None,
        kind: str | None = None,
        version: int | str = "latest",
    ) -> Choice:
        """The entry that fits best, by the rules of :mod:`~roman_dms.psf.library.selection`.

        Parameters
        ----------
        x, y
            Place on the detector [pixel].
        time
            ISO, UTC.
        engineering
            State of the telescope, by name.
        kind
            ``optical`` or ``empirical`` alone.
        version
            A number, or ``latest`` for whichever fits best.

        Raises
        ------
        ReferenceDataError
            If there is no such entry.
        """
        known = self.entries(detector, element)
        fitting = [
            entry
            for entry in known
            if kind in (None, entry.kind) and version in ("latest", entry.version)
        ]
        if not fitting:
            versions = ", ".join(f"{entry.version} ({entry.kind})" for entry in known) or "none"
            raise ReferenceDataError(
                f"The PSF library {self.path} has no entry of {detector} in {element}"
                f"{f', {kind}' if kind else ''}"
                f"{'' if version == 'latest' else f', version {version}'}.",
                f"one of its versions: {versions}",
                "add one with 'rdms psf build ... --library', or use the optical model",
            )
        place = None if x is None or y is None else (x, y)
        return choose(fitting, place=place, time=time, engineering=engineering or {})

    def file(self, entry: Entry) -> Path:
        """The file of an entry, its content checked.

        Raises
        ------
        ReferenceDataError
            If it is missing or damaged.
        """
        path = self.files / entry.file
        if not path.is_file():
            found = f"The file {path} of the PSF library's entry {entry.number} is missing."
        elif hash_of(path) != entry.sha256:
            found = f"The file {path} of the PSF library's entry {entry.number} is damaged."
        else:
            return path
        raise ReferenceDataError(
            found,
            f"a file with the SHA-256 {entry.sha256}",
            "put it back from a copy, or build these PSFs again as a new entry",
        )

    def verify(self) -> list[str]:
        """What is wrong with the library's files; empty where all is well."""
        problems = []
        entries = self.entries()
        for entry in entries:
            try:
                self.file(entry)
            except (ReferenceDataError, FileError) as error:
                problems.append(error.found)
        named = {entry.file for entry in entries}
        present = self.files.glob("*.asdf") if self.files.is_dir() else ()
        stray = sorted(path.name for path in present if path.name not in named)
        return problems + [f"The file {name} belongs to no entry; remove it." for name in stray]

    def _make_folder(self) -> None:
        try:
            self.files.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def _keep(self, file: Path, name: str, sha256: str) -> None:
        """Copy a file into the library, whole or not at all, unless it is there."""
        kept = self.files / name
        if kept.is_file() and hash_of(kept) == sha256:
            return
        beside = self.files / f".{name}.{secrets.token_hex(4)}.tmp"
        try:
            shutil.copyfile(file, beside)
            with beside.open("rb+") as copy:
                os.fsync(copy.fileno())
            if hash_of(beside) != sha256:
                raise FileError(f"{file} changed while it was copied.", "a file at rest")
            beside.replace(kept)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        finally:
            beside.unlink(missing_ok=True)


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from None


def _unwritable(path: Path, error: OSError) -> FileError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return FileError(
        f"The PSF library {path} cannot be written: {error.strerror or error}.",
        "a folder with space where you may write",
        "free some space" if full else "name another with --library or RDMS_PSF_LIBRARY",
    )
