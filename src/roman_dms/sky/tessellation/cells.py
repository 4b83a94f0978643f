"""Cells of a tessellation: by name, by position, by footprint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.sky.tangent import TangentPlane, gnomonic, unit_vectors
from roman_dms.sky.tessellation.cell import SkyCell, check_position
from roman_dms.sky.tessellation.polygons import touched_squares
from roman_dms.sky.tessellation.regions import Integers, Regions, Values

_CHUNK = 1 << 14
"""Positions that are worked on at a time: what fits into the cache."""

_WIDEST = 30.0
"""Largest radius of a footprint [deg]."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where cells lie; each value is (n,)."""

    region: Integers
    """Number of the projection region; -1 where there is none."""

    column: Integers
    """Cells to the right of the one around the tangent point."""

    row: Integers
    """Cells above it."""

    def __len__(self) -> int:
        """How many cells."""
        return self.region.size

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Region, column and row of each cell."""
        return zip(self.region.tolist(), self.column.tolist(), self.row.tolist(), strict=True)


class SkyCells(ABC):
    """Square cells on a common grid in each projection region.

    A cell has ``size`` pixels each way; it shares ``border`` pixels on each side with the core
    of its neighbours.  The cores, each cut by its region, cover the sky once.
    """

    size: int
    """Rows and columns of a cell [pixel]."""

    border: int
    """Pixels outside of the core, each side."""

    scale: float
    """Side of a pixel at the tangent point [arcsec]."""

    source: str
    """Where the cells come from, for messages."""

    @property
    @abstractmethod
    def regions(self) -> Regions:
        """The projection regions."""

    @abstractmethod
    def region_at(self, ra: Values, dec: Values) -> Integers:
        """Number of the region that holds each position [deg]; -1 where there is none."""

    @abstractmethod
    def cells_in(self, region: int) -> Places:
        """All cells of a region, row by row."""

    @abstractmethod
    def exists(self, region: int, column: Integers, row: Integers) -> NDArray[np.bool_]:
        """Which of these places of a region have a cell."""

    @abstractmethod
    def name(self, region: int, column: int, row: int) -> str:
        """Name of a cell."""

    @abstractmethod
    def named(self, name: str) -> SkyCell:
        """The cell of a name.

        Raises
        ------
        UsageError
            For a name that is not there; near ones are named.
        """

    @property
    def pitch(self) -> int:
        """Distance of neighbouring cells [pixel]."""
        return self.size - 2 * self.border

    @property
    def step(self) -> float:
        """Side of a pixel at the tangent point [radian]."""
        return float(np.radians(self.scale / 3600))

    def plane(self, region: int) -> TangentPlane:
        """The plane of a region, counted from its tangent point [pixel]."""
        of = self.regions
        angle = np.deg2rad(of.orientation[region])
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        matrix = ((cosine, sine), (0.0 - sine, cosine))
        return TangentPlane(
            float(of.ra[region]), float(of.dec[region]), 0.0, 0.0, self.scale, matrix
        )

    def cell(self, region: int, column: int, row: int) -> SkyCell:
        """The cell at a place."""
        plane, middle = self.plane(region), (self.size - 1) / 2
        x, y = middle - self.pitch * column, middle - self.pitch * row
        plane = TangentPlane(plane.ra, plane.dec, x, y, self.scale, plane.matrix)
        return SkyCell(self.name(region, column, row), plane, (self.size, self.size))

    def names(self, places: Places) -> NDArray[np.str_]:
        """(n,): names of cells; empty where there is no region."""
        return np.array(
            [self.name(*place) if place[0] >= 0 else "" for place in places], dtype="<U16"
        )

    def locate(self, ra: ArrayLike, dec: ArrayLike) -> Places:
        """The primary cells of positions: their core holds the position, as their region does.

        Parameters
        ----------
        ra, dec
            ICRS (n,) [deg].

        Raises
        ------
        UsageError
            For positions that cannot be.
        """
        ra, dec = np.broadcast_arrays(np.asarray(ra, float), np.asarray(dec, float))
        ra, dec = np.atleast_1d(ra).ravel(), np.atleast_1d(dec).ravel()
        if not (np.isfinite(ra).all() and (np.abs(dec) <= 90).all()):
            raise UsageError(
                "Some positions are not on the sky.", "finite degrees, declination from -90 to 90"
            )
        places = Places(*(np.empty(ra.size, np.int64) for _ in range(3)))
        for start in range(0, ra.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            region, column, row = self._located(np.mod(ra[part], 360), dec[part])
            places.region[part], places.column[part], places.row[part] = region, column, row
        return places

    def _located(self, ra: Values, dec: Values) -> tuple[Integers, Integers, Integers]:
        of, region = self.regions, self.region_at(ra, dec)
        x, y, _ = gnomonic(ra, dec, of.ra[region], of.dec[region])
        if of.orientation.any():
            angle = np.deg2rad(of.orientation[region])
            cosine, sine = np.cos(angle), np.sin(angle)
            x, y = cosine * x - sine * y, sine * x + cosine * y
        width = self.pitch * self.step
        column, row = (np.floor(axis / width + 0.5).astype(np.int64) for axis in (x, y))
        return region, column, row

    def at(self, ra: float, dec: float) -> SkyCell:
        """The primary cell of a position [deg].

        Raises
        ------
        UsageError
            For a position that cannot be, or that no cell holds.
        """
        check_position(ra, dec)
        region, column, row = next(iter(self.locate(ra, dec)))
        if region < 0 or not self.exists(region, np.array([column]), np.array([row]))[0]:
            of = self.regions
            near = np.argsort(-(of.vectors @ unit_vectors(ra, dec)))[:5]
            raise UsageError(
                f"No sky cell of {self.source} holds the position {ra:g}, {dec:g}.",
                "a position in one of its regions: around "
                + "; ".join(f"{of.ra[place]:g}, {of.dec[place]:g}" for place in near),
                "take the tessellation of the whole sky, or a field of its own",
            )
        return self.cell(region, column, row)

    def touching_footprint(self, corners: ArrayLike) -> list[SkyCell]:
        """All cells that share area with a footprint, borders included.

        Parameters
        ----------
        corners
            (n, 2): right ascension and declination of the corners of a polygon in order, its
            sides great circles, convex or not [deg].

        Raises
        ------
        UsageError
                For a footprint that is none, or wider than 60 degrees.
        """
        return [self.cell(*place) for place in self.places_touching(corners)]

    def places_touching(self, corners: ArrayLike) -> Places:
        """Where these cells lie, by region; see :meth:`touching_footprint`."""
        points = _polygon(corners)
        vectors = unit_vectors(points[:, 0], points[:, 1])
        middle = vectors.mean(axis=0)
        cosine = (vectors @ middle).min() / max(float(np.linalg.norm(middle)), 1e-12)
        radius = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
        if not radius <= _WIDEST:
            raise UsageError(
                f"The footprint reaches {radius:.3g} degrees from its middle.",
                f"at most {_WIDEST:g} degrees",
                "cut it into smaller ones",
            )
        diagonal = np.rad2deg(self.size * self.step)
        far = np.minimum(self.regions.radii + diagonal + radius, 89.0)
        cosines = self.regions.vectors @ middle / np.linalg.norm(middle)
        near = np.flatnonzero(cosines >= np.cos(np.deg2rad(far)))
        found = [self._touching(int(region), points) for region in near]
        if not found:
            return Places(*np.zeros((3, 0), np.int64))
        return Places(*(np.concatenate(axis) for axis in zip(*found, strict=True)))

    def _touching(self, region: int, points: Values) -> tuple[Integers, Integers, Integers]:
        x, y = self.plane(region).pixels(points[:, 0], points[:, 1])
        limits = self._limits(region)
        outside = (
            x.max() < limits[0] or x.min() > limits[1] or y.max() < limits[2] or y.min() > limits[3]
        )
        if outside:
            none = np.zeros(0, np.int64)
            return none, none, none
        column, row = touched_squares(x, y, self.pitch, self.size / 2)
        there = self.exists(region, column, row)
        return np.full(there.sum(), region), column[there], row[there]

    def _limits(self, region: int) -> tuple[float, float, float, float]:
        """Bounds of the cells of a region on its plane [pixel]."""
        west, east, south, north = (edge / self.step for edge in self.regions.extent(region))
        if self.regions.orientation[region]:
            reach = max(abs(west), abs(east)) + max(abs(south), abs(north))
            west, east, south, north = -reach, reach, -reach, reach
        return west - self.size, east + self.size, south - self.size, north + self.size

    def touching_circle(self, ra: float, dec: float, radius: float) -> list[SkyCell]:
        """All cells that share area with a circle, given by a polygon of 64 sides around it.

        Parameters
        ----------
        ra, dec
            Its middle, ICRS [deg].
        radius
            In degrees.

        Raises
        ------
        UsageError
            For a position that cannot be, or a radius that is not positive or above 30 degrees.
        """
        check_position(ra, dec)
        if not 0 < radius < _WIDEST:
            raise UsageError(
                f"A circle has a radius of {radius!r} degrees.", f"more than 0, below {_WIDEST:g}"
            )
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        reach = np.tan(np.deg2rad(radius)) / np.cos(np.pi / angle.size)
        plane = TangentPlane(ra, dec, 0.0, 0.0, float(np.rad2deg(1.0) * 3600))
        around = plane.sky(reach * np.cos(angle), reach * np.sin(angle))
        return self.touching_footprint(np.stack(around, axis=-1))

    def neighbours(self, cell: SkyCell) -> list[SkyCell]:
        """The other cells that share area with a cell, in its region and beyond."""
        return [other for other in self.touching_footprint(cell.corners) if other != cell]


def _polygon(corners: ArrayLike) -> Values:
    points = np.asarray(corners, float)
    good = points.ndim == 2 and points.shape[1] == 2 and len(points) >= 3
    if not good or not np.isfinite(points).all() or np.abs(points[:, 1]).max() > 90:
        raise UsageError(
            f"A footprint of {points.tolist()!r} was given.",
            "the right ascension and declination of three corners or more [deg]",
        )
    return points
