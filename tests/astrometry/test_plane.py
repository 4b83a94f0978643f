"""The plane and the attitude against astropy's projections and scipy's rotations."""

import numpy as np
import pytest
from astropy.wcs import WCS
from scipy.spatial.transform import Rotation

from roman_dms.astrometry.plane import ARCSEC, Attitude, FocalPlane
from tests.astrometry.simulated_exposure import CENTRE, DETECTORS, PLANE, outline, turn


def gnomonic(lon: float, lat: float) -> WCS:
    """Astropy's tangent projection in arcsec, longitude growing with x."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [lon, lat]
    wcs.wcs.crpix = [1, 1]
    wcs.wcs.cdelt = [1 / 3600, 1 / 3600]
    return wcs


def test_the_plane_is_the_gnomonic_projection_of_the_telescope_angles():
    rng = np.random.default_rng(1)
    v2 = CENTRE.v2_ref + rng.uniform(-1500, 1500, 50)
    v3 = CENTRE.v3_ref + rng.uniform(-1500, 1500, 50)
    wcs = gnomonic(CENTRE.v2_ref / 3600, CENTRE.v3_ref / 3600)
    truth = wcs.wcs_world2pix(np.column_stack([v2, v3]) / 3600, 0)
    points = PLANE.of_telescope(v2, v3)
    np.testing.assert_allclose(points, truth, atol=1e-7)
    np.testing.assert_allclose(PLANE.to_telescope(points), [v2, v3], atol=1e-8)


def test_the_sky_is_put_where_the_telescope_is_turned():
    """A telescope whose V1, V2, V3 are the sky's axes sees longitude as V2."""
    rng = np.random.default_rng(2)
    ra, dec = 0.4 + rng.uniform(-0.2, 0.2, 9), -0.2 + rng.uniform(-0.2, 0.2, 9)
    plane = FocalPlane(0.4 * 3600, -0.2 * 3600)
    wcs = gnomonic(0.4, -0.2)
    np.testing.assert_allclose(
        plane.of_sky(ra, dec, np.eye(3)),
        wcs.wcs_world2pix(np.column_stack([ra, dec]), 0),
        atol=1e-7,
    )
    roll = Rotation.from_euler("xyz", [30, -50, 110], degrees=True).as_matrix()
    turned = roll @ np.array([np.cos(ARCSEC), 0, np.sin(ARCSEC)])
    at = np.rad2deg(np.arctan2(turned[1], turned[0])), np.rad2deg(np.arcsin(turned[2]))
    np.testing.assert_allclose(FocalPlane(0, 0).of_sky(*at, roll), [0, 1], atol=1e-9)


def test_what_is_behind_the_telescope_has_no_place_in_the_plane():
    assert np.isnan(FocalPlane(0, 0).of_sky(180.0, 0.0, np.eye(3))).all()


def test_covariance_on_the_sky_turns_with_the_plane():
    """Against the scatter of drawn positions."""
    rng = np.random.default_rng(3)
    attitude = Rotation.from_euler("xyz", [40, 60, 200], degrees=True).as_matrix()
    x, y, z = attitude @ np.array([np.cos(0.008), np.sin(0.008), 0.003])
    ra, dec = np.rad2deg(np.arctan2(y, x)), np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    covariance = np.array([[400.0, -150.0], [-150.0, 100.0]])
    east, north = rng.multivariate_normal([0, 0], covariance, 40_000).T / 3.6e6
    drawn = FocalPlane(0, 0).of_sky(ra + east / np.cos(np.deg2rad(dec)), dec + north, attitude)
    found = FocalPlane(0, 0).covariance_of_sky([ra], [dec], attitude, covariance[np.newaxis])[0]
    np.testing.assert_allclose(found, 1e6 * np.cov(drawn.T), atol=0.03 * 400)


@pytest.mark.parametrize("pointing", [(0.0, 0.0), (1.6, -1.2), (-9.0, 4.0)])
def test_an_attitude_is_a_rotation_of_the_sphere(pointing):
    points = np.concatenate([outline(name) for name in DETECTORS])
    rays = np.column_stack([np.ones(len(points)), ARCSEC * points])
    turned = turn(pointing, 45.0).apply(rays)
    truth = turned[:, 1:] / turned[:, :1] / ARCSEC
    np.testing.assert_allclose(
        Attitude(*pointing, roll=45.0).applied(points), truth, rtol=0, atol=1e-8
    )


def test_scale_is_about_the_tangent_point():
    np.testing.assert_allclose(
        Attitude(scale=1e-4).applied([[1000.0, -500.0]]), [[1000.1, -500.05]]
    )
