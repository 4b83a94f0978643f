"""A sky cell, or a field of one's own: a rectangle of pixels on a tangent plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.sky.tangent import TangentPlane, north_up

_LARGEST = 20000
"""Rows or columns of a free field [pixel]."""


@dataclass(frozen=True)
class SkyCell:
    """A rectangle of pixels on a tangent plane."""

    name: str | None
    """Name in a tessellation; ``None`` for a free field."""

    plane: TangentPlane

    shape: tuple[int, int]
    """(rows, columns)."""

    @property
    def centre(self) -> tuple[float, float]:
        """Right ascension and declination of the middle [deg]."""
        rows, columns = self.shape
        ra, dec = self.plane.sky((columns - 1) / 2, (rows - 1) / 2)
        return float(ra), float(dec)

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4, 2): right ascension and declination of the outer corners [deg]."""
        right, top = self.shape[1] - 0.5, self.shape[0] - 0.5
        x, y = np.array([-0.5, right, right, -0.5]), np.array([-0.5, -0.5, top, top])
        return np.stack(self.plane.sky(x, y), axis=-1)

    @property
    def grid_origin(self) -> tuple[int, int]:
        """Column and row of the first pixel on the grid that cells of a region share.

        The grid has the tangent point at its pixel (0, 0), so that the same pixel of the sky has
        the same column and row whatever cell it is seen in.
        """
        return -math.floor(self.plane.x), -math.floor(self.plane.y)

    @property
    def grid_plane(self) -> TangentPlane:
        """The plane counted in pixels of that grid."""
        x0, y0 = self.grid_origin
        return replace(self.plane, x=self.plane.x + x0, y=self.plane.y + y0)

    def rescaled(self, scale: float) -> SkyCell:
        """The same part of the sky in pixels of another side [arcsec]; the last may reach over."""
        ratio = self.plane.scale / scale
        plane = replace(
            self.plane,
            x=(self.plane.x + 0.5) * ratio - 0.5,
            y=(self.plane.y + 0.5) * ratio - 0.5,
            scale=scale,
        )
        rows, columns = (math.ceil(round(size * ratio, 6)) for size in self.shape)
        return SkyCell(self.name, plane, (rows, columns))


def free_field(
    ra: float,
    dec: float,
    size: int | tuple[int, int],
    *,
    scale: float = 0.055,
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
    check_position(ra, dec)
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


def check_position(ra: float, dec: float) -> None:
    """Refuse a position that cannot be.

    Raises
    ------
    UsageError
        For angles that are not finite or out of range.
    """
    if not (np.isfinite(ra) and -360 <= ra <= 720 and np.isfinite(dec) and -90 <= dec <= 90):
        raise UsageError(
            f"The position is ra = {ra!r}, dec = {dec!r}.",
            "degrees, declination from -90 to 90",
        )
