"""From the sky to the pixels of an image, for millions of positions.

The exact inverse of a WCS goes through half a dozen models.  Here it is one
polynomial in the tangent plane of the image's centre, fitted to the exact way
from pixels to the sky; the fit tells how well it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.sky.tangent import gnomonic

Values = NDArray[np.float64]

DEGREE = 9
TOLERANCE = 1e-4
"""Largest error of the fit that is accepted [pixel]."""
BEYOND = 1.001
"""How much farther the fit is followed for derivatives at its edge."""
FARTHEST = 0.1
"""Cosine of the distance from the centre beyond which there is no place in the plane."""
CHUNK = 1 << 14
"""Positions that are worked on at a time, so that they stay in the cache."""


@dataclass(frozen=True)
class PixelMap:
    """Pixels as a function of sky position, in and around an image."""

    centre: tuple[float, float]
    """Right ascension and declination of the tangent point [deg]."""

    reach: float
    """Tangent of the angle from the centre to which the fit holds, along either axis."""

    coefficients: Values
    """(2, DEGREE + 1, DEGREE + 1) of the Chebyshev series of x and y [pixel]."""

    error: float
    """Largest error of the fit at places that were not fitted [pixel]."""

    def __call__(self, ra: Values, dec: Values) -> tuple[Values, Values]:
        """Pixels (x, y) of positions; NaN where the fit does not hold.

        Parameters
        ----------
        ra, dec
            ``(n,)`` ICRS [deg].
        """
        return self._pixels(ra, dec, 1.0)

    def jacobian(self, ra: Values, dec: Values) -> Values:
        """Pixels an arcsecond, ``(n, 2, 2)``: (x, y) by (east, north)."""
        step = 0.05 / 3600
        columns = []
        for east, north in ((step, 0.0), (0.0, step)):
            shift = east / np.cos(np.radians(dec))
            ahead = self._pixels(ra + shift, dec + north, BEYOND)
            behind = self._pixels(ra - shift, dec - north, BEYOND)
            columns.append(
                np.stack([(a - b) / (7200 * step) for a, b in zip(ahead, behind, strict=True)], -1)
            )
        return np.stack(columns, axis=-1)

    def _pixels(self, ra: Values, dec: Values, limit: float) -> tuple[Values, Values]:
        """Pixels up to ``limit`` times the reach of the fit."""
        ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
        x, y = np.empty(ra.shape), np.empty(ra.shape)
        for start in range(0, ra.size, CHUNK):
            part = slice(start, start + CHUNK)
            u, v = self._scaled(ra[part], dec[part], limit)
            x[part], y[part] = (_series(c, u, v) for c in self.coefficients)
        return x, y

    def _scaled(self, ra: Values, dec: Values, limit: float) -> tuple[Values, Values]:
        u, v = (axis / self.reach for axis in tangent_plane(ra, dec, self.centre))
        outside = ~((np.abs(u) <= limit) & (np.abs(v) <= limit))
        u[outside] = v[outside] = np.nan
        return u, v


def pixel_map(wcs: Any, shape: tuple[int, int], margin: float = 600) -> PixelMap:
    """Fit the map of an image with a WCS.

    Parameters
    ----------
    wcs
        Called with (x, y) and ``with_bounding_box=False`` gives (ra, dec), as a gwcs.
    shape
        (rows, columns) of the image.
    margin
        How far around the image the map must hold [pixel].

    Raises
    ------
    FormatError
        For a WCS that is not smooth enough, or gives no positions.
    """
    x, y = _nodes(shape, margin, 24)
    ra, dec = (np.asarray(a, float) for a in wcs(x, y, with_bounding_box=False))
    middle = wcs((shape[1] - 1) / 2, (shape[0] - 1) / 2, with_bounding_box=False)
    centre = (float(middle[0]), float(middle[1]))
    xi, eta = tangent_plane(ra, dec, centre)
    reach = float(max(np.abs(xi).max(), np.abs(eta).max())) * 1.0001
    if not np.isfinite(reach):
        raise _not_smooth(reach)
    design = chebyshev.chebvander2d(xi / reach, eta / reach, [DEGREE, DEGREE])
    powers = np.add.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1)).ravel()
    used = powers <= DEGREE
    fitted = np.zeros((2, (DEGREE + 1) ** 2))
    fitted[:, used] = np.linalg.lstsq(design[:, used], np.stack([x, y], 1), rcond=None)[0].T
    coefficients = fitted.reshape(2, DEGREE + 1, DEGREE + 1)
    error = _error(PixelMap(centre, reach, coefficients, 0.0), wcs, shape, margin)
    if not error < TOLERANCE:
        raise _not_smooth(error)
    return PixelMap(centre, reach, coefficients, error)


def tangent_plane(ra: Values, dec: Values, centre: tuple[float, float]) -> tuple[Values, Values]:
    """Gnomonic projection (xi east, eta north) around a centre; NaN where it means nothing."""
    xi, eta, depth = gnomonic(ra, dec, *centre)
    seen = depth > FARTHEST
    return np.where(seen, xi, np.nan), np.where(seen, eta, np.nan)


def _series(coefficients: Values, u: Values, v: Values) -> Values:
    """Sum of c[i, j] T_i(u) T_j(v), with i + j <= DEGREE."""
    of_u, of_v = _chebyshev(u), _chebyshev(v)
    total = np.zeros_like(u)
    for i, row in enumerate(coefficients):
        inner = row[0] * of_v[0]
        for j in range(1, DEGREE + 1 - i):
            inner = inner + row[j] * of_v[j]
        total += of_u[i] * inner
    return total


def _chebyshev(u: Values) -> list[Values]:
    terms = [np.ones_like(u), u]
    for _ in range(DEGREE - 1):
        terms.append(2 * u * terms[-1] - terms[-2])
    return terms


def _nodes(shape: tuple[int, int], margin: float, number: int) -> tuple[Values, Values]:
    """Chebyshev nodes over the image and its margin [pixel]."""
    nodes = np.cos(np.pi * (np.arange(number) + 0.5) / number)
    rows, columns = shape
    x, y = np.meshgrid(
        (columns - 1) / 2 + nodes * (columns / 2 + margin),
        (rows - 1) / 2 + nodes * (rows / 2 + margin),
    )
    return x.ravel(), y.ravel()


def _error(fit: PixelMap, wcs: Any, shape: tuple[int, int], margin: float) -> float:
    """Largest error at places between the nodes, on the image and half of its margin."""
    x, y = _nodes(shape, margin / 2, 17)
    found_x, found_y = fit(*wcs(x, y, with_bounding_box=False))
    return float(np.max(np.hypot(found_x - x, found_y - y)))


def _not_smooth(error: float) -> FormatError:
    return FormatError(
        f"The WCS cannot be followed by a polynomial: its error is {error:.2g} pixel.",
        f"a smooth WCS, to be followed to {TOLERANCE:g} pixel",
    )
