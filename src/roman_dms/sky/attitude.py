"""How the telescope is turned: from the V2, V3 frame to the sky, exactly.

Frames and angles after JWST-STScI-001550, section 6, which Roman-STScI-000143
takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Attitude:
    """A rotation of the telescope, fixed by one point of its frame and one angle there."""

    v2: float
    """V2 of the fixed point [arcsec]."""

    v3: float
    """V3 of the fixed point [arcsec]."""

    ra: float
    """Right ascension of the fixed point, ICRS [deg]."""

    dec: float
    """Declination of the fixed point, ICRS [deg]."""

    roll: float
    """Position angle of V3 at the fixed point, from north to east [deg]."""

    velocity_scale: float = 1.0
    """True over apparent angle around the fixed point (velocity aberration)."""

    @property
    def matrix(self) -> Vector:
        """(3, 3): takes unit vectors along V1, V2, V3 to equatorial ones.

        Both frames have, at the fixed point, an outward and two tangent
        directions; the roll turns one pair of tangents into the other.
        """
        outward, along_v2, along_v3 = _tangents(self.v2 / 3600, self.v3 / 3600)
        radial, east, north = _tangents(self.ra, self.dec)
        cosine, sine = np.cos(np.deg2rad(self.roll)), np.sin(np.deg2rad(self.roll))
        on_sky = np.stack(
            [radial, cosine * east - sine * north, sine * east + cosine * north], axis=1
        )
        return on_sky @ np.stack([outward, along_v2, along_v3])

    def sky(self, v2: float, v3: float) -> tuple[float, float]:
        """Right ascension in [0, 360) and declination of a point V2, V3 [arcsec], in degrees."""
        x, y, z = self.matrix @ _tangents(*self._corrected(v2, v3))[0]
        return float(np.rad2deg(np.arctan2(y, x)) % 360), float(
            np.rad2deg(np.arctan2(z, np.hypot(x, y)))
        )

    def roll_at(self, v2: float, v3: float) -> float:
        """Position angle of V3 at a point V2, V3 [arcsec], in [0, 360) degrees."""
        along_v3 = self.matrix @ _tangents(*self._corrected(v2, v3))[2]
        _, east, north = _tangents(*self.sky(v2, v3))
        return float(np.rad2deg(np.arctan2(along_v3 @ east, along_v3 @ north)) % 360)

    def _corrected(self, v2: float, v3: float) -> tuple[float, float]:
        """The point with the velocity aberration taken out [deg]."""
        scale = self.velocity_scale
        return (
            (self.v2 + scale * (v2 - self.v2)) / 3600,
            (self.v3 + scale * (v3 - self.v3)) / 3600,
        )


def _tangents(longitude: float, latitude: float) -> tuple[Vector, Vector, Vector]:
    """Outward, longitude and latitude directions at a point of the sphere [deg]."""
    lon, lat = np.deg2rad(longitude), np.deg2rad(latitude)
    outward = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    along_longitude = np.array([-np.sin(lon), np.cos(lon), 0.0])
    along_latitude = np.cross(outward, along_longitude)
    return outward, along_longitude, along_latitude
