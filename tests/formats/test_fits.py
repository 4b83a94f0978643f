"""FITS files as astropy reads them, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roman_datamodels
from astropy import units as u
from astropy.coordinates import ICRS
from astropy.io import fits
from astropy.modeling.models import Mapping as Axes
from astropy.modeling.models import (
    Pix2Sky_TAN,
    Polynomial2D,
    RotateNative2Celestial,
    Scale,
    Shift,
)
from astropy.wcs import WCS
from gwcs import WCS as GWCS
from gwcs import coordinate_frames

from roman_dms.errors import FileError, FormatError, RdmsError
from roman_dms.formats import products
from roman_dms.formats.fits import convert, read_fits
from roman_dms.formats.trees import open_tagged
from roman_dms.products.exposure import RateImage


def distorted_wcs() -> GWCS:
    """0.11 arcsec a pixel with a distortion of some tenths of a pixel."""
    bend = {"c1_0": 1, "c0_1": 0, "c2_0": 3e-5, "c1_1": -2e-5}
    other = {"c1_0": 0, "c0_1": 1, "c0_2": 2e-5, "c1_1": 1e-5}
    distortion = (
        Shift(-59.5) & Shift(-11.5)
        | Axes((0, 1, 0, 1))
        | Polynomial2D(2, **bend) & Polynomial2D(2, **other)
        | Scale(0.11 / 3600) & Scale(0.11 / 3600)
    )
    sky = Pix2Sky_TAN() | RotateNative2Celestial(270.0, 66.0, 180.0)
    detector = coordinate_frames.Frame2D(name="detector", unit=(u.pix, u.pix))
    world = coordinate_frames.CelestialFrame(reference_frame=ICRS(), name="world")
    wcs = GWCS([(detector, distortion | sky), (world, None)])
    wcs.bounding_box = ((-0.5, 119.5), (-0.5, 23.5))
    return wcs


@pytest.fixture
def l2(rate: RateImage, tmp_path: Path) -> Path:
    import dataclasses

    meta = rate.meta.updated({"wcs": distorted_wcs()})
    path = tmp_path / "l2.asdf"
    products.write_product(dataclasses.replace(rate, meta=meta), path)
    return path


def test_extensions_keywords_and_wcs(l2: Path, tmp_path: Path, rate: RateImage) -> None:
    convert(l2, tmp_path / "l2.fits")
    with fits.open(tmp_path / "l2.fits") as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["SCI"].data, rate.data)
        np.testing.assert_array_equal(hdus["ERR"].data, rate.err)
        np.testing.assert_array_equal(hdus["DQ"].data, rate.dq)
        assert hdus["DQ"].data.dtype.kind == "u"
        assert hdus[0].header["DETECTOR"] == "WFI01"
        assert hdus[0].header["DATE-OBS"] == "2020-01-01T00:00:00.000"
        assert hdus["SCI"].header["BUNIT"] == "DN / s"
        residual = hdus["SCI"].header["WCSRESID"]
        assert 0 <= residual < 0.01
        y, x = (axis.ravel() for axis in np.mgrid[0:24:5, 0:120:17])
        exact = distorted_wcs()(x, y)
        found = WCS(hdus["SCI"].header).all_pix2world(x, y, 0)
    scale = 0.11 / 3600
    off = np.hypot((found[0] - exact[0]) * np.cos(np.radians(66)), found[1] - exact[1])
    assert off.max() / scale <= max(1.5 * residual, 1e-5)


def test_the_way_back_is_without_loss(l2: Path, tmp_path: Path) -> None:
    convert(l2, tmp_path / "l2.fits")
    convert(tmp_path / "l2.fits", tmp_path / "again.asdf")
    first, second = (open_tagged(tmp_path / name) for name in ("l2.asdf", "again.asdf"))
    assert first.tag == second.tag
    assert first.roman["meta"] == second.roman["meta"]
    before, after = first.live(), second.live()
    assert list(before) == list(after)
    for name in set(before) - {"meta"}:
        assert after[name].dtype == before[name].dtype
        np.testing.assert_array_equal(np.asarray(after[name]), np.asarray(before[name]))
    x, y = np.meshgrid(np.arange(0, 120.0, 9), np.arange(0, 24.0, 5))
    wcs = after["meta"]["wcs"]
    np.testing.assert_array_equal(wcs(x, y), distorted_wcs()(x, y))
    with pytest.warns(match="does not match filename"):
        model: Any = roman_datamodels.open(tmp_path / "again.asdf")
    model.validate()
    model.close()


def test_arrays_are_stored_once(l2: Path, tmp_path: Path) -> None:
    convert(l2, tmp_path / "l2.fits")
    with fits.open(tmp_path / "l2.fits") as hdus:
        assert hdus["ASDF"].data["ASDF_METADATA"].size < 30_000
        names = [hdu.name for hdu in hdus]
    assert len(set(names)) == len(names)


def test_an_image_without_a_wcs(rate_path: Path, tmp_path: Path) -> None:
    convert(rate_path, tmp_path / "l2.fits")
    with fits.open(tmp_path / "l2.fits") as hdus:
        assert "WCSRESID" not in hdus["SCI"].header
    convert(tmp_path / "l2.fits", tmp_path / "again.asdf")
    assert open_tagged(tmp_path / "again.asdf").roman["meta"]["wcs"] is None


def test_what_cannot_be_converted(raw_path: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="an L2 image"):
        convert(raw_path, tmp_path / "l1.fits")
    with pytest.raises(FileError, match="No such file"):
        convert(tmp_path / "none.fits", tmp_path / "x.asdf")
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "other.fits")
    with pytest.raises(FormatError, match="rdms convert"):
        convert(tmp_path / "other.fits", tmp_path / "x.asdf")
    (tmp_path / "junk.fits").write_bytes(b"junk" * 1000)
    with pytest.raises(FileError):
        convert(tmp_path / "junk.fits", tmp_path / "x.asdf")
    assert not (tmp_path / "x.asdf").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_truncated_file_is_an_error(l2: Path, tmp_path: Path) -> None:
    convert(l2, tmp_path / "l2.fits")
    content = (tmp_path / "l2.fits").read_bytes()
    for size in range(0, len(content) - 2880, len(content) // 23):
        (tmp_path / "cut.fits").write_bytes(content[:size])
        with pytest.raises(RdmsError):
            read_fits(tmp_path / "cut.fits")
