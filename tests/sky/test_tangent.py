"""The tangent plane against astropy.wcs and against the area of the sphere."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from roman_dms.errors import FormatError, UsageError
from roman_dms.sky.tangent import TangentPlane, north_up

SHAPE = (500, 400)
PLANES = [
    TangentPlane(270, 66, 199.5, 249.5, 0.055),
    TangentPlane(0.01, -30, 120000, -7299.5, 0.055, north_up(35)),
    TangentPlane(135, 90, 2499.5, 122499.5, 0.055),
]


@pytest.mark.parametrize("plane", PLANES)
def test_sky_gwcs_and_fits_keywords_agree(plane):
    x, y = (axis.ravel() for axis in np.meshgrid([0, 10.3, 399], [0, 250.7, 499]))
    expected = SkyCoord(*WCS(plane.header()).pixel_to_world_values(x, y), unit="deg")
    for found in (plane.sky(x, y), plane.wcs(SHAPE)(x, y)):
        apart = SkyCoord(*found, unit="deg").separation(expected).arcsec
        assert apart.max() < 1e-8


@pytest.mark.parametrize("plane", PLANES)
def test_positions_have_the_pixels_of_the_fits_keywords(plane):
    ra, dec = plane.ra + np.array([0.0, 0.3, -1.2]), plane.dec - np.array([0.01, 0.2, 0.5])
    expected = WCS(plane.header()).world_to_pixel_values(ra, dec)
    assert np.abs(np.subtract(plane.pixels(ra, dec), expected)).max() < 1e-6
    assert np.isnan(plane.pixels(plane.ra + 180, -plane.dec)).all()


@pytest.mark.parametrize("plane", PLANES)
def test_areas_of_pixels_are_those_of_spherical_rectangles(plane):
    areas = plane.pixel_areas(SHAPE)
    for x, y in ((0, 0), (399, 499)):
        edges = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]]) * 100 + [x, y]
        vectors = SkyCoord(*plane.sky(*edges.T), unit="deg").cartesian.xyz.value.T
        exact = np.linalg.norm(np.cross(vectors[1] - vectors[0], vectors[3] - vectors[2])) / 1e4
        assert areas[y, x] == pytest.approx(exact, rel=1e-6)
        assert plane.scale_at(x, y) ** 2 == pytest.approx(
            exact * (180 / np.pi * 3600) ** 2, rel=1e-6
        )


@pytest.mark.parametrize("plane", PLANES)
def test_the_position_angle_is_that_of_a_step_along_y(plane):
    (ra0, ra1), (dec0, dec1) = plane.sky(np.array([200, 200]), np.array([250, 251]))
    here, up = SkyCoord(ra0, dec0, unit="deg"), SkyCoord(ra1, dec1, unit="deg")
    turned = here.position_angle(up).deg - plane.position_angle(200, 250)
    assert abs((turned + 180) % 360 - 180) < 1e-3


def test_north_up_has_east_to_the_left():
    plane = TangentPlane(10, 0, 50, 50, 1.0, north_up())
    assert plane.sky(51, 50)[0] < 10 < plane.sky(49, 50)[0]
    assert plane.sky(50, 51)[1] > 0


def test_what_cannot_be_is_named():
    with pytest.raises(UsageError, match=r"dec = 95"):
        TangentPlane(0, 95, 0, 0, 0.055)
    with pytest.raises(UsageError, match=r"-0\.1 arcsec"):
        TangentPlane(0, 9, 0, 0, -0.1)


def test_wcsinfo_without_a_plane_is_an_error():
    with pytest.raises(FormatError, match="describes no tangent plane"):
        TangentPlane.of_wcsinfo({"ra_ref": 3.0, "rotation_matrix": []})
