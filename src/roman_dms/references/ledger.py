"""What is known of the content of files: size, time and SHA-1 when last read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roman_dms.errors import FileError, ReferenceDataError
from roman_dms.references import disk


@dataclass(frozen=True)
class Entry:
    """One file, as it was when its content was last checked."""

    sha1: str
    size: int
    """Bytes."""
    mtime_ns: int
    """Time of change [ns]."""


class Ledger:
    """Checks the content of files when they arrive and whenever size or time changed.

    A file that arrives must have the sum that its server announced; where none
    is announced the first reading is taken as its truth.  On a read-only disk
    nothing is written and a file whose time changed is read anew by each process.

    Parameters
    ----------
    path
        Where the ledger is kept.
    announced
        Sums that the server of a synchronised store gave, by name.
    """

    def __init__(self, path: Path, announced: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._announced = announced or {}
        self._entries = self._read()

    def check(self, file: Path, *, again: bool = False) -> str:
        """SHA-1 of a file whose content is the one known.

        Parameters
        ----------
        file
            Path of the file; its name is its identity.
        again
            Read the content even where size and time are unchanged.

        Raises
        ------
        ReferenceDataError
            For a file that is missing or whose content changed.
        """
        try:
            status = file.stat()
        except OSError:
            raise _missing(file) from None
        if file.name not in self._entries:
            self._entries = self._read()  # another process may have seen it
        known = self._entries.get(file.name)
        unchanged = known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns)
        if known and unchanged and not again:
            return known.sha1
        sha1 = disk.sha1_of(file)
        expected = known.sha1 if known else self._announced.get(file.name, sha1)
        if sha1 != expected:
            raise _damaged(file, sha1, expected)
        if not unchanged:
            self._record(file.name, Entry(sha1, status.st_size, status.st_mtime_ns))
        return sha1

    def _record(self, name: str, entry: Entry) -> None:
        self._entries[name] = entry
        try:
            with disk.locked(self._path.with_suffix(".lock")):
                self._entries = self._read() | {name: entry}
                rows = {
                    name: [entry.sha1, entry.size, entry.mtime_ns]
                    for name, entry in sorted(self._entries.items())
                }
                disk.write_text(self._path, json.dumps(rows, indent=1))
        except FileError:
            pass  # A read-only store is allowed; the check is then repeated.

    def _read(self) -> dict[str, Entry]:
        try:
            rows = json.loads(self._path.read_text())
            return {
                name: Entry(str(sha1), int(size), int(t)) for name, (sha1, size, t) in rows.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError):
            raise ReferenceDataError(
                f"The ledger {self._path} of the reference store cannot be read.",
                "a JSON table of sums, sizes and times",
                "remove it: the files are then read anew, and check them with "
                "'rdms references verify'",
            ) from None


def _missing(file: Path) -> ReferenceDataError:
    return ReferenceDataError(
        f"The reference file {file.name} is not in the store ({file.parent}).",
        "every file that the context selects",
        "copy it there, make a baseline with 'rdms references bootstrap', or sync the store "
        "from a server with the crds client",
    )


def _damaged(file: Path, found: str, expected: str) -> ReferenceDataError:
    return ReferenceDataError(
        f"The reference file {file} is damaged: its SHA-1 is {found}.",
        f"{expected}, as it came into the store or its server told",
        "remove the file and restore it from where it came; a new version needs a new name "
        "and 'rdms references submit'",
    )
