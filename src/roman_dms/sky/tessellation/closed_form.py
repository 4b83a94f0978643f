"""The tessellation of the whole sky by arithmetic: nothing is stored.

Tangent points lie on the poles and on every other ring of HEALPix pixels (Gorski et al. 2005,
ApJ 622, 759, section 5.1) of ``n_side`` = 26; the rings between them bound the regions in
declination.  A ring has as many regions as pixels, from right ascension 0 to the east, and rings
are counted from the north.  Cells are those of the mission's table, as its generator makes it
(github.com/spacetelescope/skymap, 7690f2e of 2025-07-01), and 128 more: the mission lists a cell
where a corner of its core lies in the region, which leaves out cells into which only a corner of
the region reaches, two for each of the 64 regions at declinations of 76 degrees.  With these the
cores cover the whole sky.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.sky.tessellation.cell import SkyCell
from roman_dms.sky.tessellation.cells import Places, SkyCells
from roman_dms.sky.tessellation.regions import Integers, Regions, Values

_NAME = re.compile(r"(\d{3}[pm]\d{2})x(\d{2,4})y(\d{2,4})")

_POLES = (135.0, 225.0)
"""Right ascension of the planes at the north pole and at the south pole [deg]."""


@dataclass(frozen=True)
class Tessellation(SkyCells):
    """Cells of the whole sky; by default the mission's.

    >>> Tessellation().at(270.0, 66.0).name
    '270p65x69y50'

    Raises
    ------
    UsageError
        For numbers that make no tessellation.
    """

    n_side: int = 26
    """Rings of regions between a pole and the latitude 41.8 degrees, twice."""

    size: int = 5000
    """Rows and columns of a cell [pixel]."""

    border: int = 100
    """Pixels outside of the core, each side."""

    scale: float = 0.055
    """Side of a pixel at the tangent point [arcsec]."""

    def __post_init__(self) -> None:
        if not 6 <= self.n_side <= 64:
            raise UsageError(f"A tessellation has n_side = {self.n_side!r}.", "6 to 64")
        if not (np.isfinite(self.scale) and 0.01 <= self.scale <= 10):
            raise UsageError(
                f"Pixels of {self.scale!r} arcsec were asked for.", "0.01 to 10 arcsec"
            )
        if not (self.border >= 0 and self.pitch * self.scale >= 10):
            raise UsageError(
                f"Cells of {self.size!r} pixels with a border of {self.border!r} were asked for.",
                "a core of 10 arcsec at least, between borders of 0 pixels at least",
            )

    @property
    def source(self) -> str:  # type: ignore[override]
        """Where the cells come from, for messages."""
        return "the mission's tessellation" if self == MISSION else "this tessellation"

    @cached_property
    def regions(self) -> Regions:
        """The projection regions, from north to south."""
        last = 4 * self.n_side
        ring = np.repeat(np.arange(0, last + 1, 2), self._counts)
        place = np.arange(ring.size) - self._starts[ring // 2]
        step = 360 / self._counts[ring // 2]
        pole = (ring == 0) | (ring == last)
        north = np.array([ring_declination(self.n_side, k) for k in range(last + 1)])
        return Regions(
            ra=np.where(pole, np.where(ring == 0, *_POLES), place * step),
            dec=north[ring],
            ra_min=np.where(pole, 0.0, np.mod(place * step - step / 2, 360)),
            ra_max=np.where(pole, 360.0, place * step + step / 2),
            dec_min=np.where(ring == last, -90.0, north[np.minimum(ring + 1, last)]),
            dec_max=np.where(ring == 0, 90.0, north[np.maximum(ring - 1, 0)]),
            orientation=np.zeros(ring.size),
        )

    def region_at(self, ra: Values, dec: Values) -> Integers:
        """Number of the region that holds each position [deg]."""
        ring = 2 * self.n_side - np.searchsorted(self._bounds, dec, side="right")
        count = self._counts[ring]
        place = np.floor(np.mod(ra, 360) / 360 * count + 0.5).astype(np.int64) % count
        return np.asarray(self._starts[ring] + place)

    def cells_in(self, region: int) -> Places:
        """All cells of a region, row by row."""
        width = self.pitch * self.step
        west, east, south, north = (edge / width for edge in self.regions.extent(region))
        columns = np.arange(int(np.floor(west + 0.5)), int(np.floor(east + 0.5)) + 1)
        rows = np.arange(int(np.floor(south + 0.5)), int(np.floor(north + 0.5)) + 1)
        column, row = (axis.ravel() for axis in np.meshgrid(columns, rows))
        there = self.exists(region, column, row)
        return Places(np.full(there.sum(), region), column[there], row[there])

    def exists(self, region: int, column: Integers, row: Integers) -> NDArray[np.bool_]:
        """Which of these places have a cell: those whose core shares area with the region."""
        width = self.pitch * self.step
        x, y = (np.multiply(width, axis, dtype=float) for axis in (column, row))
        return self.regions.touched(region, x, y, width / 2)

    def name(self, region: int, column: int, row: int) -> str:
        """Name of a cell: its region, then its row and its column, counted from the middle."""
        middle, digits = self._middle, self._digits
        return (
            f"{self.regions.stems[region]}x{middle + row:0{digits}d}y{middle + column:0{digits}d}"
        )

    def named(self, name: str) -> SkyCell:
        """The cell of a name.

        >>> Tessellation().named("270p65x50y50").shape
        (5000, 5000)

        Raises
        ------
        UsageError
            For a name that is not there; near ones are named.
        """
        parts = _NAME.fullmatch(name)
        region = self._by_stem.get(parts[1]) if parts else None
        if parts is None or region is None:
            raise self._unknown(name, parts)
        row, column = int(parts[2]) - self._middle, int(parts[3]) - self._middle
        found = name == self.name(region, column, row)
        if not found or not self.exists(region, np.array([column]), np.array([row]))[0]:
            there = self.cells_in(region)
            apart = np.hypot(there.column - column, there.row - row)
            near = np.argsort(apart, kind="stable")[:5]
            names = [self.name(region, int(there.column[n]), int(there.row[n])) for n in near]
            raise UsageError(
                f"There is no sky cell {name!r} in {self.source}.",
                f"one of the {len(there)} cells of its region, for instance {', '.join(names)}",
                "find the cell of a position with 'rdms skycells at RA DEC'",
            )
        return self.cell(region, column, row)

    def _unknown(self, name: str, parts: re.Match[str] | None) -> UsageError:
        near = difflib.get_close_matches(parts[1], self.regions.stems, 5, 0.6) if parts else []
        return UsageError(
            f"There is no sky cell {name!r}.",
            "right ascension and declination of a region, then the cell in it, as 270p65x50y50"
            + (f"; regions with near names: {', '.join(near)}" if near else ""),
            "find the cell of a position with 'rdms skycells at RA DEC'",
        )

    @cached_property
    def _by_stem(self) -> dict[str, int]:
        return {stem: region for region, stem in enumerate(self.regions.stems)}

    @cached_property
    def _counts(self) -> Integers:
        """Regions in each ring, from north to south."""
        ring = np.arange(0, 4 * self.n_side + 1, 2)
        count = 4 * np.minimum(np.minimum(ring, self.n_side), 4 * self.n_side - ring)
        return np.maximum(count, 1)

    @cached_property
    def _starts(self) -> Integers:
        return np.concatenate([[0], np.cumsum(self._counts)[:-1]])

    @cached_property
    def _bounds(self) -> Values:
        """Declinations between the rings, from south to north [deg]."""
        rings = range(4 * self.n_side - 1, 0, -2)
        return np.array([ring_declination(self.n_side, ring) for ring in rings])

    @cached_property
    def _digits(self) -> int:
        """Digits of a row or a column in a name; two are enough for the mission's."""
        width = self.pitch * self.step
        extents = [self.regions.extent(int(first)) for first in self._starts]
        reach = max(abs(edge) for extent in extents for edge in extent) / width + 1
        return next(n for n in (2, 3, 4, 5) if reach < 5 * 10 ** (n - 1))

    @cached_property
    def _middle(self) -> int:
        return 5 * 10 ** (self._digits - 1)


MISSION = Tessellation()
"""The tessellation of the mission."""


def ring_declination(n_side: int, ring: int) -> float:
    """Declination of a ring of HEALPix pixels, 0 and 4 ``n_side`` at the poles [deg]."""
    if ring > 2 * n_side:
        return -ring_declination(n_side, 4 * n_side - ring)
    polar = ring <= n_side
    z = 1 - ring**2 / (3 * n_side**2) if polar else 4 / 3 - 2 * ring / (3 * n_side)
    return float(np.degrees(np.arcsin(z)))
