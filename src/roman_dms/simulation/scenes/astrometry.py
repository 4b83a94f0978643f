"""Where sources are: proper motions, parallaxes and moving objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

MILLIARCSECOND = float(np.deg2rad(1 / 3.6e6))
"""[rad]."""


def julian_year(mjd: float) -> float:
    """The Julian epoch of a modified Julian date.

    The 69 s between UTC and TDB are 0.2 microarcsec of a star that moves 100 mas / yr.

    >>> julian_year(51544.5)
    2000.0
    """
    return 2000.0 + (mjd - 51544.5) / 365.25


def displaced(ra: Values, dec: Values, east: Values, north: Values) -> tuple[Values, Values]:
    """Directions moved along the tangents to the east and to the north.

    The direction is that of u + east e + north n, with u, e and n the unit
    vectors to the source, east and north: what straight motion at a constant
    speed does (ESA 1997, SP-1200, vol. 1, eq. 1.5.14, without radial velocity).

    Parameters
    ----------
    ra, dec
        (n,) [deg].
    east, north
        (n,) [rad].

    Returns
    -------
    tuple
        (n,) right ascensions, 0 to 360, and (n,) declinations [deg].
    """
    delta = np.deg2rad(dec)
    sine, cosine = np.sin(delta), np.cos(delta)
    meridian = cosine - north * sine
    moved_ra = ra + np.rad2deg(np.arctan2(east, meridian))
    moved_dec = np.rad2deg(np.arctan2(sine + north * cosine, np.hypot(east, meridian)))
    return moved_ra % 360, moved_dec


def parallactic(ra: Values, dec: Values, observer: ArrayLike) -> tuple[Values, Values]:
    """Displacement of a source at 1 parsec, to the east and north, in parallaxes.

    Minus the observer's place, seen along the two tangents.

    Parameters
    ----------
    ra, dec
        (n,) [deg].
    observer
        Barycentric x, y, z of the observatory, ICRS [au].
    """
    x, y, z = np.asarray(observer, float)
    alpha, delta = np.deg2rad(ra), np.deg2rad(dec)
    sine, cosine = np.sin(alpha), np.cos(alpha)
    east = x * sine - y * cosine
    north = (x * cosine + y * sine) * np.sin(delta) - z * np.cos(delta)
    return east, north
