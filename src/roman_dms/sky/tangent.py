"""A plane that touches the sky: the pixels of mosaics.

The gnomonic projection of Calabretta & Greisen (2002, A&A 395, 1077), section
5.1.3, without distortion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gwcs
import numpy as np
from astropy import units as u
from astropy.coordinates import ICRS
from astropy.io import fits
from astropy.modeling.models import Pix2Sky_TAN
from gwcs import coordinate_frames as frames
from numpy.typing import NDArray

from roman_dms.errors import FormatError, UsageError

Values = NDArray[np.float64]

EAST_RIGHT = ((1.0, 0.0), (0.0, 1.0))
"""Right ascension grows with x, as on the mission's sky cells."""


@dataclass(frozen=True)
class TangentPlane:
    """Square pixels on a plane that touches the sphere in one point."""

    ra: float
    """Right ascension of the tangent point, ICRS [deg]."""

    dec: float
    """Declination of the tangent point, ICRS [deg]."""

    x: float
    """Column of the tangent point, counted from 0, inside the image or not [pixel]."""

    y: float
    """Row of the tangent point [pixel]."""

    scale: float
    """Side of a pixel at the tangent point [arcsec]."""

    matrix: tuple[tuple[float, float], tuple[float, float]] = EAST_RIGHT
    """Orthogonal: takes offsets in x, y to offsets to the east, to the north."""

    def __post_init__(self) -> None:
        finite = np.isfinite([self.ra, self.dec, self.x, self.y, self.scale]).all()
        if not finite or not -90 <= self.dec <= 90:
            raise UsageError(
                f"A plane touches the sky at ra = {self.ra!r}, dec = {self.dec!r}.",
                "right ascension and declination in degrees, declination from -90 to 90",
            )
        if not self.scale > 0:
            raise UsageError(f"A pixel has a side of {self.scale!r} arcsec.", "a positive number")

    @classmethod
    def of_wcsinfo(cls, wcsinfo: Mapping[str, Any]) -> TangentPlane:
        """The plane that RAD's ``meta.wcsinfo`` of a mosaic describes.

        Raises
        ------
        FormatError
            Where it describes none.
        """
        try:
            a, b, c, d = np.asarray(wcsinfo["rotation_matrix"], float).ravel().tolist()
            numbers = {key: float(wcsinfo[f"{key}_ref"]) for key in ("ra", "dec", "x", "y")}
            scale = 3600 * float(wcsinfo["pixel_scale_ref"])
            return cls(scale=scale, matrix=((a, b), (c, d)), **numbers)
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise FormatError(
                f"The wcsinfo of the mosaic describes no tangent plane: {error}.",
                "the tangent point, its pixel, the scale and a rotation matrix",
            ) from error

    @property
    def pixel_area(self) -> float:
        """Solid angle of a pixel at the tangent point [sr]."""
        return float(np.deg2rad(self.scale / 3600) ** 2)

    def pixel_areas(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Solid angle of each pixel of an image of (rows, columns) [sr].

        A pixel at an angle theta from the tangent point is seen at a distance
        1 / cos theta and at a slant: cos^3 theta of its area there.
        """
        step = np.deg2rad(self.scale / 3600)
        x, y = np.arange(shape[1]) - self.x, np.arange(shape[0]) - self.y
        squared = (step * x) ** 2 + ((step * y) ** 2)[:, np.newaxis]
        return (self.pixel_area * (1 + squared) ** -1.5).astype(np.float32)

    def scale_at(self, x: float, y: float) -> float:
        """Side of the square that has the solid angle of a pixel [arcsec]."""
        step = np.deg2rad(self.scale / 3600)
        squared = step**2 * ((x - self.x) ** 2 + (y - self.y) ** 2)
        return float(self.scale * (1 + squared) ** -0.75)

    def sky(self, x: Values | float, y: Values | float) -> tuple[Values, Values]:
        """Right ascension in [0, 360) and declination of pixels [deg]."""
        dx, dy = np.asarray(x) - self.x, np.asarray(y) - self.y
        (a, b), (c, d) = self.matrix
        step = np.deg2rad(self.scale / 3600)
        xi, eta = step * (a * dx + b * dy), step * (c * dx + d * dy)
        sine, cosine = np.sin(np.deg2rad(self.dec)), np.cos(np.deg2rad(self.dec))
        below = cosine - eta * sine
        ra = self.ra + np.rad2deg(np.arctan2(xi, below))
        dec = np.rad2deg(np.arctan2(sine + eta * cosine, np.hypot(xi, below)))
        return np.mod(ra, 360), dec

    def pixels(self, ra: Values | float, dec: Values | float) -> tuple[Values, Values]:
        """Columns and rows of positions [deg]; NaN from 90 degrees of the tangent point on."""
        xi, eta, depth = gnomonic(ra, dec, self.ra, self.dec)
        seen = np.where(depth > 0, 1.0, np.nan)
        (a, b), (c, d) = self.matrix
        step = np.deg2rad(self.scale / 3600)
        return self.x + seen * (a * xi + c * eta) / step, self.y + seen * (b * xi + d * eta) / step

    def position_angle(self, x: float, y: float) -> float:
        """Angle of the y axis at a pixel, from north to east, in [0, 360) [deg]."""
        half = 10.0
        (ra0, ra1), (dec0, dec1) = self.sky(np.array([x, x]), np.array([y - half, y + half]))
        ra, dec = self.sky(x, y)
        vectors = [unit_vectors(a, b) for a, b in ((ra0, dec0), (ra1, dec1))]
        up = vectors[1] - vectors[0]
        lon, lat = np.deg2rad(ra), np.deg2rad(dec)
        east = np.array([-np.sin(lon), np.cos(lon), 0 * lon])
        north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
        return float(np.rad2deg(np.arctan2(up @ east, up @ north)) % 360 % 360)  # -1e-16 is 0

    def wcs(self, shape: tuple[int, int]) -> gwcs.WCS:
        """WCS of an image of (rows, columns), as the mission's mosaics carry it."""
        transform = gwcs.FITSImagingWCSTransform(
            Pix2Sky_TAN(),
            crpix=[self.x, self.y],
            crval=[self.ra, self.dec],
            cdelt=[self.scale / 3600] * 2,
            pc=np.array(self.matrix),
        )
        pixel = frames.Frame2D(name="detector", axes_names=("x", "y"), unit=(u.pix, u.pix))
        world = frames.CelestialFrame(reference_frame=ICRS(), name="icrs", unit=(u.deg, u.deg))
        wcs = gwcs.WCS([(pixel, transform), (world, None)])
        wcs.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
        wcs.array_shape = shape
        return wcs

    def header(self) -> fits.Header:
        """The same as keywords of FITS; nothing is lost."""
        header = tan_header(self.ra, self.dec, self.x, self.y)
        header["LONPOLE"] = (180.0, "[deg] north along +y, at a pole too")
        header["CDELT1"] = header["CDELT2"] = self.scale / 3600
        for i, j in np.ndindex(2, 2):
            header[f"PC{i + 1}_{j + 1}"] = self.matrix[i][j]
        return header


def tan_header(ra: float, dec: float, x: float, y: float, distortion: str = "") -> fits.Header:
    """Keywords of a tangent plane in FITS but for its scale and orientation.

    Parameters
    ----------
    ra, dec
        The tangent point, ICRS [deg].
    x, y
        Its pixel, counted from 0.
    distortion
        What follows the projection in CTYPE, as ``-SIP``.
    """
    header = fits.Header()
    header["WCSAXES"] = (2, "number of coordinate axes")
    header["CTYPE1"] = (f"RA---TAN{distortion}", "right ascension, tangent plane")
    header["CTYPE2"] = (f"DEC--TAN{distortion}", "declination, tangent plane")
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    header["RADESYS"] = ("ICRS", "frame of the coordinates")
    header["CRPIX1"] = (x + 1, "[pixel] tangent point, from 1")
    header["CRPIX2"] = (y + 1, "[pixel] tangent point, from 1")
    header["CRVAL1"] = (ra, "[deg] tangent point")
    header["CRVAL2"] = (dec, "[deg] tangent point")
    return header


def gnomonic(
    ra: Values | float, dec: Values | float, ra0: Values | float, dec0: Values | float
) -> tuple[Values, Values, Values]:
    """Positions on planes that touch the sphere at ``ra0``, ``dec0`` (broadcast) [deg].

    Returns
    -------
    tuple
        Offsets to the east and to the north on the plane [radian at the tangent point], and
        the cosine of the distance from it, which is positive where the plane is seen at all.
    """
    lon, lat = np.deg2rad(np.subtract(ra, ra0)), np.deg2rad(dec)
    sine0, cosine0 = np.sin(np.deg2rad(dec0)), np.cos(np.deg2rad(dec0))
    sine, cosine = np.sin(lat), np.cos(lat)
    ahead = cosine * np.cos(lon)
    depth = sine0 * sine + cosine0 * ahead
    with np.errstate(divide="ignore", invalid="ignore"):
        east, north = cosine * np.sin(lon) / depth, (cosine0 * sine - sine0 * ahead) / depth
    return east, north, depth


def unit_vectors(ra: Values | float, dec: Values | float) -> Values:
    """(..., 3): directions of positions [deg]."""
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def north_up(position_angle: float = 0.0) -> tuple[tuple[float, float], tuple[float, float]]:
    """Matrix of an image as the sky is seen: east to the left of north.

    Parameters
    ----------
    position_angle
        Of the y axis, from north to east [deg].
    """
    cosine, sine = np.cos(np.deg2rad(position_angle)), np.sin(np.deg2rad(position_angle))
    return (float(-cosine), float(sine)), (float(sine), float(cosine))
