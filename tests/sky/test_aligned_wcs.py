import io

import asdf
import gwcs
import numpy as np
import pytest
from astropy.modeling.models import Identity
from tweakwcs import RomanWCSCorrector

from roman_dms.errors import FormatError, UsageError
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.sky.aligned_wcs import (
    FRAME,
    TangentCorrection,
    aligned_wcs,
    attitude_matrix,
    is_aligned,
    pointing_wcs,
)
from roman_dms.sky.attitude import Attitude
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.wcs import Pointing, build_wcs

PLACE = detector_aperture("WFI09")
POINTING = Pointing(PLACE.v2_ref, PLACE.v3_ref, 80.0, -30.0, 217.0, 1 + 7e-5)
INFO = {"v2_ref": PLACE.v2_ref, "v3_ref": PLACE.v3_ref, "roll_ref": 217.0}
CORRECTION = TangentCorrection(
    **INFO, matrix=np.array([[1 + 2e-5, -7e-5], [6e-5, 1 - 1e-5]]), shift=np.array([3.1, -1.7])
)
X, Y = (axis.ravel() for axis in np.meshgrid(*2 * [np.linspace(0, 4087, 9)]))


@pytest.fixture(scope="module")
def wcs():
    return build_wcs(distortion_model("WFI09"), POINTING, (4088, 4088))


@pytest.fixture(scope="module")
def aligned(wcs):
    return aligned_wcs(wcs, CORRECTION, "FIT-LVL2-GAIADR3")


def plane(v2, v3):
    """Gnomonic projection by spherical trigonometry [arcsec]; Calabretta & Greisen 2002."""
    lon, lat = np.radians((v2 - PLACE.v2_ref) / 3600), np.radians(v3 / 3600)
    lat0 = np.radians(PLACE.v3_ref / 3600)
    depth = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
    xi = np.cos(lat) * np.sin(lon) / depth
    eta = (np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)) / depth
    return np.degrees(np.stack([xi, eta], axis=1)) * 3600


def test_correction_is_exact(wcs, aligned):
    seen = plane(*wcs.get_transform("detector", "v2v3vacorr")(X, Y))
    corrected = plane(*aligned.get_transform("detector", FRAME)(X, Y))
    expected = seen @ CORRECTION.matrix.T + CORRECTION.shift
    assert 1e3 * np.abs(corrected - expected).max() < 1e-6  # mas
    np.testing.assert_array_equal(
        aligned.get_transform(FRAME, "world")(1500.0, -900.0),
        wcs.get_transform("v2v3vacorr", "world")(1500.0, -900.0),
    )


def test_inverse_is_as_good_as_that_of_the_pointing(aligned):
    found = aligned.invert(*aligned(X, Y), with_bounding_box=False)
    assert np.abs(np.subtract(found, (X, Y))).max() < 1e-4


def test_frames_name_and_limits(wcs, aligned):
    assert aligned.available_frames == ["detector", "v2v3", "v2v3vacorr", "v2v3corr", "world"]
    assert aligned.name == "FIT-LVL2-GAIADR3"
    assert aligned.bounding_box.bounding_box() == wcs.bounding_box.bounding_box()
    assert is_aligned(aligned)
    assert not is_aligned(wcs)


def test_another_reader_gets_the_same(aligned):
    buffer = io.BytesIO()
    asdf.AsdfFile({"wcs": aligned}).write_to(buffer)
    buffer.seek(0)
    with asdf.open(buffer) as file:
        found = file["wcs"]
    np.testing.assert_allclose(found(X, Y), aligned(X, Y), rtol=0, atol=1e-12)
    back = found.invert(*found(X, Y))
    np.testing.assert_allclose(back, aligned.invert(*aligned(X, Y)), rtol=0, atol=1e-8)


def test_taking_it_out_gives_the_pointing_again(wcs, aligned):
    found = pointing_wcs(aligned)
    assert found.available_frames == wcs.available_frames
    np.testing.assert_array_equal(found(X, Y), wcs(X, Y))
    again = aligned_wcs(aligned, CORRECTION, "FIT-LVL2-GAIADR3")
    np.testing.assert_array_equal(again(X, Y), aligned(X, Y))


def test_it_is_what_the_mission_writes(wcs, aligned):
    """The same numbers given to ``tweakwcs`` in its plane, which is turned by the roll."""
    roll = np.radians(INFO["roll_ref"])
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    peer = RomanWCSCorrector(wcs, INFO)
    peer.set_correction(turn @ CORRECTION.matrix @ turn.T, turn @ CORRECTION.shift)
    np.testing.assert_allclose(peer.wcs(X, Y), aligned(X, Y), rtol=0, atol=1e-12)


def test_the_missions_tool_refines_it(aligned):
    peer = RomanWCSCorrector(aligned, INFO)
    peer.set_correction(np.eye(2), [0.1, 0.0])
    ra, dec = aligned(2000.0, 2000.0)
    new_ra, new_dec = peer.wcs(2000.0, 2000.0)
    moved = 3600 * np.hypot((new_ra - ra) * np.cos(np.radians(dec)), new_dec - dec)
    assert moved == pytest.approx(0.1, rel=1e-4)
    assert peer.wcs.available_frames == aligned.available_frames


def test_attitude_is_that_of_the_pointing(wcs, aligned):
    expected = Attitude(PLACE.v2_ref, PLACE.v3_ref, 80.0, -30.0, 217.0).matrix
    np.testing.assert_allclose(attitude_matrix(wcs), expected, atol=1e-14)
    np.testing.assert_allclose(attitude_matrix(aligned), expected, atol=1e-14)


def test_rotation_and_scale():
    angle = 5.0  # arcsec
    cosine, sine = np.cos(np.radians(angle / 3600)), np.sin(np.radians(angle / 3600))
    matrix = 1.001 * np.array([[cosine, -sine], [sine, cosine]])
    one = TangentCorrection(**INFO, matrix=matrix)
    assert one.rotation == pytest.approx(5.0)
    assert one.scale == pytest.approx(1.001)


def test_wcs_without_telescope_frame():
    wcs = gwcs.WCS([("detector", Identity(2)), ("world", None)])
    with pytest.raises(FormatError, match="v2v3"):
        aligned_wcs(wcs, CORRECTION, "x")


@pytest.mark.parametrize(
    "bad", [{"shift": [np.nan, 0]}, {"matrix": np.zeros((2, 2))}, {"shift": [1, 2, 3]}]
)
def test_what_is_no_correction(bad):
    with pytest.raises(UsageError):
        TangentCorrection(**INFO, **bad)
