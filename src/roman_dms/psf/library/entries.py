"""What the library knows of one set of effective PSFs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.optical_elements import optical_element

Kind = Literal["optical", "empirical"]
KINDS: tuple[Kind, ...] = ("empirical", "optical")
"""From the preferred one on: what was measured, and what was computed."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Effective PSFs of one detector and element, and all that is known of them.

    Raises
    ------
    UsageError
        For values that cannot be.
    """

    detector: str
    """``WFI01`` to ``WFI18``."""

    element: str
    """A filter."""

    kind: Kind
    """``optical`` from the optical model, ``empirical`` from stars."""

    valid_from: str
    """Begin of the time for which it holds, ISO, UTC."""

    valid_until: str = "9999-12-31T00:00:00"
    """End of that time, exclusive, ISO, UTC."""

    oversample: int
    """Samples a pixel."""

    nodes: tuple[int, int]
    """Columns and rows of places."""

    extent: tuple[float, float, float, float]
    """First and last column, first and last row of the places [pixel]."""

    wavelengths: tuple[float, ...]
    """Mean wavelengths of the colours [micron]."""

    stars: int | None = None
    """Number of stars that it was measured on."""

    engineering: Mapping[str, float] = field(default_factory=dict)
    """State of the telescope by name, such as ``focus`` [micron], ``jitter`` [arcsec]."""

    quality: Mapping[str, float] = field(default_factory=dict)
    """Figures of merit by name, such as ``chi2``."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the files that it was made from, by name."""

    software: str = ""
    """What made it, with version."""

    description: str = ""
    """What it is, for people."""

    parent: int | None = None
    """Number of the entry that it was made from or takes the place of."""

    number: int = 0
    """Number in the library, given by it."""

    version: int = 0
    """1, 2, ... among the entries of the same detector and element, given by the library."""

    created: str = ""
    """When it was added, ISO, UTC, given by the library."""

    file: str = ""
    """Name of the file in the library, given by it."""

    sha256: str = ""
    """Hash of the file's content, given by the library."""

    def __post_init__(self) -> None:
        if self.detector not in NAMES:
            raise UsageError(f"There is no detector {self.detector!r}.", "one of WFI01 to WFI18")
        if not optical_element(self.element).is_imaging:
            raise UsageError(f"{self.element} makes no images.", "a filter")
        if self.kind not in KINDS:
            raise UsageError(f"There is no kind {self.kind!r} of PSFs.", " or ".join(KINDS))
        if instant(self.valid_from) >= instant(self.valid_until):
            raise UsageError(
                f"An entry was to hold from {self.valid_from} until {self.valid_until}.",
                "an end after the beginning",
            )

    def days_from(self, time: datetime) -> float:
        """How far a time is from that for which the entry holds [day]; 0 within."""
        before = (instant(self.valid_from) - time).total_seconds()
        after = (time - instant(self.valid_until)).total_seconds()
        return max(before, after, 0.0) / 86400

    def pixels_from(self, x: float, y: float) -> float:
        """How far a place is outside the entry's places [pixel]; 0 within."""
        left, right, bottom, top = self.extent
        return max(left - x, x - right, bottom - y, y - top, 0.0)


def instant(text: str) -> datetime:
    """A time in ISO's notation, UTC where it names no zone.

    Raises
    ------
    UsageError
        For any other notation.
    """
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UsageError(
            f"{text!r} is no time.", "a date or time in ISO's notation, 2027-06-01T12:00:00"
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def values_of(entry: Entry) -> dict[str, Any]:
    """What is stored of an entry, by column; the number is the database's."""
    values = {item.name: getattr(entry, item.name) for item in fields(Entry)}
    del values["number"]
    for name in ("engineering", "quality", "inputs"):
        values[name] = dict(values[name])
    for name in ("nodes", "extent", "wavelengths"):
        values[name] = list(values[name])
    return values


def entry_of(values: Mapping[str, Any]) -> Entry:
    """The entry in a row of the database."""
    lists = {name: tuple(values[name]) for name in ("nodes", "extent", "wavelengths")}
    return Entry(**{**values, **lists})
