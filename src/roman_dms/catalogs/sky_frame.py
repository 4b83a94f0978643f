"""Where sources are on the sky, and how the sky lies on the pixels there."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ToSky = Callable[[Values, Values], tuple[Values, Values]]
"""Pixels (x, y) to right ascension and declination [deg]."""

CHUNK = 8192
"""Positions that are taken to the sky together, few enough for the cache."""

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
    def at(cls, to_sky: ToSky, x: Values, y: Values, workers: int = 1) -> SkyFrame:
        """The sky around pixels; NaN where a position is not finite."""
        edges = [*range(0, max(len(x), 1), CHUNK), len(x)]
        parts = [slice(first, last) for first, last in pairwise(edges)]
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(lambda part: _around(to_sky, x[part], y[part]), parts))
        return cls(*(np.concatenate(columns) for columns in zip(*found, strict=True)))

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


def _around(to_sky: ToSky, x: Values, y: Values) -> tuple[Values, Values, Values]:
    """Sky at positions and its derivatives, from one call for all of them and their sides."""
    ra, dec = (
        np.reshape(sky, (5, len(x)))
        for sky in to_sky(
            np.concatenate([x, x + STEP, x - STEP, x, x]),
            np.concatenate([y, y, y, y + STEP, y - STEP]),
        )
    )
    columns = []
    for ahead, behind in ((1, 2), (3, 4)):
        turn = (ra[ahead] - ra[behind] + 180) % 360 - 180  # over the meridian 0
        east = turn * np.cos(np.radians(dec[0]))
        columns.append(np.stack([east, dec[ahead] - dec[behind]], axis=-1) * 3600 / (2 * STEP))
    return np.mod(ra[0], 360), dec[0], np.stack(columns, axis=-1)
