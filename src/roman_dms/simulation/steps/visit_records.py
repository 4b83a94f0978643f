"""What a visit remembers of each exposure that it has made, so that it can be resumed.

A record is a JSON file, ``records/NAME.json`` in the folder of the visit.  It is
written when an exposure is begun and again when it is finished, and holds all
that the exposure depends on; the record of an exposure that persists from an
earlier one holds the key of that one, too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from astropy.table import Table

from roman_dms import __version__
from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.tables import write_table
from roman_dms.formats.writing import replacing
from roman_dms.planning.exposure import PlannedExposure

STATE = "_state"
"""How the name of a file ends, before the suffix, that the next exposure starts from."""

_ANOTHER = "choose another folder, or make all anew with --overwrite"


@dataclass(frozen=True)
class Job:
    """One detector of one exposure, to be made."""

    row: int
    """Row of the plan, counted from 1."""

    exposure: PlannedExposure
    detector: str

    made_with: Mapping[str, Any]
    """All that it depends on, as JSON has it."""

    key: str
    """Checksum of ``made_with``."""

    previous: str | None = None
    """Name of the exposure whose charge persists in this one."""

    @property
    def name(self) -> str:
        """Name of its files, without suffix."""
        return self.exposure.stem(self.detector)


@dataclass(frozen=True)
class Record:
    """What is known of an exposure that was begun."""

    key: str
    made_with: Mapping[str, Any]
    files: Mapping[str, int] | None = None
    """Size of each file that was made, by name [byte]; ``None`` while it is being made."""
    seconds: float = 0.0

    def is_whole(self, folder: Path) -> bool:
        """Whether it is finished and its files are there."""
        return self.files is not None and all(
            _size(folder / name) == size for name, size in self.files.items()
        )


def jobs_of(
    plan: Sequence[PlannedExposure],
    detectors: Sequence[str],
    settings: Mapping[str, Any],
    *,
    chained: bool,
) -> list[list[Job]]:
    """What there is to make, in chains; the members of a chain follow each other.

    Parameters
    ----------
    plan
        In any order.
    detectors
        Names of the detectors.
    settings
        What the results depend on beside exposure, detector and version.
    chained
        Whether charge persists from one exposure of a detector to the next: one
        chain a detector, in the order of time.  Otherwise every job is a chain.
    """
    rows = sorted(enumerate(plan, 1), key=lambda item: item[1].start)
    chains: list[list[Job]] = []
    for detector in detectors:
        chain: list[Job] = []
        for row, exposure in rows:
            before = chain[-1] if chained and chain else None
            chain.append(_job(row, exposure, detector, settings, before))
        chains.extend([chain] if chained else [[job] for job in chain])
    return sorted(chains, key=lambda chain: chain[0].exposure.start)


def _job(
    row: int,
    exposure: PlannedExposure,
    detector: str,
    settings: Mapping[str, Any],
    before: Job | None,
) -> Job:
    made_with = {
        "software": __version__,
        **settings,
        "detector": detector,
        "exposure": asdict(exposure),
        "exposure before": before.key if before else None,
    }
    text = json.dumps(made_with, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()
    return Job(row, exposure, detector, json.loads(text), key, before.name if before else None)


def finished_jobs(jobs: Iterable[Job], folder: Path) -> dict[str, Record]:
    """Records of the jobs that need not be done again, by name.

    Raises
    ------
    UsageError
        Where the folder holds an exposure of the same name that was made otherwise.
    """
    taken = _names_in(folder)
    finished = {}
    for job in jobs:
        record = read_record(folder, job.name)
        if record is None and job.name in taken:
            raise UsageError(
                f"The folder {folder} holds files of {job.name} that no visit made.",
                "a new folder, or that of the same visit",
                _ANOTHER,
            )
        if record is not None and record.key != job.key:
            raise _made_otherwise(job, record, folder)
        if record is not None and record.is_whole(folder):
            finished[job.name] = record
    return finished


def forget(jobs: Iterable[Job], folder: Path) -> None:
    """Remove what an earlier visit made of the jobs, and begin all anew."""
    taken = _names_in(folder) | _names_in(folder / "records")
    for job in jobs:
        if job.name in taken:
            try:
                record = read_record(folder, job.name)
            except FormatError:
                record = None
            for name in (record.files or ()) if record else ():
                (folder / name).unlink(missing_ok=True)
            write_record(folder, job.name, Record(job.key, job.made_with))


def _names_in(folder: Path) -> set[str]:
    """Names of the exposures that a folder has files of."""
    stems = (path.stem for path in folder.iterdir() if path.is_file())
    return {name for stem in stems for name in (stem, stem.rsplit("_", 1)[0])}


def read_record(folder: Path, name: str) -> Record | None:
    """The record of an exposure, if it was begun.

    Raises
    ------
    FormatError
        Where the record cannot be understood.
    """
    path = folder / "records" / f"{name}.json"
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise FormatError(f"The record {path} cannot be read: {error}.", "", _ANOTHER) from error


def write_record(folder: Path, name: str, record: Record) -> None:
    """Write the record of an exposure."""
    with replacing(folder / "records" / f"{name}.json") as file:
        file.write(json.dumps(asdict(record), indent=1).encode())


def state_file(folder: Path, name: str | None) -> Path | None:
    """The file that the next exposure of the detector starts from, if there is one."""
    record = read_record(folder, name) if name else None
    names = record.files or () if record else ()
    return next((folder / file for file in names if Path(file).stem.endswith(STATE)), None)


def write_summary(folder: Path) -> Path:
    """Write ``visit.ecsv``: a row for each exposure and detector that is finished."""
    records = [read_record(folder, path.stem) for path in (folder / "records").glob("*.json")]
    rows = [_row(record) for record in records if record is not None and record.files]
    rows.sort(key=lambda row: (row["start"], row["exposure"], row["detector"]))
    path = folder / "visit.ecsv"
    if rows:
        write_table(Table(rows=rows), path)
    return path


def file_checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file.

    Raises
    ------
    FileError
        Where it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(
            f"The file {path} cannot be read: {error.strerror}.", "", "check the path"
        ) from error


def _row(record: Record) -> dict[str, Any]:
    exposure = PlannedExposure(**record.made_with["exposure"])
    assert record.files is not None
    return {
        "visit": exposure.visit_id,
        "exposure": exposure.exposure,
        "detector": record.made_with["detector"],
        "element": exposure.element,
        "start": exposure.start,
        "file": next(iter(record.files)),
        "seed": record.made_with.get("seed", 0),
        "seconds": round(record.seconds, 3),
    }


def _made_otherwise(job: Job, record: Record, folder: Path) -> UsageError:
    changes = "; ".join(_changes(record.made_with, job.made_with))
    return UsageError(
        f"The folder {folder} holds {job.name} made with other settings: {changes[:600]}.",
        "the same settings, to go on with a visit",
        _ANOTHER,
    )


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs, in words."""
    for name in {**before, **now}:
        old, new = before.get(name, "not set"), now.get(name, "not set")
        if isinstance(old, dict) and isinstance(new, dict):
            yield from (f"{name} {change}" for change in _changes(old, new))
        elif old != new and name == "exposure before":
            yield "the exposures before it, whose charge persists"
        elif old != new:
            yield f"{name} {old!r}, now {new!r}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
