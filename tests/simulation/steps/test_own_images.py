"""A user's own count rates and data cubes."""

from __future__ import annotations

import asdf
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from roman_dms.errors import FileError, FormatError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.throughput import electrons_per_jansky
from roman_dms.simulation.steps.own_images import rate_from_cube, rate_from_image
from tests.simulation.steps.injected_products import DETECTOR, rate_image

SHAPE = DETECTOR.science_shape


def some_rates():
    return np.random.default_rng(1).uniform(0, 5, SHAPE).astype(np.float32)


def write(path, image, unit=None):
    if path.suffix == ".npy":
        np.save(path, image)
    elif path.suffix == ".asdf":
        asdf.AsdfFile({"rate": image if unit is None else image * u.Unit(unit)}).write_to(path)
    else:
        hdu = fits.ImageHDU(image)
        if unit:
            hdu.header["BUNIT"] = unit
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return path


@pytest.mark.parametrize("name", ["mine.fits", "mine.asdf", "mine.npy"])
def test_an_image_is_read_as_it_is(tmp_path, name):
    path = write(tmp_path / name, some_rates())
    found = rate_from_image(path, DETECTOR)
    np.testing.assert_array_equal(found, some_rates())
    assert found.dtype == np.float32


@pytest.mark.parametrize(("name", "unit"), [("a.fits", "electron / s"), ("a.fits", "e-/s"),
                                            ("a.asdf", "electron / s")])  # fmt: skip
def test_units_of_electrons_a_second_are_accepted(tmp_path, name, unit):
    path = write(tmp_path / name, some_rates(), unit)
    assert rate_from_image(path, DETECTOR).shape == SHAPE


def spoilt(value):
    image = some_rates()
    image[7, 9] = value
    return image


@pytest.mark.parametrize(
    ("image", "unit", "message"),
    [
        (np.ones((4096, 4096), np.float32), None, r"\(4096, 4096\)"),
        (spoilt(np.nan), None, r"\(7, 9\)"),
        (spoilt(-0.1), None, r"1 pixels .* negative .*\(7, 9\)"),
        (some_rates(), "MJy/sr", "MJy/sr"),
        (np.ones((3, *SHAPE)), None, "no image with 2 axes"),
    ],
)
def test_images_that_are_no_count_rates_are_errors(tmp_path, image, unit, message):
    with pytest.raises(FormatError, match=message):
        rate_from_image(write(tmp_path / "bad.fits", image, unit), DETECTOR)


def test_files_that_cannot_be_read_are_errors(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        rate_from_image(tmp_path / "absent.fits", DETECTOR)
    for name in ("text.npy", "text.fits", "text.asdf"):
        path = tmp_path / name
        path.write_text("no image")
        with pytest.raises((FormatError, FileError)):
            rate_from_image(path, DETECTOR)
    empty = tmp_path / "empty.asdf"
    asdf.AsdfFile({"something": 1}).write_to(empty)
    with pytest.raises(FormatError, match="has no image"):
        rate_from_image(empty, DETECTOR)


WAVELENGTHS = np.array([1.50, 1.58, 1.66])
"""Of the slices [micron]."""

PIXEL = 0.05
"""Of the cube [arcsec]."""


def cube_file(path, data, x, y, unit="MJy/sr", **changes):
    """A cube around a place on the test image, north up."""
    ra, dec = rate_image().meta["wcs"](x, y, with_bounding_box=False)
    header = fits.Header()
    keywords = {
        "CTYPE1": "RA---TAN", "CRPIX1": (data.shape[2] + 1) / 2, "CRVAL1": float(ra),
        "CDELT1": -PIXEL / 3600, "CUNIT1": "deg",
        "CTYPE2": "DEC--TAN", "CRPIX2": (data.shape[1] + 1) / 2, "CRVAL2": float(dec),
        "CDELT2": PIXEL / 3600, "CUNIT2": "deg",
        "CTYPE3": "WAVE", "CRPIX3": 1, "CRVAL3": WAVELENGTHS[0], "CDELT3": 0.08, "CUNIT3": "um",
        "BUNIT": unit,
    }  # fmt: skip
    header.update({key: value for key, value in (keywords | changes).items() if value is not None})
    fits.PrimaryHDU(data.astype(np.float32), header).writeto(path, overwrite=True)
    return path


def gaussian_cube(sigma=5.0, size=61):
    """A round source in the middle, of unit sum in each slice."""
    v, w = np.mgrid[:size, :size] - size // 2
    image = np.exp(-(v**2 + w**2) / 2 / sigma**2)
    return np.repeat((image / image.sum())[None], 3, axis=0)


def rates(path, element="F158"):
    return rate_from_cube(path, rate_image().meta["wcs"], "WFI01", element, SHAPE)


def test_flux_and_centroid_of_a_cube(tmp_path):
    """1 mJy in a pixel of 0.05 arcsec: its electrons from the mission's throughput over the
    bins, its place from the WCS."""
    steradian = (PIXEL * u.arcsec).to_value(u.rad) ** 2
    data = gaussian_cube() * 1e-3 / 1e6 / steradian  # MJy/sr
    x, y = 120.3, 130.6
    image = rates(cube_file(tmp_path / "cube.fits", data, x, y)).astype(float)
    share = band_share(1.46, 1.70)
    expected = 1e-3 * electrons_per_jansky("WFI01", "F158") * share
    assert image.sum() == pytest.approx(expected, rel=1e-3)
    v, w = np.indices(SHAPE)
    centre = [(image * axis).sum() / image.sum() for axis in (w, v)]
    # The optical PSF has a centroid of its own: that of a point at the same place.
    from roman_dms.psf.optics import optical_psf

    psf = optical_psf("WFI01", "F158", x, y, [1.50, 1.58, 1.66])
    offset = (np.arange(psf.shape[0]) - psf.shape[0] // 2) / 4
    shift = [(psf.sum(axis=axis) * offset).sum() / psf.sum() for axis in (0, 1)]
    assert centre == pytest.approx([x + shift[0], y + shift[1]], abs=0.01)


def band_share(low, high):
    """Part of the electrons of a flat spectrum between two wavelengths, in fine steps."""
    from roman_dms.instrument.throughput import effective_area, wavelengths

    fine = np.linspace(1.2, 2.0, 80001)
    photons = np.interp(fine, wavelengths("WFI01"), effective_area("WFI01", "F158")) / fine
    return photons[(fine > low) & (fine < high)].sum() / photons.sum()


@pytest.fixture(scope="module")
def in_jansky(tmp_path_factory):
    """The light of a cube in Jy a pixel."""
    path = tmp_path_factory.mktemp("cubes") / "jansky.fits"
    return rates(cube_file(path, gaussian_cube() * 1e-3, 120.0, 120.0, "Jy/pixel"))


@pytest.mark.parametrize("unit", ["erg / (s cm2 Angstrom arcsec2)", "W / (m2 um)", "nJy/arcsec2"])
def test_all_units_give_the_same_light(tmp_path, in_jansky, unit):
    """Converted by astropy, at the wavelength of each slice."""
    flux = gaussian_cube() * 1e-3 * u.Jy
    target = u.Unit(unit)
    of_sky = "arcsec" in unit
    if of_sky:
        flux = flux / (PIXEL * u.arcsec) ** 2
    spectral = target * u.arcsec**2 if of_sky else target
    flat = (flux * u.arcsec**2).to(u.Jy) if of_sky else flux
    data = np.stack([
        flat[k].to_value(spectral, u.spectral_density(WAVELENGTHS[k] * u.um)) for k in range(3)
    ])  # fmt: skip
    found = rates(cube_file(tmp_path / "cube.fits", data, 120.0, 120.0, unit))
    # f_nu and f_lambda cannot both be constant in a bin that is 5 % wide.
    np.testing.assert_allclose(found, in_jansky, rtol=2e-3, atol=2e-4 * in_jansky.max())


def test_a_frequency_axis_becomes_wavelengths(tmp_path):
    """Slices from red to blue, as frequencies that grow evenly."""
    red, middle = ((wave * u.um).to_value(u.Hz, u.spectral()) for wave in (1.66, 1.58))
    path = cube_file(
        tmp_path / "cube.fits", gaussian_cube() * 1e-3, 120.0, 120.0, "Jy/pixel",
        CTYPE3="FREQ", CRVAL3=red, CDELT3=middle - red, CUNIT3="Hz",
    )  # fmt: skip
    blue = ((2 * middle - red) * u.Hz).to_value(u.um, u.spectral())
    share = band_share(blue - (1.58 - blue) / 2, 1.70)
    expected = 1e-3 * electrons_per_jansky("WFI01", "F158") * share
    assert rates(path).sum() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": ""}, "no unit"),
        ({"unit": "m / s"}, "'m / s'"),
        ({"unit": "nonsense"}, "nonsense"),
        ({"CTYPE1": None, "CTYPE2": None}, "celestial"),
        ({"CTYPE3": "STOKES"}, "wavelength"),
        ({"CRVAL3": 5.0}, "passes nothing"),
        ({"CDELT3": 0.0}, "WCS|wavelength"),
        ({"x": 5000.0}, "does not lie on"),
    ],
)
def test_cubes_that_cannot_be_used_are_errors(tmp_path, changes, message):
    place = {"x": changes.pop("x", 120.0), "y": 120.0}
    path = cube_file(tmp_path / "cube.fits", gaussian_cube(size=9), **place, **changes)
    with pytest.raises(FormatError, match=message):
        rates(path)


def test_a_cube_with_holes_is_an_error(tmp_path):
    data = gaussian_cube(size=9)
    data[1, 2, 3] = np.nan
    with pytest.raises(FormatError, match=r"\(1, 2, 3\)"):
        rates(cube_file(tmp_path / "cube.fits", data, 120.0, 120.0))


def test_a_smaller_detector_names_its_shape(tmp_path):
    path = write(tmp_path / "mine.npy", some_rates())
    with pytest.raises(FormatError, match=r"\(1016, 1016\)"):
        rate_from_image(path, Detector("WFI01", 1024, 1024))
