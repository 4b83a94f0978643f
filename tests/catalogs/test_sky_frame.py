import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from roman_dms.catalogs.sky_frame import SkyFrame


@pytest.fixture(params=[0.0, 359.9999, 120.0])
def plane(request):
    """A tangent plane of astropy: turned by 30 degrees, mirrored, of 0.11 arcsec."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [request.param, -60.0], [501, 301]
    turn = np.radians(30)
    wcs.wcs.cd = (
        0.11 / 3600 * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    )
    return wcs


@pytest.fixture
def frame(plane):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 1000, (2, 50))
    return plane, x, y, SkyFrame.at(lambda x, y: plane.wcs_pix2world(x, y, 0), x, y)


def test_scale_and_directions(frame):
    plane, x, y, sky = frame
    assert proj_plane_pixel_scales(plane)[0] * 3600 == pytest.approx(0.11)
    np.testing.assert_allclose(sky.scale, 0.11, rtol=1e-6)
    here = SkyCoord(sky.ra, sky.dec, unit="deg")
    for angle in (0.0, 25.0, 140.0):
        dx, dy = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        there = SkyCoord(*plane.wcs_pix2world(x + dx, y + dy, 0), unit="deg")
        truth = here.position_angle(there).deg % 180
        turned = sky.position_angle(np.full(50, angle))
        np.testing.assert_allclose((turned - truth + 90) % 180 - 90, 0, atol=1e-4)


def test_errors_against_a_cloud_of_points(frame):
    plane, x, y, sky = frame
    rng = np.random.default_rng(2)
    covariance = np.array([[0.04, 0.018], [0.018, 0.01]])
    cloud = rng.multivariate_normal([0, 0], covariance, 40000)
    ra, dec = plane.wcs_pix2world(x[0] + cloud[:, 0], y[0] + cloud[:, 1], 0)
    east = ((ra - sky.ra[0] + 180) % 360 - 180) * np.cos(np.radians(dec)) * 3600
    errors = sky.errors(np.full(50, 0.2), np.full(50, 0.1), np.full(50, 0.018))
    assert errors[0][0] == pytest.approx(east.std(), rel=0.015)
    assert errors[1][0] == pytest.approx(3600 * dec.std(), rel=0.015)
    independent = sky.errors(np.full(50, 0.1), np.full(50, 0.1), None)
    np.testing.assert_allclose(independent, 0.011, rtol=1e-6)


def test_no_position_no_sky(plane):
    sky = SkyFrame.at(lambda x, y: plane.wcs_pix2world(x, y, 0), np.array([np.nan]), np.zeros(1))
    assert np.isnan([sky.ra[0], sky.dec[0], sky.scale[0]]).all()
