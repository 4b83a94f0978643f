"""Where sources are on the sky, and how the sky lies on the pixels there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ToSky = Callable[[Values, Values], tuple[Values, Values]]
"""Pixels (x, y) to right ascension and declination [deg]."""

STEP = 0.5
"""Half the distance over which the sky is taken to be linear [pixel]."""


@dataclass(frozen=True)
class SkyFrame:
    """The sky around positions of an image."""

    ra: Values
    """(n,) right ascension [deg]."""

    dec: Values
    """(n,) declination [deg]."""

    jacobian: Values
    """(n, 2, 2): (east, north) by (x, y) [arcsec / pixel]."""

    @classmethod
    def at(cls, to_sky: ToSky, x: Values, y: Values) -> SkyFrame:
        """The sky around pixels; NaN where a position is not finite."""
        ra, dec = to_sky(x, y)
        columns = []
        for dx, dy in ((STEP, 0.0), (0.0, STEP)):
            ahead, behind = to_sky(x + dx, y + dy), to_sky(x - dx, y - dy)
            turn = (ahead[0] - behind[0] + 180) % 360 - 180  # over the meridian 0
            east = turn * np.cos(np.radians(dec))
            columns.append(np.stack([east, ahead[1] - behind[1]], axis=-1) * 3600 / (2 * STEP))
        return cls(np.mod(ra, 360), dec, np.stack(columns, axis=-1))

    @property
    def scale(self) -> Values:
        """(n,) side of a square of a pixel's area [arcsec]."""
        (a, b), (c, d) = self.jacobian.transpose(1, 2, 0)
        side: Values = np.sqrt(np.abs(a * d - b * c))
        return side

    def errors(
        self, x_err: NDArray[np.floating], y_err: NDArray[np.floating], covariance: Values | None
    ) -> tuple[Values, Values]:
        """Errors to the east and to the north, (n,) each [arcsec].

        Parameters
        ----------
        x_err, y_err
            (n,) errors [pixel].
        covariance
            (n,) of x and y [pixel2]; none where it is not known.
        """
        crossed = 0.0 if covariance is None else np.asarray(covariance, float)
        squared = []
        for by_x, by_y in self.jacobian.transpose(1, 2, 0):
            alone = (by_x * x_err) ** 2 + (by_y * y_err) ** 2
            squared.append(np.maximum(alone + 2 * by_x * by_y * crossed, 0))
        return np.sqrt(squared[0]), np.sqrt(squared[1])

    def position_angle(self, orientation: NDArray[np.floating]) -> Values:
        """Angle from north to east of a direction on the pixels, (n,) in [0, 180) [deg].

        Parameters
        ----------
        orientation
            (n,) from x towards y [deg].
        """
        angle = np.radians(orientation)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        east, north = np.einsum("nij,nj->in", self.jacobian, direction)
        turned: Values = np.mod(np.degrees(np.arctan2(east, north)), 180)
        return turned
