"""Stamps on disk, as other readers see them."""

from __future__ import annotations

import dataclasses

import asdf
import matplotlib.image
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from roman_dms.errors import FileError, UsageError
from roman_dms.mosaics.steps.stamp_files import write_stamp
from roman_dms.mosaics.steps.stamps import StampRequest, make_stamp
from tests.mosaics.steps.stamp_exposures import CONVERSION, DEC, FWHM, RA, SKY, write_image

SIZE = 6
REQUEST = StampRequest(RA, DEC, size=SIZE, psf=f"gaussian:{FWHM}", radius=0.4, position_angle=30.0)
IMAGES = {"ERR", "VAR_POISSON", "VAR_RNOISE", "LEAKAGE", "NOISE", "COVERAGE", "KAPPA", "PSF"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("l2")
    files = [write_image(folder, number) for number in range(3)]
    return make_stamp(files, REQUEST, keep_weights=True)


def test_fits_as_astropy_reads_it(made, tmp_path):
    path = tmp_path / "stamp.fits"
    write_stamp(made, path)
    with fits.open(path) as file:
        assert {hdu.name for hdu in file[1:]} == IMAGES | {"INPUTS"}
        assert all(file[name].data.shape == (SIZE, SIZE) for name in IMAGES - {"PSF"})
        np.testing.assert_allclose(file[0].data, made.stamp.data, rtol=1e-6)
        np.testing.assert_allclose(file["ERR"].data ** 2, made.stamp.variance, rtol=1e-5)
        header, inputs = file[0].header, file["INPUTS"].data
        assert (header["FILTER"], header["BUNIT"], header["NIMAGES"]) == ("F158", "MJy / sr", 3)
        assert (header["TARGET"], header["FWHM"]) == ("gaussian", 0.22)
        assert header["LEAKAGE"] == pytest.approx(np.median(made.stamp.leakage))
        assert list(inputs["name"]) == list(made.names)
        assert inputs["sky"] == pytest.approx([SKY * CONVERSION] * 3, rel=1e-4)
        assert inputs["enclosed"] == pytest.approx(1, abs=1e-6)
        wcs = WCS(header)
    middle = wcs.pixel_to_world_values(2.5, 2.5)
    assert np.array(middle) == pytest.approx([RA, DEC], abs=1e-9)
    ra, dec = wcs.pixel_to_world_values(2.5, 3.5)  # y points 30 degrees east of north
    step = 3600 * np.array([(ra - RA) * np.cos(np.radians(DEC)), dec - DEC])
    assert step == pytest.approx([0.055 * 0.5, 0.055 * np.sqrt(0.75)], rel=1e-4)


def test_asdf_as_the_asdf_library_reads_it(made, tmp_path):
    path = tmp_path / "stamp.asdf"
    write_stamp(made, path)
    with asdf.open(path) as file:
        assert {name.lower() for name in IMAGES} | {"data", "meta", "inputs"} <= set(file.tree)
        np.testing.assert_allclose(file["data"], made.stamp.data, rtol=1e-6)
        assert file["meta"]["FILTER"] == "F158"
        assert file["meta"]["wcs"](2.5, 2.5) == pytest.approx((RA, DEC), abs=1e-9)
        assert list(file["inputs"]["name"]) == list(made.names)


def test_the_covariance_is_that_of_all_pixels(made, tmp_path):
    path = tmp_path / "stamp.fits"
    write_stamp(made, path, covariance=True)
    covariance = fits.getdata(path, "COVARIANCE")
    assert covariance.shape == (SIZE**2, SIZE**2)
    np.testing.assert_allclose(np.diag(covariance), made.stamp.variance.ravel(), rtol=1e-4)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-9)
    assert np.linalg.eigvalsh(covariance.astype(float)).min() > -1e-6 * covariance.max()
    without = dataclasses.replace(made, stamp=dataclasses.replace(made.stamp, weights=None))
    with pytest.raises(UsageError, match="not kept"):
        write_stamp(without, tmp_path / "other.fits", covariance=True)
    assert not (tmp_path / "other.fits").exists()


@pytest.mark.parametrize("empty", [False, True])
def test_a_picture_is_drawn_of_any_stamp(made, tmp_path, empty):
    """Also of one that has no value anywhere."""
    data = np.full_like(made.stamp.data, np.nan) if empty else made.stamp.data
    stamp = dataclasses.replace(made.stamp, data=data)
    write_stamp(dataclasses.replace(made, stamp=stamp), tmp_path / "stamp.png")
    picture = matplotlib.image.imread(tmp_path / "stamp.png")
    assert picture.shape == (462, 1320, 4)
    assert picture[..., :3].std() > 0.1


def test_what_cannot_be_written_is_refused(made, tmp_path):
    with pytest.raises(UsageError, match=r"ending '\.jpg'"):
        write_stamp(made, tmp_path / "stamp.jpg")
    for suffix in ("fits", "asdf", "png"):
        with pytest.raises(FileError, match="make the folder"):
            write_stamp(made, tmp_path / "none" / f"stamp.{suffix}")
    assert not list(tmp_path.iterdir())
