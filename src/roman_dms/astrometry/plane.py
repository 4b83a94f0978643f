"""The plane in which an exposure is aligned.

It touches the sphere of the telescope's angles V2, V3 (velocity aberration taken
out: the frame ``v2v3vacorr`` of a WCS) at one point that all detectors of the
exposure share, and is seen by the gnomonic projection (Calabretta & Greisen
2002, A&A 395, 1077, section 5.1.3): xi grows with V2, eta with V3, both in
arcsec.  A small turn of the telescope is a shift and a rotation of this plane,
but for terms of the second order that ``Attitude`` keeps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

ARCSEC = float(np.deg2rad(1 / 3600))
"""One arcsec [rad]."""


@dataclass(frozen=True)
class FocalPlane:
    """The plane that touches the sphere of V2, V3 in one point."""

    v2_ref: float
    """V2 of the tangent point [arcsec]."""

    v3_ref: float
    """V3 of the tangent point [arcsec]."""

    def of_telescope(self, v2: ArrayLike, v3: ArrayLike) -> Values:
        """(n, 2): xi, eta of points V2, V3, all in arcsec."""
        lon, lat = ARCSEC * np.asarray(v2, float), ARCSEC * np.asarray(v3, float)
        return _plane(directions(lon, lat)[0] @ self._axes.T)

    def to_telescope(self, points: ArrayLike) -> tuple[Values, Values]:
        """V2 and V3 of points xi, eta (n, 2), all in arcsec."""
        x, y, z = (_rays(np.asarray(points, float)) @ self._axes).T
        return np.arctan2(y, x) / ARCSEC, np.arctan2(z, np.hypot(x, y)) / ARCSEC

    def of_sky(self, ra: ArrayLike, dec: ArrayLike, attitude: ArrayLike) -> Values:
        """(n, 2): xi, eta [arcsec] of points of the sky, ICRS [deg].

        Parameters
        ----------
        attitude
            (3, 3): takes unit vectors along V1, V2, V3 to equatorial ones.
        """
        outward = directions(np.deg2rad(ra), np.deg2rad(dec))[0]
        return _plane(outward @ np.asarray(attitude, float) @ self._axes.T)

    def covariance_of_sky(
        self, ra: ArrayLike, dec: ArrayLike, attitude: ArrayLike, covariance: ArrayLike
    ) -> Values:
        """(n, 2, 2): covariance to the east and north, turned into that of xi, eta; same unit."""
        onto = np.asarray(attitude, float) @ self._axes.T
        outward, east, north = (d @ onto for d in directions(np.deg2rad(ra), np.deg2rad(dec)))
        points = outward[:, 1:] / outward[:, :1]
        tangents = np.stack([east, north], axis=2)
        jacobian = tangents[:, 1:] - points[:, :, np.newaxis] * tangents[:, :1]
        jacobian /= outward[:, :1, np.newaxis]
        return jacobian @ np.asarray(covariance, float) @ jacobian.transpose(0, 2, 1)

    @property
    def _axes(self) -> Values:
        """(3, 3): rows outward, along V2, along V3 at the tangent point."""
        return np.stack(directions(ARCSEC * self.v2_ref, ARCSEC * self.v3_ref))


@dataclass(frozen=True)
class Attitude:
    """A small turn of the telescope, with a common change of scale.

    It takes a point of the plane, as the pointing puts it, to where it is.
    """

    xi: float = 0.0
    """Where the tangent point goes [arcsec]."""

    eta: float = 0.0
    """Where the tangent point goes [arcsec]."""

    roll: float = 0.0
    """Angle from xi towards eta by which the plane turns [arcsec]."""

    scale: float = 0.0
    """Relative growth of the plane."""

    def applied(self, points: ArrayLike) -> Values:
        """(n, 2): points [arcsec] stretched, turned about the tangent point, then shifted.

        The shift is the shortest rotation of the sphere: exact, where a shift of
        the plane by 10 arcsec would be wrong by 0.5 mas at the edge of the field.
        """
        cosine, sine = np.cos(ARCSEC * self.roll), np.sin(ARCSEC * self.roll)
        turn = (1 + self.scale) * np.array([[cosine, -sine], [sine, cosine]])
        return _plane(_rays(np.asarray(points, float) @ turn.T) @ self._shift.T)

    def distance(self, other: Attitude) -> float:
        """How far apart two attitudes put the tangent point [arcsec]."""
        return float(np.hypot(self.xi - other.xi, self.eta - other.eta))

    @property
    def _shift(self) -> Values:
        """(3, 3): the shortest rotation that takes (1, 0, 0) to the direction of xi, eta."""
        ray = _rays(np.array([[self.xi, self.eta]]))[0]
        u, v, w = ray / np.linalg.norm(ray)
        return np.array(
            [
                [u, -v, -w],
                [v, 1 - v * v / (1 + u), -v * w / (1 + u)],
                [w, -v * w / (1 + u), 1 - w * w / (1 + u)],
            ]
        )


def directions(lon: ArrayLike, lat: ArrayLike) -> tuple[Values, Values, Values]:
    """Unit vectors (..., 3) outward, along longitude and along latitude at points [rad]."""
    lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
    cos_lon, sin_lon, cos_lat, sin_lat = np.cos(lon), np.sin(lon), np.cos(lat), np.sin(lat)
    return (
        np.stack([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat], axis=-1),
        np.stack([-sin_lon, cos_lon, np.zeros_like(lon)], axis=-1),
        np.stack([-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat], axis=-1),
    )


def _rays(points: Values) -> Values:
    """(n, 3): vectors of depth 1 towards points of the plane [arcsec]."""
    rays = np.empty((len(points), 3))
    rays[:, 0] = 1
    rays[:, 1:] = ARCSEC * points
    return rays


def _plane(vectors: Values) -> Values:
    """(n, 2) points of the plane [arcsec] of vectors; NaN on the far side of the sphere."""
    depth = np.where(vectors[..., :1] > 0, vectors[..., :1], np.nan)
    return vectors[..., 1:] / depth / ARCSEC
