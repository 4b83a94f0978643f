"""The fast way from the sky to pixels against the exact chain of models."""

import numpy as np
import pytest
from astropy.wcs import WCS

from roman_dms.errors import FormatError
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.pixel_map import pixel_map
from roman_dms.sky.wcs import Pointing, build_wcs


@pytest.fixture(scope="module")
def wcs():
    pointing = Pointing(1312.9, -1040.8, 269.9, 66.03, 59.8, 1.00005)
    return build_wcs(distortion_model("WFI01"), pointing, (4088, 4088))


def test_pixels_come_back(wcs):
    mapping = pixel_map(wcs, (4088, 4088))
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-300, 4388, (2, 40_000))
    found_x, found_y = mapping(*wcs(x, y, with_bounding_box=False))
    assert np.max(np.hypot(found_x - x, found_y - y)) < 1e-5
    assert mapping.error < 1e-5


def test_positions_far_away_are_nowhere(wcs):
    mapping = pixel_map(wcs, (4088, 4088))
    x, y = mapping(np.array([269.9, 90.0, 269.9]), np.array([67.5, -66.0, -66.03]))
    assert np.isnan(x).all()
    assert np.isnan(y).all()


def test_pole_is_no_edge():
    pointing = Pointing(1312.9, -1040.8, 10.0, 90.0, 0.0)
    wcs = build_wcs(distortion_model("WFI01"), pointing, (4088, 4088))
    mapping = pixel_map(wcs, (4088, 4088))
    x, y = np.meshgrid(np.linspace(0, 4087, 30), np.linspace(0, 4087, 30))
    found_x, found_y = mapping(*wcs(x.ravel(), y.ravel(), with_bounding_box=False))
    assert np.allclose(found_x, x.ravel(), atol=1e-5)
    assert np.allclose(found_y, y.ravel(), atol=1e-5)


def test_jacobian_is_that_of_a_rotated_plane():
    """A TAN WCS turned by 30 degrees, for which the matrix is known."""
    plane = WCS(naxis=2)
    angle, scale = np.radians(30), 0.11 / 3600
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane.wcs.crval, plane.wcs.crpix = [40.0, -20.0], [500.5, 500.5]
    cd = scale * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    plane.wcs.cd = cd
    mapping = pixel_map(
        lambda x, y, with_bounding_box: plane.wcs_pix2world(x, y, 0), (1000, 1000), 100
    )
    found = mapping.jacobian(np.array([40.0]), np.array([-20.0]))[0]
    assert np.allclose(found, np.linalg.inv(cd) / 3600, rtol=1e-6, atol=1e-6)


def test_jacobian_holds_up_to_the_edge(wcs):
    mapping = pixel_map(wcs, (4088, 4088))
    edge = np.degrees(np.arctan(mapping.reach)) * (1 - 1e-9)
    dec = mapping.centre[1] + np.array([edge, -edge])
    ra = np.full(2, mapping.centre[0])
    assert np.isfinite(mapping(ra, dec)).all()
    assert np.isfinite(mapping.jacobian(ra, dec)).all()


def test_wcs_without_positions_is_refused():
    with pytest.raises(FormatError, match="cannot be followed"):
        pixel_map(lambda x, y, with_bounding_box: (x * np.nan, y * np.nan), (10, 10))
