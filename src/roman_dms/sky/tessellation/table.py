"""A tessellation from a table of regions and cells, in the format of RAD's ``skycells``.

Any table of square cells on a regular grid in each region will do: another part of the sky,
other sizes, other scales.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError, UsageError
from roman_dms.sky.tessellation.cell import SkyCell
from roman_dms.sky.tessellation.cells import Places, SkyCells
from roman_dms.sky.tessellation.regions import Integers, Regions, Values

REGION = np.dtype(
    [
        ("index", "<i4"), ("ra_tangent", "<f8"), ("dec_tangent", "<f8"), ("ra_min", "<f8"),
        ("ra_max", "<f8"), ("dec_min", "<f8"), ("dec_max", "<f8"), ("orientat", "<f4"),
        ("x_tangent", "<f8"), ("y_tangent", "<f8"), ("nx", "<i4"), ("ny", "<i4"),
        ("skycell_start", "<i4"), ("skycell_end", "<i4"),
    ]
)  # fmt: skip

CELL = np.dtype(
    [
        ("name", "<U16"), ("ra_center", "<f8"), ("dec_center", "<f8"), ("orientat", "<f4"),
        ("x_tangent", "<f8"), ("y_tangent", "<f8"),
        *((f"{axis}_corn{corner}", "<f8") for corner in range(1, 5) for axis in ("ra", "dec")),
    ]
)  # fmt: skip


class TabledSkyCells(SkyCells):
    """Cells as a table has them.

    Parameters
    ----------
    regions
        Rows of projection regions: the columns of :data:`REGION`.  Those without cells say
        nothing.
    cells
        Rows of cells: the columns of :data:`CELL`.
    size, border
        Rows and columns of a cell, and those outside of its core [pixel].
    scale
        Side of a pixel at the tangent point [arcsec].
    source
        Where the table comes from, for messages.

    Raises
    ------
    FormatError
        For a table whose cells do not lie on the grid of their regions.
    """

    def __init__(
        self,
        regions: NDArray[Any],
        cells: NDArray[Any],
        *,
        size: int,
        border: int,
        scale: float,
        source: str,
    ) -> None:
        self.size, self.border, self.scale, self.source = size, border, scale, source
        missing = [name for name in REGION.names or () if name not in (regions.dtype.names or ())]
        missing += [name for name in CELL.names or () if name not in (cells.dtype.names or ())]
        if missing or not len(cells) or self.pitch <= 0:
            raise FormatError(
                f"The table of sky cells {source} has {len(cells)} cells and no "
                f"{', '.join(missing) or 'area'}.",
                "projection regions and sky cells, as RAD's skycells",
            )
        self._rows = regions[regions["skycell_end"] > regions["skycell_start"]]
        self._cells = cells
        self._grids = [self._grid(row) for row in self._rows]

    def _grid(self, row: Any) -> tuple[int, int, Integers]:
        """First column, first row, and (rows, columns) the place in the table or -1."""
        cells = self._cells[row["skycell_start"] : row["skycell_end"]]
        middle = (self.size - 1) / 2
        places = np.array([(middle - cells[f"{axis}_tangent"]) / self.pitch for axis in "xy"])
        column, line = np.rint(places).astype(np.int64)
        if not len(cells) or np.abs(places - np.rint(places)).max() > 1e-3:
            raise FormatError(
                f"Region {row['index']} of {self.source} has {len(cells)} cells, not on one grid.",
                f"cells of {self.size} pixels, {self.pitch} apart",
            )
        grid = np.full((np.ptp(line) + 1, np.ptp(column) + 1), -1, np.int64)
        grid[line - line.min(), column - column.min()] = np.arange(
            row["skycell_start"], row["skycell_end"]
        )
        return int(column.min()), int(line.min()), grid

    @cached_property
    def regions(self) -> Regions:
        """The projection regions."""
        of = {name: np.asarray(self._rows[name], float) for name in REGION.names or ()}
        return Regions(
            of["ra_tangent"], of["dec_tangent"], np.mod(of["ra_min"], 360), of["ra_max"],
            of["dec_min"], of["dec_max"], of["orientat"],
        )  # fmt: skip

    def region_at(self, ra: Values, dec: Values) -> Integers:
        """Number of the region that holds each position [deg]; -1 where there is none."""
        region, of = np.full(ra.size, -1, np.int64), self.regions
        rings = np.searchsorted([south for south, _ in self._rings], dec, side="right") - 1
        for ring in np.unique(rings[rings >= 0]):
            here, members = np.flatnonzero(rings == ring), self._rings[ring][1]
            east = np.mod(ra[here], 360)
            last = np.searchsorted(of.ra_min[members], east, side="right") - 1  # -1: over RA 0
            candidate = members[last]
            held = of.holds(candidate, ra[here], dec[here])
            region[here[held]] = candidate[held]
        return region

    @cached_property
    def _rings(self) -> list[tuple[float, Integers]]:
        """Southern bound of each ring of regions, and its regions from west to east."""
        of = self.regions
        rings = [np.flatnonzero(of.dec_min == south) for south in np.unique(of.dec_min)]
        return [(float(of.dec_min[ring[0]]), ring[np.argsort(of.ra_min[ring])]) for ring in rings]

    def cells_in(self, region: int) -> Places:
        """All cells of a region, row by row."""
        first_column, first_row, grid = self._grids[region]
        row, column = np.nonzero(grid >= 0)
        return Places(np.full(row.size, region), column + first_column, row + first_row)

    def _index(self, region: int, column: Integers, row: Integers) -> Integers:
        """Row of the table of each place; -1 where there is none."""
        first_column, first_row, grid = self._grids[region]
        x, y = column - first_column, row - first_row
        there = (x >= 0) & (y >= 0) & (x < grid.shape[1]) & (y < grid.shape[0])
        found = grid[np.where(there, y, 0), np.where(there, x, 0)]
        return np.where(there, found, -1)

    def exists(self, region: int, column: Integers, row: Integers) -> NDArray[np.bool_]:
        """Which of these places of a region have a cell."""
        return np.asarray(self._index(region, column, row) >= 0)

    def name(self, region: int, column: int, row: int) -> str:
        """Name of a cell, from the table; empty where there is none."""
        index = int(self._index(region, np.array([column]), np.array([row]))[0])
        return str(self._cells["name"][index]) if index >= 0 else ""

    def named(self, name: str) -> SkyCell:
        """The cell of a name.

        Raises
        ------
        UsageError
            For a name that is not there; near ones are named.
        """
        for region in self._candidates(name):
            row = self._rows[region]
            start, names = row["skycell_start"], self._cells["name"]
            found = np.flatnonzero(names[start : row["skycell_end"]] == name)
            if found.size:
                first_column, first_row, grid = self._grids[region]
                line, column = np.argwhere(grid == start + found[0])[0]
                return self.cell(region, int(column) + first_column, int(line) + first_row)
        raise self._unknown(name)

    def _candidates(self, name: str) -> Sequence[int]:
        """Regions whose first cell has a name that begins alike; else all."""
        likely = self._by_beginning.get(name.partition("x")[0], [])
        return likely or range(len(self._rows))

    @cached_property
    def _by_beginning(self) -> dict[str, list[int]]:
        regions: dict[str, list[int]] = {}
        for region, start in enumerate(self._rows["skycell_start"]):
            regions.setdefault(str(self._cells["name"][start]).partition("x")[0], []).append(region)
        return regions

    def _unknown(self, name: str) -> UsageError:
        rows = self._rows[list(self._candidates(name))[:10]]
        names = [
            str(known)
            for row in rows
            for known in self._cells["name"][row["skycell_start"] : row["skycell_end"]]
        ]
        near = difflib.get_close_matches(name, names, 5, 0.6) or names[:1]
        return UsageError(
            f"There is no sky cell {name!r} in {self.source}.",
            f"one of its {len(self._cells)} cells, for instance {', '.join(near)}",
            "give the position of the mosaic instead: --ra, --dec",
        )


def tables_of(
    cells: SkyCells, regions: Sequence[int] | Integers
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows of :data:`REGION` for all regions of a tessellation, of :data:`CELL` for some.

    romancal takes the number of a region for its row, so that none may be left out.
    """
    region_rows, parts, count = np.zeros(cells.regions.ra.size, REGION), [], 0
    wanted = {int(region) for region in regions}
    for region, row in enumerate(region_rows):
        _fill_region(row, cells, region)
        row["skycell_start"] = count
        if region in wanted:
            parts.append(_cell_rows(cells, cells.cells_in(region)))
            count += len(parts[-1])
        row["skycell_end"] = count
    return region_rows, np.concatenate(parts) if parts else np.zeros(0, CELL)


def _fill_region(row: Any, cells: SkyCells, region: int) -> None:
    """A region; its plane is as large as the arcs along its bounds, in pairs of pixels."""
    of = cells.regions
    row["index"], row["orientat"] = region, of.orientation[region]
    row["ra_tangent"], row["dec_tangent"] = of.ra[region], of.dec[region]
    for name in ("ra_min", "ra_max", "dec_min", "dec_max"):
        row[name] = getattr(of, name)[region]
    height = float(of.dec_max[region] - of.dec_min[region])
    nearest = float(np.min(np.abs([of.dec_min[region], of.dec_max[region]])))
    width = float(of.widths[region] * np.cos(np.deg2rad(nearest)))
    if of.widths[region] == 360:
        width = height = 2 * height
    for axis, extent in (("x", width), ("y", height)):
        row[f"n{axis}"] = 2 * int(extent * 1800 / cells.scale)
        row[f"{axis}_tangent"] = (row[f"n{axis}"] - 1) / 2


def _cell_rows(cells: SkyCells, places: Places) -> NDArray[Any]:
    """Cells of one region."""
    rows = np.zeros(len(places), CELL)
    if not len(places):
        return rows
    plane, of = cells.plane(int(places.region[0])), cells.regions
    middle, half = (cells.size - 1) / 2, cells.size / 2
    x, y = (np.multiply(cells.pitch, axis, dtype=float) for axis in (places.column, places.row))
    rows["name"] = cells.names(places)
    rows["x_tangent"], rows["y_tangent"] = middle - x, middle - y
    rows["ra_center"], rows["dec_center"] = plane.sky(x, y)
    turned = plane.ra - rows["ra_center"]
    pole = of.widths[places.region[0]] == 360
    rows["orientat"] = turned if pole else (turned + 180) % 360 - 180
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    for corner, (a, b) in enumerate(signs, start=1):
        ra, dec = plane.sky(a * half + x, b * half + y)
        rows[f"ra_corn{corner}"], rows[f"dec_corn{corner}"] = ra, dec
    return rows
