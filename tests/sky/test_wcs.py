import io
import time
from dataclasses import replace

import asdf
import numpy as np
import pytest
from astropy.modeling.models import Identity

from roman_dms.errors import FormatError, MetadataError
from roman_dms.instrument.apertures import aperture
from roman_dms.instrument.detectors import NAMES
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.wcs import Pointing, build_wcs, footprint, s_region

CENTRE = aperture("WFI_CEN")
SHAPE = (4088, 4088)
BETA = 1.0e-4  # speed of the observatory over that of light


def _pointing(ra=80.0, dec=30.0, roll=10.0, scale=1.0):
    return Pointing(CENTRE.v2_ref, CENTRE.v3_ref, ra, dec, roll, scale)


def _wcs(detector="WFI01", pointing=None):
    return build_wcs(distortion_model(detector), pointing or _pointing(), SHAPE)


def _grid(n=15):
    return np.meshgrid(*2 * [np.linspace(0, 4087, n)])


def _vectors(longitude, latitude):
    """Unit vectors (3, ...) of angles in degrees."""
    longitude, latitude = np.deg2rad(longitude), np.deg2rad(latitude)
    return np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
    )


def _separation(one, other):
    """Angles between unit vectors [mas]; exact for small angles."""
    return np.rad2deg(np.linalg.norm(one - other, axis=0)) * 3.6e6


@pytest.mark.parametrize("detector", NAMES)
@pytest.mark.parametrize(
    ("ra", "dec", "roll"),
    [(80, 30, 10), (0, 0, 0), (359.9, -45, 250), (123, 89.9999, 33), (10, -90, -60)],
)
def test_sky_is_that_of_pysiaf(siaf, detector, ra, dec, roll):
    from pysiaf.utils import rotations

    x, y = _grid()
    v2, v3 = siaf[f"{detector}_FULL"].sci_to_tel(x + 1, y + 1)
    attitude = rotations.attitude(CENTRE.v2_ref, CENTRE.v3_ref, ra, dec, roll)
    expected = np.einsum("ij,j...->i...", attitude, _vectors(v2 / 3600, v3 / 3600))
    found = _vectors(*_wcs(detector, _pointing(ra, dec, roll))(x, y))
    assert _separation(found, expected).max() < 1e-3


@pytest.mark.parametrize(
    ("detector", "ra", "dec"),
    [(name, 80, 30) for name in NAMES] + [("WFI01", 0, 0), ("WFI09", 200, 89.7), ("WFI18", 0, -90)],
)
def test_round_trip_is_better_than_a_ten_thousandth_of_a_pixel(detector, ra, dec):
    wcs = _wcs(detector, _pointing(ra, dec, 77, 1 + BETA))
    x, y = _grid(31)
    found = wcs.invert(*wcs(x, y), with_bounding_box=False)
    assert np.abs(np.subtract(found, (x, y))).max() < 1e-4


def test_reference_point_looks_where_the_pointing_says():
    to_sky = _wcs(pointing=_pointing(12, -34, 56, 1 + BETA)).get_transform("v2v3", "world")
    ra, dec = to_sky(CENTRE.v2_ref, CENTRE.v3_ref)
    assert (ra, dec) == pytest.approx((12, -34), abs=1e-10)
    ra_up, dec_up = to_sky(CENTRE.v2_ref, CENTRE.v3_ref + 1)
    east = (ra_up - ra) * np.cos(np.deg2rad(dec))
    assert np.rad2deg(np.arctan2(east, dec_up - dec)) == pytest.approx(56, abs=1e-2)


def test_frames_are_the_missions():
    wcs = _wcs()
    assert wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert wcs.bounding_box.bounding_box(order="F") == ((-0.5, 4087.5), (-0.5, 4087.5))
    assert wcs.pixel_to_world(10, 20).frame.name == "icrs"
    assert isinstance(wcs.get_transform("v2v3", "v2v3vacorr"), Identity)


def test_bounding_box_follows_a_small_detector():
    wcs = build_wcs(distortion_model("WFI01", 1024, 512, (248, 504)), _pointing(), (248, 504))
    assert wcs.bounding_box.bounding_box(order="F") == ((-0.5, 503.5), (-0.5, 247.5))
    whole = _wcs()
    assert wcs(3, 5) == pytest.approx(whole(1027, 517), abs=1e-11)


def test_the_distortion_is_left_as_it_was():
    distortion = distortion_model("WFI01")
    before = distortion.bounding_box
    build_wcs(distortion, _pointing(), (100, 100))
    assert distortion.bounding_box == before


def test_velocity_stretches_around_the_reference_point():
    wcs = _wcs(pointing=_pointing(scale=1 + BETA))
    v2, v3 = wcs.get_transform("v2v3", "v2v3vacorr")(CENTRE.v2_ref + 1000, CENTRE.v3_ref - 500)
    assert v2 == pytest.approx(CENTRE.v2_ref + 1000.1, abs=1e-9)
    assert v3 == pytest.approx(CENTRE.v3_ref - 500.05, abs=1e-9)


@pytest.mark.parametrize("apex", [(80, 30), (95, -20), (200, 60)])
def test_velocity_aberration_is_taken_out(apex):
    """Stars seen from a moving telescope after special relativity, to second order in the field.

    What the telescope sees is turned so that the reference point is where the
    pointing says; the largest error without the correction is 0.1 arcsec.
    """
    pointing = _pointing()
    true_ref = _vectors(pointing.ra_ref, pointing.dec_ref)
    velocity = BETA * _vectors(*apex)
    gamma = 1 / np.sqrt(1 - BETA**2)
    scale = gamma * (1 + velocity @ true_ref)
    wcs = _wcs("WFI09", replace(pointing, velocity_scale=float(scale)))
    plain = _wcs("WFI09", pointing)

    x, y = _grid(9)
    stars = _vectors(*plain(x, y)).reshape(3, -1)
    apparent = _aberrate(stars, velocity)
    turned = _turn(_aberrate(true_ref[:, None], velocity)[:, 0], true_ref) @ apparent
    ra, dec = np.rad2deg(np.arctan2(turned[1], turned[0])), np.rad2deg(np.arcsin(turned[2]))
    seen = plain.get_transform("world", "v2v3")(ra % 360, dec)

    corrected = _vectors(*wcs.get_transform("v2v3", "world")(*seen))
    uncorrected = _vectors(*plain.get_transform("v2v3", "world")(*seen))
    assert _separation(corrected, stars).max() < 1
    assert _separation(uncorrected, stars).max() > 1e6 * abs(scale - 1)


def _aberrate(directions, velocity):
    """Apparent directions (3, n) for an observer with a velocity in units of c."""
    gamma = 1 / np.sqrt(1 - velocity @ velocity)
    along = velocity @ directions
    moved = directions / gamma + velocity[:, None] * (1 + gamma / (1 + gamma) * along)
    return moved / (1 + along)


def _turn(one, other):
    """Rotation matrix that takes one unit vector to another the shortest way."""
    axis = np.cross(one, other)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + one @ other)


@pytest.mark.parametrize(("ra", "dec"), [(80, 30), (0, 0.1), (45, -89.9)])
def test_region_is_the_outline_of_the_pixels(ra, dec):
    wcs = _wcs("WFI01", _pointing(ra, dec))
    kind, frame, *numbers = s_region(wcs).split()
    assert (kind, frame, len(numbers)) == ("POLYGON", "ICRS", 8)
    corners = np.array(numbers, float).reshape(4, 2)
    assert ((corners[:, 0] >= 0) & (corners[:, 0] < 360)).all()
    x, y = np.array([-0.5, -0.5, 4087.5, 4087.5]), np.array([-0.5, 4087.5, 4087.5, -0.5])
    expected = _vectors(*wcs(x, y, with_bounding_box=False))
    assert _separation(_vectors(*corners.T), expected).max() < 0.01
    np.testing.assert_allclose(footprint(wcs), corners, atol=1e-9)
    assert _area(_vectors(*corners.T)) == pytest.approx(4088**2 * 0.1097 * 0.1085, rel=0.02)


def _area(vertices):
    """Area of a small convex quadrilateral on the sphere [arcsec2]."""
    one, two = vertices[:, 2] - vertices[:, 0], vertices[:, 3] - vertices[:, 1]
    return np.linalg.norm(np.cross(one, two)) / 2 * np.rad2deg(3600) ** 2


def test_a_wcs_survives_a_file():
    wcs = _wcs("WFI05", _pointing(359.99, -20, 200, 1 + BETA))
    file = io.BytesIO()
    asdf.AsdfFile({"wcs": wcs}).write_to(file)
    file.seek(0)
    with asdf.open(file) as opened:
        read = opened["wcs"]
    x, y = _grid(5)
    np.testing.assert_array_equal(read(x, y), wcs(x, y))
    np.testing.assert_array_equal(read.invert(*wcs(x, y)), wcs.invert(*wcs(x, y)))
    assert read.available_frames == wcs.available_frames
    assert s_region(read) == s_region(wcs)


def test_building_is_fast():
    distortion, pointing = distortion_model("WFI01"), _pointing()
    times = []
    for _ in range(10):
        start = time.thread_time()
        build_wcs(distortion, pointing, SHAPE)
        times.append(time.thread_time() - start)
    assert min(times) < 0.03


@pytest.mark.parametrize(
    ("field", "value", "keyword"),
    [
        ("dec_ref", 90.001, "wcsinfo.dec_ref"),
        ("dec_ref", float("nan"), "wcsinfo.dec_ref"),
        ("ra_ref", None, "wcsinfo.ra_ref"),
        ("ra_ref", -999999, "wcsinfo.ra_ref"),
        ("ra_ref", "80", "wcsinfo.ra_ref"),
        ("roll_ref", float("inf"), "wcsinfo.roll_ref"),
        ("v2_ref", -999999.0, "wcsinfo.v2_ref"),
        ("v3_ref", True, "wcsinfo.v3_ref"),
        ("velocity_scale", 0, "velocity_aberration.scale_factor"),
        ("velocity_scale", -1.0, "velocity_aberration.scale_factor"),
        ("velocity_scale", None, "velocity_aberration.scale_factor"),
    ],
)
def test_an_impossible_pointing_is_an_error_that_names_the_keyword(field, value, keyword):
    with pytest.raises(MetadataError) as error:
        replace(_pointing(), **{field: value})
    assert f"meta.{keyword} is {value!r}" in error.value.found


def test_a_pointing_takes_numbers_of_any_kind():
    pointing = Pointing(np.float32(1500), 0, np.int64(3), 4, 5)
    assert pointing == Pointing(1500.0, 0.0, 3.0, 4.0, 5.0, 1.0)


def test_a_distortion_of_the_wrong_kind_is_an_error():
    with pytest.raises(FormatError, match="1 coordinates to 1"):
        build_wcs(Identity(1), _pointing(), SHAPE)
