"""Pointing plans: one row an exposure, ``.sim.ecsv``, the planning tool's way to simulators.

The format is that of the mission's planning tool (APT), as ``romanisim-make-stack``
reads it.  Two things in it are easily mistaken:

- ``PA`` is the position angle of the telescope's V3 axis, 60 degrees more than
  that of the aperture ``WFI_CEN`` (romanisim, pull request 323; and steps from
  tile to tile in ``roman_gps.sim.ecsv`` of ``spacetelescope/roman_notebooks``).
  The script that ``romanisim-make-stack`` 0.14 writes takes the 60 degrees off; its
  own simulation does not.
- ``DURATION`` is the time from the start of an exposure to the start of the
  next, overheads included: 81 s for an exposure of 60 s.

Ours has two further columns, ``EXPOSURE_TIME`` and ``START``.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NoReturn

from astropy.table import Table
from astropy.table.meta import get_header_from_yaml

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.tables import write_table
from roman_dms.instrument.apertures import aperture
from roman_dms.instrument.ma_tables import MA_TABLES
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.planning.slews import ELEMENT_WHEEL, overhead

SECONDS = 86400.0

IDENTIFIERS = {
    "PLAN": ("plan", 99), "PASS": ("pass_", 999), "SEGMENT": ("segment", 999),
    "OBSERVATION": ("observation", 999), "VISIT": ("visit", 999), "EXPOSURE": ("exposure", 9999),
}  # fmt: skip
"""Columns that number an exposure: the field, and the largest number a file name holds."""

REQUIRED = ("RA", "DEC", "PA", "BANDPASS", "MA_TABLE_NUMBER", *IDENTIFIERS)

LAST_PROGRAM = 99999

MJD_ZERO = datetime(1858, 11, 17)
"""In UTC, as all times here."""

LONGEST_PAUSE = 10 * 365 * SECONDS
"""A longer one is a mistake [s]."""


def read_plan(
    path: str | os.PathLike[str],
    start: float | None = None,
    *,
    program: int | None = None,
    ma_table: int | None = None,
    angles_of: Literal["V3", "WFI_CEN"] = "V3",
) -> list[PlannedExposure]:
    """Read a pointing plan.

    Parameters
    ----------
    path
        An ECSV file with the columns :data:`REQUIRED`; ``DURATION`` [s], ``START``
        (UTC, ISO or MJD) and ``PROGRAM`` are optional.
    start
        Start of the first exposure [MJD UTC]; a plan that has times of its own, in
        ``START`` or in its metadata, is moved.  Each further exposure starts
        ``DURATION`` later, or, where that is blank, after the exposure, slew,
        settling and wheel.
    program
        Number of the program, stronger than that of the plan.
    ma_table
        Read pattern for all exposures, in place of the plan's: the mission's later
        plans name tables that are not public.
    angles_of
        Whose position angle ``PA`` is.

    Raises
    ------
    FileError
        Where the file is missing or cut off.
    FormatError
        Where it is no plan, or a value is missing or impossible; row and column are named.
    UsageError
        Where neither the plan nor the caller says when it starts.
    """
    meta, rows = _read_rows(Path(path))
    if not rows:
        raise FormatError(f"The plan {path} has no rows.", "a row for each exposure")
    _check_columns(path, rows[0].values)
    program = program if program is not None else meta.get("PROGRAM")
    turn = aperture("WFI_CEN").v3_ideal_y_angle if angles_of == "V3" else 0.0
    exposures = [_exposure(row, program, ma_table, turn) for row in rows]
    _check_identifiers(rows, exposures)
    first = _start_in(meta, path) if start is None else start
    timed = _with_times(path, rows, exposures, first, use_durations=ma_table is None)
    shift = 0.0 if start is None else start - timed[0].start
    return [replace(exposure, start=exposure.start + shift) for exposure in timed]


def write_plan(exposures: Sequence[PlannedExposure], path: str | os.PathLike[str]) -> None:
    """Write a plan that :func:`read_plan` and romanisim read.

    Raises
    ------
    FileError
        Where the file cannot be written.
    UsageError
        Where there is nothing to write, or the name does not end in ``.ecsv``.
    """
    if not exposures:
        raise UsageError("The plan has no exposures.", "one at least")
    if Path(path).suffix != ".ecsv":
        raise UsageError(f"The plan {path} has no suffix '.ecsv'.", "a name such as plan.sim.ecsv")
    turn = aperture("WFI_CEN").v3_ideal_y_angle
    rows = []
    for exposure, later in zip(exposures, (*exposures[1:], None), strict=True):
        time = exposure.exposure_time
        duration = (later.start - exposure.start) * SECONDS if later else time
        rows.append(
            {
                "RA": exposure.ra,
                "DEC": exposure.dec,
                "PA": (exposure.position_angle - turn) % 360,
                "BANDPASS": exposure.element,
                "MA_TABLE_NUMBER": exposure.ma_table,
                "DURATION": round(duration, 6),
                **{name: getattr(exposure, key) for name, (key, _) in IDENTIFIERS.items()},
                "EXPOSURE_TIME": round(time, 6),
                "PROGRAM": exposure.program,
                "START": _iso(exposure.start),
            }
        )
    meta = {"PA": "of the V3 axis, from north to east, at WFI_CEN", "EXPOSURES": len(rows)}
    write_table(Table(rows=rows, meta=meta), path)


@dataclass(frozen=True)
class _Row:
    """A row of a plan, as text, that knows where it stands."""

    file: Path
    number: int
    values: dict[str, str] = field(repr=False)

    def fail(self, column: str, expected: str, remedy: str = "") -> NoReturn:
        value = self.values[column]
        raise FormatError(
            f"{self.file}: row {self.number}, column {column}: {value!r} was found.",
            expected,
            remedy or "correct the plan",
        )

    def number_in(self, column: str, low: float, high: float, expected: str) -> float:
        """A finite number within limits."""
        try:
            number = float(self.values[column])
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            self.fail(column, expected)
        return number

    def whole(self, column: str, high: int) -> int:
        """A whole number from 1 to ``high``."""
        expected = f"a whole number from 1 to {high}"
        number = self.number_in(column, 1, high, expected)
        if number != int(number):
            self.fail(column, expected)
        return int(number)


def _read_rows(path: Path) -> tuple[dict[str, Any], list[_Row]]:
    """Metadata, and the cells as text, so that a bad one can be pointed at."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        lines = ["(not text)"]
    except OSError as error:
        raise FileError(
            f"The plan {path} cannot be read: {error.strerror}.", "an ECSV file", "check the path"
        ) from error
    if not lines or not lines[0].startswith("# %ECSV"):
        begins = lines[0][:40] if lines else ""
        raise FormatError(
            f"The plan {path} is not an ECSV table: it begins with {begins!r}.",
            "'# %ECSV 1.0' in the first line",
            "export it as a simulator input file, or write it with 'rdms simulate plan'",
        )
    try:
        header = get_header_from_yaml([line[2:] for line in lines[1:] if line.startswith("# ")])
        delimiter, meta = header.get("delimiter", " "), dict(header.get("meta") or {})
    except Exception as error:  # YAML and astropy fail in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(
            f"The header of the plan {path} cannot be read: {reason[:200]}",
            "the header of an ECSV table",
            "copy the file again, it may be cut off",
        ) from error
    content = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    cells = list(csv.reader(content, delimiter=delimiter, skipinitialspace=True))
    rows = list(_rows(path, cells))
    if meta.get("EXPOSURES", len(rows)) != len(rows):
        found = f"{len(rows)} rows were found"
        raise _cut_off(path, found, f"{meta['EXPOSURES']} rows, as EXPOSURES in the header says")
    return meta, rows


def _rows(path: Path, cells: list[list[str]]) -> Iterator[_Row]:
    names = cells[0] if cells else []
    for number, values in enumerate(cells[1:], 1):
        if len(values) != len(names):
            found = f"row {number} has {len(values)} values"
            raise _cut_off(path, found, f"{len(names)} values, one a column")
        yield _Row(path, number, dict(zip(names, values, strict=True)))


def _cut_off(path: Path, found: str, expected: str) -> FileError:
    return FileError(
        f"The plan {path} may be cut off: {found}.", expected, "copy it again, or correct it"
    )


def _check_columns(path: str | os.PathLike[str], columns: dict[str, str]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise FormatError(
            f"The plan {path} lacks the column {', '.join(missing)}; it has {', '.join(columns)}.",
            f"the columns {', '.join(REQUIRED)}",
            "export it as a simulator input file, or write it with 'rdms simulate plan'",
        )


def _exposure(row: _Row, program: int | None, ma_table: int | None, turn: float) -> PlannedExposure:
    """An exposure without its time; ``turn`` leads from PA to that of the aperture."""
    ra = row.number_in("RA", -360, 360, "a right ascension from 0 to 360 deg")
    dec = row.number_in("DEC", -90, 90, "a declination from -90 to 90 deg")
    angle = row.number_in("PA", -720, 720, "a position angle in deg")
    given = row.whole("PROGRAM", LAST_PROGRAM) if row.values.get("PROGRAM") else 1
    return PlannedExposure(
        ra=ra % 360,
        dec=dec,
        position_angle=(angle + turn) % 360,
        element=_element(row),
        ma_table=ma_table or _ma_table(row),
        start=math.nan,
        program=given if program is None else int(program),
        **{name: row.whole(column, high) for column, (name, high) in IDENTIFIERS.items()},
    )


def _element(row: _Row) -> str:
    name = row.values["BANDPASS"].upper()
    if name not in ELEMENT_WHEEL:
        near = get_close_matches(name, ELEMENT_WHEEL, 1)
        row.fail(
            "BANDPASS",
            f"one of {', '.join(sorted(ELEMENT_WHEEL))}",
            f"did you mean {near[0]}?" if near else "",
        )
    return name


def _ma_table(row: _Row) -> int:
    number = row.whole("MA_TABLE_NUMBER", 10**9)
    if number not in MA_TABLES:
        near = sorted(MA_TABLES, key=lambda known: abs(known - number))[:3]
        row.fail(
            "MA_TABLE_NUMBER",
            f"one of {', '.join(map(str, MA_TABLES))}",
            f"the nearest are {', '.join(map(str, sorted(near)))}; "
            "or choose one for all rows with --ma-table",
        )
    return number


def _check_identifiers(rows: list[_Row], exposures: list[PlannedExposure]) -> None:
    seen: dict[tuple[str, int], int] = {}
    for row, exposure in zip(rows, exposures, strict=True):
        name = exposure.visit_id, exposure.exposure
        if name in seen:
            row.fail(
                "EXPOSURE",
                f"an exposure that is not yet in the plan; row {seen[name]} has the same "
                f"{', '.join(IDENTIFIERS)}",
                "number the exposures of a visit",
            )
        seen[name] = row.number


def _start_in(meta: dict[str, Any], path: str | os.PathLike[str]) -> float | None:
    """Start of the plan as its metadata have it."""
    text = meta.get("START")
    if text is None:
        return None
    try:
        return _mjd(str(text))
    except ValueError:
        raise FormatError(
            f"The metadata of the plan {path} have START: {text!r}.", "a date such as 2027-06-01"
        ) from None


def _with_times(
    path: str | os.PathLike[str],
    rows: list[_Row],
    exposures: list[PlannedExposure],
    start: float | None,
    *,
    use_durations: bool,
) -> list[PlannedExposure]:
    """Say of each exposure when it starts."""
    timed: list[PlannedExposure] = []
    for row, exposure in zip(rows, exposures, strict=True):
        begins = _given_start(row)
        if begins is None and timed:
            before = timed[-1]
            seconds = _duration(rows[len(timed) - 1], before) if use_durations else None
            if seconds is None:
                seconds = before.exposure_time + overhead(before, exposure)
            begins = before.start + seconds / SECONDS
        if begins is None:
            begins = start
        if begins is None:
            raise UsageError(
                f"The plan {path} does not say when it starts.",
                "a column START, START in the metadata, or a start",
                "say it, for instance with --start 2027-06-01",
            )
        if timed and (begins - timed[-1].end) * SECONDS < -1e-3:
            row.fail("START", f"a time after the end of the exposure before, {_iso(timed[-1].end)}")
        timed.append(replace(exposure, start=begins))
    return timed


def _duration(row: _Row, exposure: PlannedExposure) -> float | None:
    """Time from the start of an exposure to that of the next, where the plan has it [s]."""
    if not row.values.get("DURATION"):
        return None
    shortest = exposure.exposure_time
    expected = f"at least the {shortest:.1f} s of the exposure, or a blank"
    return row.number_in("DURATION", shortest, LONGEST_PAUSE, expected)


def _given_start(row: _Row) -> float | None:
    text = row.values.get("START")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _mjd(text)
    except ValueError:
        row.fail("START", "a UTC time such as 2027-06-01T12:00:00, or an MJD")


def _mjd(text: str) -> float:
    """Modified Julian date of a time in ISO 8601; UTC where it names no zone.

    Not astropy's, which takes minutes for the plan of a survey.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return (moment - MJD_ZERO) / timedelta(days=1)


def _iso(mjd: float) -> str:
    return (MJD_ZERO + timedelta(days=mjd)).isoformat(timespec="microseconds")
