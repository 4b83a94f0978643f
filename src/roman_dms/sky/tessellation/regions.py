"""Projection regions: boxes in right ascension and declination that share a tangent plane."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roman_dms.sky.tangent import gnomonic, unit_vectors

Values = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Regions:
    """Boxes that cover the sky, or a part of it, without overlap; each value is (n,) [deg]."""

    ra: Values
    """Right ascension of the tangent point."""

    dec: Values
    """Declination of the tangent point."""

    ra_min: Values
    """Western bound, in [0, 360); it belongs to the region."""

    ra_max: Values
    """Eastern bound; it belongs to the next region."""

    dec_min: Values
    """Southern bound, which belongs to the region."""

    dec_max: Values
    """Northern bound, which does not, but for the pole."""

    orientation: Values
    """Angle of the y axis of the plane at the tangent point, from north to west."""

    @cached_property
    def widths(self) -> Values:
        """Extent in right ascension, in (0, 360] [deg]."""
        width = np.mod(self.ra_max - self.ra_min, 360)
        return np.where(width == 0, 360.0, width)

    @cached_property
    def stems(self) -> list[str]:
        """How the names of the cells of each region begin: right ascension, declination."""
        return [
            f"{round(ra):03d}{'p' if dec >= 0 else 'm'}{round(abs(dec)):02d}"
            for ra, dec in zip(self.ra.tolist(), self.dec.tolist(), strict=True)
        ]

    @cached_property
    def vectors(self) -> Values:
        """(n, 3): directions of the tangent points."""
        return unit_vectors(self.ra, self.dec)

    @cached_property
    def radii(self) -> Values:
        """Largest distance of a point of each region from its tangent point [deg]."""
        whole = self.widths == 360
        corners = [
            unit_vectors(np.where(whole, self.ra, ra), dec)
            for ra in (self.ra_min, self.ra_max)
            for dec in (self.dec_min, self.dec_max)
        ]
        cosines = np.min([np.sum(self.vectors * corner, axis=1) for corner in corners], axis=0)
        return np.asarray(np.rad2deg(np.arccos(np.clip(cosines, -1, 1))))

    def holds(self, region: Integers, ra: Values, dec: Values) -> NDArray[np.bool_]:
        """Whether each position lies in its region."""
        top = self.dec_max[region]
        in_dec = (dec >= self.dec_min[region]) & ((dec < top) | (top >= 90))
        return np.asarray(in_dec & (np.mod(ra - self.ra_min[region], 360) < self.widths[region]))

    def extent(self, region: int) -> tuple[float, float, float, float]:
        """Smallest and largest offset east, then north, of a region on its plane [radian]."""
        if self.widths[region] == 360:
            nearest = max(-self.dec_min[region], self.dec_max[region])
            dec = self.dec_min[region] if self.dec[region] > 0 else self.dec_max[region]
            reach = float(np.tan(np.deg2rad(nearest - abs(dec))))
            return -reach, reach, -reach, reach
        half = self.widths[region] / 2
        offsets, decs = np.meshgrid(
            [-half, 0.0, half], [self.dec_min[region], self.dec_max[region]]
        )
        east, north, _ = gnomonic(offsets, decs, 0.0, self.dec[region])
        return float(east.min()), float(east.max()), float(north.min()), float(north.max())

    def touched(self, region: int, x: Values, y: Values, half: float) -> NDArray[np.bool_]:
        """Which squares of the plane share area with a region.

        The part of a square between the two meridians of the region is convex; where its
        declinations reach into those of the region, the two meet.  Declination is extreme at
        its corners, or where a side that runs east and west crosses the central meridian.

        Parameters
        ----------
        x, y
            Middles of squares (n,): offsets to the east and to the north [radian].
        half
            Half the side of a square [radian].
        """
        if self.widths[region] == 360:
            distance = np.hypot(*(np.maximum(np.abs(axis) - half, 0) for axis in (x, y)))
            return np.asarray(distance < self.extent(region)[1])
        sine, cosine = (of(np.deg2rad(self.dec[region])) for of in (np.sin, np.cos))
        slope = np.tan(np.deg2rad(self.widths[region] / 2))
        at_x, at_y = _corners(x, y, half, slope, sine, cosine)
        depth = cosine - sine * at_y
        slack = 1e-12
        valid = np.abs(at_x) <= slope * depth + slack
        valid &= np.maximum(np.abs(at_x - x), np.abs(at_y - y)) <= half + slack
        dec = np.rad2deg(np.arctan2(sine + cosine * at_y, np.hypot(at_x, depth)))
        lowest = np.where(valid, dec, np.inf).min(axis=0)
        highest = np.where(valid, dec, -np.inf).max(axis=0)
        return (lowest < self.dec_max[region]) & (highest > self.dec_min[region])


def _corners(
    x: Values, y: Values, half: float, slope: float, sine: float, cosine: float
) -> tuple[Values, Values]:
    """(14, n): corners of squares, crossings with three meridians; some lie outside."""
    at_x, at_y = [], []
    for side in (-half, half):
        level = y + side
        edge = slope * (cosine - sine * level)
        at_x += [x - half, x + half, 0 * x, -edge, edge]
        at_y += [level] * 5
    for side in (-half, half):
        upright = x + side
        for sign in (-1, 1):
            at_x.append(upright)
            meets = (cosine - sign * upright / slope) / sine if sine else np.full_like(x, np.nan)
            at_y.append(meets)
    return np.stack(at_x), np.stack(at_y)
