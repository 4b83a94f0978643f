"""``rdms catalog`` as a user meets it: on any FITS image."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from roman_dms.cli.main import EXIT_CODES
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.plain import gaussian_psf

STARS = np.array([(60.3, 70.8, 100.0), (150.0, 90.5, 30.0), (200.2, 201.9, 300.0)])


@pytest.fixture
def image(tmp_path):
    """Three Gaussian stars on a sky of 3, with errors, a mask and a WCS."""
    rng = np.random.default_rng(0)
    data = 3 + rng.normal(0, 0.1, (256, 256))
    psf = PsfField.of(gaussian_psf(2.0))
    for x, y, light in STARS:
        column, row = round(x), round(y)
        data[row - 12 : row + 13, column - 12 : column + 13] += light * psf.pixels(x, y, 12)
    mask = np.zeros(data.shape, np.int16)
    data[10:14, 10:14], mask[10:14, 10:14] = 1e4, 1
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [10.0, -30.0], [128.5, 128.5]
    wcs.wcs.cdelt = [-0.1 / 3600, 0.1 / 3600]
    header = wcs.to_header()
    header["BUNIT"] = "uJy"
    path = tmp_path / "mine.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(data.astype("f4"), header, name="SCI"),
            fits.ImageHDU(np.full(data.shape, 0.1, "f4"), name="ERR"),
            fits.ImageHDU(mask, name="DQ"),
        ]
    ).writeto(path)
    return path, wcs


def by_brightness(path):
    table = Table.read(path)
    return table[np.argsort(table["psf_flux"])]


def test_a_fits_image(rdms, image, tmp_path):
    path, wcs = image
    code, out, _ = rdms("catalog", path, "--fwhm", 2, "--preview")
    assert code == 0
    assert "3 sources" in out
    table = by_brightness(tmp_path / "mine_cat.parquet")
    x, y, light = STARS[np.argsort(STARS[:, 2])].T
    np.testing.assert_allclose(table["x_psf"], x, atol=0.03)
    np.testing.assert_allclose(table["psf_flux"], 1000 * light, rtol=0.03)  # uJy to nJy
    assert table["psf_flux"].unit == "nJy"
    ra, dec = wcs.all_pix2world(x, y, 0)
    np.testing.assert_allclose(table["ra"], ra, atol=0.03 * 0.1 / 3600 / np.cos(np.radians(30)))
    np.testing.assert_allclose(table["dec"], dec, atol=0.03 * 0.1 / 3600)
    with fits.open(tmp_path / "mine_segm.fits") as hdus:
        assert set(np.unique(hdus[0].data)) == {0, 1, 2, 3}
    assert (tmp_path / "mine_cat.png").stat().st_size > 10_000


def test_without_errors_without_wcs_without_unit(rdms, image, tmp_path):
    path = tmp_path / "bare.fits"
    fits.writeto(path, fits.getdata(image[0], "SCI")[20:, 20:])
    code, *_ = rdms("catalog", path, "--fwhm", 2, "-o", tmp_path / "out", "--quiet")
    assert code == 0
    table = by_brightness(tmp_path / "out" / "bare_cat.parquet")
    assert len(table) == 3
    np.testing.assert_allclose(table["psf_flux"], np.sort(STARS[:, 2]), rtol=0.03)
    assert table["psf_flux"].unit is None
    assert np.isnan(table["ra"]).all()
    assert np.isnan(table["kron_abmag"]).all()


def test_a_zero_point_is_stronger_than_the_unit(rdms, image, tmp_path):
    rdms("catalog", image[0], "--fwhm", 2, "--zero-point", 31.4, "--quiet")
    table = by_brightness(tmp_path / "mine_cat.parquet")
    np.testing.assert_allclose(table["psf_flux"], np.sort(STARS[:, 2]), rtol=0.03)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the PSF of a FITS image is not known"),
        (["--fwhm", "2", "--data", "SCIENCE"], "no extension 'SCIENCE'"),
        (["--fwhm", "2", "--set", "threshold=-1"], "greater than 0"),
        (["--fwhm", "2", "--set", "treshold=4"], "did you mean threshold"),
    ],
)
def test_mistakes_are_told(rdms, image, tmp_path, arguments, says):
    code, _, err = rdms("catalog", image[0], *arguments)
    assert code in EXIT_CODES.values()
    assert says.lower() in err.lower()
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*_cat*"))


def test_one_bad_image_does_not_stop_the_others(rdms, image, tmp_path):
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"SIMPLE  =                    T" + b" " * 3000)
    code, out, err = rdms("catalog", bad, image[0], "--fwhm", 2)
    assert code == 3
    assert "bad.fits" in err
    assert "mine.fits: 3 sources" in out


def test_an_image_of_nothing(rdms, tmp_path):
    path = tmp_path / "empty.fits"
    fits.writeto(path, np.full((100, 100), np.nan, "f4"))
    code, out, _ = rdms("catalog", path, "--fwhm", 2)
    assert code == 0
    assert "0 sources" in out
    assert len(Table.read(tmp_path / "empty_cat.parquet")) == 0
