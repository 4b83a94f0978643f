"""The part of the sky that a mosaic covers: a sky cell of the mission, or a free field.

Sky cells come from the ``skycells`` reference file of a context, or from the closed
form of the tessellation (``references.bootstrap.skycells``), which covers the whole
sky and says how far it is proven.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import ReferenceDataError, UsageError
from roman_dms.formats.trees import open_tagged
from roman_dms.references.bootstrap.skycells import CELL, SCALE, cells_of, region_of
from roman_dms.references.context import Selection
from roman_dms.references.kinds import START_TIME
from roman_dms.sky.tangent import TangentPlane, north_up

_NAME = re.compile(r"(\d{3})([pm])(\d{2})x\d{2}y\d{2}")
_LARGEST = 20000
"""Rows or columns of a free field [pixel]."""


@dataclass(frozen=True)
class SkyCell:
    """A rectangle of pixels on a tangent plane."""

    name: str | None
    """Name in the mission's tessellation; ``None`` for a free field."""

    plane: TangentPlane

    shape: tuple[int, int] = (CELL, CELL)
    """(rows, columns)."""

    @property
    def centre(self) -> tuple[float, float]:
        """Right ascension and declination of the middle [deg]."""
        rows, columns = self.shape
        ra, dec = self.plane.sky((columns - 1) / 2, (rows - 1) / 2)
        return float(ra), float(dec)


@dataclass(frozen=True)
class SkyCells:
    """Projection regions and their cells, as in the mission's table."""

    regions: NDArray[Any]
    cells: NDArray[Any]
    source: str
    """Where they come from, for messages."""

    def named(self, name: str) -> SkyCell:
        """The cell of a name.

        Raises
        ------
        UsageError
            For a name that is not there; near ones are named.
        """
        found = np.flatnonzero(self.cells["name"] == name)
        if not found.size:
            near = difflib.get_close_matches(name, self.cells["name"].tolist(), 5, 0.6)
            raise UsageError(
                f"There is no sky cell {name!r} in {self.source}.",
                f"one of its {len(self.cells)} cells"
                + (f", for instance {', '.join(near)}" if near else ", as 270p65x50y50"),
                "give the position of the mosaic instead: --ra, --dec",
            )
        return self._cell(int(found[0]))

    def at(self, ra: float, dec: float) -> SkyCell:
        """The cell in whose middle a position lies most.

        Raises
        ------
        UsageError
            For a position that no cell holds.
        """
        _check_position(ra, dec)
        apart = _separation(self.cells["ra_center"], self.cells["dec_center"], ra, dec)
        nearest = int(np.argmin(apart))
        if apart[nearest] > CELL * SCALE / np.sqrt(2):
            raise UsageError(
                f"No sky cell of {self.source} holds the position {ra:g}, {dec:g}.",
                "a position in one of its regions: around "
                + "; ".join(
                    f"{region['ra_tangent']:g}, {region['dec_tangent']:g}"
                    for region in self.regions[:5]
                ),
                "leave out the context, or give --size for a field of its own",
            )
        return self._cell(nearest)

    def _cell(self, place: int) -> SkyCell:
        row = self.cells[place]
        inside = (self.regions["skycell_start"] <= place) & (self.regions["skycell_end"] > place)
        region = self.regions[inside][0]
        angle = np.deg2rad(float(region["orientat"]))
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        plane = TangentPlane(
            ra=float(region["ra_tangent"]),
            dec=float(region["dec_tangent"]),
            x=float(row["x_tangent"]),
            y=float(row["y_tangent"]),
            scale=SCALE,
            matrix=((cosine, sine), (0.0 - sine, cosine)),
        )
        return SkyCell(str(row["name"]), plane)


def sky_cells_of(selection: Selection) -> SkyCells:
    """The cells of the ``skycells`` reference file of a context.

    Raises
    ------
    ReferenceDataError
        Where the context has none.
    """
    path = selection.select({START_TIME: "2027-01-01 00:00:00"}, ["skycells"])["skycells"]
    if path is None:
        raise ReferenceDataError(
            f"The context {selection.name} has no table of sky cells.",
            "a reference file of the kind 'skycells'",
            "leave out the context: the tessellation is known in closed form",
        )
    tree = open_tagged(path).live()
    return SkyCells(np.asarray(tree["projection_regions"]), np.asarray(tree["skycells"]), path.name)


def sky_cell(name: str) -> SkyCell:
    """The cell of a name, by the closed form of the tessellation.

    >>> sky_cell("270p65x50y50").shape
    (5000, 5000)

    Raises
    ------
    UsageError
        For a name that the tessellation does not have; near ones are named.
    """
    parts = _NAME.fullmatch(name)
    if parts is None or int(parts[3]) > 90 or int(parts[1]) > 360:
        raise UsageError(
            f"There is no sky cell {name!r}.",
            "right ascension and declination of a region, then the cell in it, as 270p65x50y50",
        )
    dec = float(parts[3]) * (1 if parts[2] == "p" else -1)
    return _around(float(parts[1]) % 360, dec).named(name)


def sky_cell_at(ra: float, dec: float) -> SkyCell:
    """The cell that holds a position, by the closed form of the tessellation.

    Raises
    ------
    UsageError
        For a position that cannot be.
    """
    _check_position(ra, dec)
    return _around(ra, dec).at(ra % 360, dec)


def free_field(
    ra: float,
    dec: float,
    size: int | tuple[int, int],
    *,
    scale: float = SCALE,
    position_angle: float = 0.0,
) -> SkyCell:
    """A field of its own, east to the left of its y axis.

    Parameters
    ----------
    ra, dec
        Of its middle, ICRS [deg].
    size
        Rows and columns [pixel].
    scale
        Side of a pixel [arcsec].
    position_angle
        Of the y axis, from north to east [deg].

    Raises
    ------
    UsageError
        For a position, size or scale that cannot be.
    """
    _check_position(ra, dec)
    rows, columns = (size, size) if isinstance(size, int) else size
    if not (1 <= rows <= _LARGEST and 1 <= columns <= _LARGEST):
        raise UsageError(
            f"A mosaic of {rows} x {columns} pixels was asked for.", f"1 to {_LARGEST} each way"
        )
    if not 0.01 <= scale <= 1:
        raise UsageError(f"Pixels of {scale!r} arcsec were asked for.", "0.01 to 1 arcsec")
    plane = TangentPlane(
        ra % 360.0, float(dec), (columns - 1) / 2, (rows - 1) / 2, scale, north_up(position_angle)
    )
    return SkyCell(None, plane, (rows, columns))


def _around(ra: float, dec: float) -> SkyCells:
    region = region_of(ra, dec)[0]
    return _region(float(region["ra_tangent"]), float(region["dec_tangent"]))


@lru_cache(maxsize=4)
def _region(ra_tangent: float, dec_tangent: float) -> SkyCells:
    """A region and its cells, which take a second to find."""
    region = region_of(ra_tangent, dec_tangent)
    cells = cells_of(region[0])
    region["skycell_end"] = len(cells)
    return SkyCells(region, cells, "the mission's tessellation")


def _check_position(ra: float, dec: float) -> None:
    if not (np.isfinite(ra) and -360 <= ra <= 720 and np.isfinite(dec) and -90 <= dec <= 90):
        raise UsageError(
            f"The position is ra = {ra!r}, dec = {dec!r}.",
            "degrees, declination from -90 to 90",
        )


def _separation(
    ra: NDArray[Any], dec: NDArray[Any], ra0: float, dec0: float
) -> NDArray[np.float64]:
    """Distance of positions from one position [arcsec] (haversine)."""
    lon, lat, lon0, lat0 = (np.deg2rad(angle) for angle in (ra, dec, ra0, dec0))
    half = np.sin((lat - lat0) / 2) ** 2
    half = half + np.cos(lat) * np.cos(lat0) * np.sin((lon - lon0) / 2) ** 2
    return np.asarray(np.rad2deg(2 * np.arcsin(np.sqrt(half))) * 3600)
