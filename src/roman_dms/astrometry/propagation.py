"""Where a star is seen at another epoch, and how well that is known.

A star moves along a straight line at a constant speed.  From its position,
parallax and proper motion at one epoch follow its direction at another and the
covariance there: The Hipparcos and Tycho Catalogues (ESA SP-1200, 1997), volume
1, section 1.5.5; the documentation of Gaia DR3, section 4.1.7, uses the same.
Radial velocities are left out: few stars have one, and 100 km/s at 10 pc and
1 arcsec/yr make 1 mas in 10 years.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.astrometry.plane import directions

Values = NDArray[np.float64]

MAS = float(np.deg2rad(1 / 3.6e6))
"""One milliarcsecond [rad]."""


def propagated(
    astrometry: Values, covariance: Values, years: Values, observer: ArrayLike
) -> tuple[Values, Values]:
    """Directions of stars at another epoch, as an observer near the Sun sees them.

    Parameters
    ----------
    astrometry
        (n, 5): right ascension and declination [deg], parallax [mas], proper
        motion to the east (with cos dec) and to the north [mas/yr].
    covariance
        (n, 5, 5): of the same in mas and mas/yr, right ascension with cos dec.
    years
        (n): Julian years from the epoch of the astrometry.
    observer
        (3): barycentric position of the observer, ICRS [au].

    Returns
    -------
    positions, covariance
        (n, 2): right ascension in [0, 360) and declination [deg]; (n, 2, 2): to
        the east and north [mas^2].

    Notes
    -----
    With r, p, q the directions outward, to the east and to the north, t the time,
    b the observer and w the parallax, the star is seen along

        v = r + t (p mu_a + q mu_d) - w b .

    Motions are components along p and q carried parallel with the position, so
    that dp/da = dq/dd = -r and the pole is no exception.
    """
    lon, lat = np.deg2rad(astrometry[:, 0]), np.deg2rad(astrometry[:, 1])
    r, p, q = directions(lon, lat)
    parallax, east, north = (MAS * column[:, np.newaxis] for column in astrometry[:, 2:].T)
    time = np.asarray(years, float)[:, np.newaxis]
    b = np.broadcast_to(np.asarray(observer, float), r.shape)
    v = r + time * (p * east + q * north) - parallax * b
    length = np.linalg.norm(v, axis=1, keepdims=True)
    x, y, z = (v / length).T
    seen_lon, seen_lat = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
    _, seen_p, seen_q = directions(seen_lon, seen_lat)

    slopes = np.stack([p - time * east * r, q - time * north * r, -b, time * p, time * q], axis=2)
    jacobian = np.stack([seen_p, seen_q], axis=1) @ slopes / length[:, :, np.newaxis]
    positions = np.stack([np.rad2deg(seen_lon) % 360, np.rad2deg(seen_lat)], axis=1)
    return positions, jacobian @ covariance @ jacobian.transpose(0, 2, 1)
