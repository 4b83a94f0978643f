"""Stamps from files: a star in closed form, and what cannot be made."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from roman_dms.errors import FormatError, MetadataError, ReferenceDataError, UsageError
from roman_dms.formats.products import write_product
from roman_dms.mosaics.steps.stamps import StampRequest, make_stamp, record_of
from roman_dms.products.mosaic import Mosaic
from roman_dms.psf.effective import PsfModel
from roman_dms.psf.plain import gaussian_psf
from roman_dms.psf.steps.reference_files import write_epsf
from roman_dms.simulation.steps.mosaic_metadata import mosaic_metadata
from roman_dms.sky.tessellation import free_field
from tests.mosaics.steps.stamp_exposures import (
    CONVERSION,
    DEC,
    FLUX,
    FWHM,
    RA,
    SKY,
    plane,
    write_image,
)

SIZE = 12
PSF = f"gaussian:{FWHM}"
REQUEST = StampRequest(RA, DEC, size=SIZE, psf=PSF, radius=0.6)
PEAK_AREA = (0.11 / 0.055) ** 2
"""Mosaic pixels in one of the detector."""


def wanted(x: float, y: float, fwhm: float = 0.22) -> np.ndarray:
    """Surface brightness of the star at (x, y) from the middle of the stamp [pixel]."""
    sigma = fwhm / 0.055 / np.sqrt(8 * np.log(2))
    row, column = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    squared = (column - x) ** 2 + (row - y) ** 2
    unit = np.exp(-squared / 2 / sigma**2) / (2 * np.pi * sigma**2)
    return FLUX * CONVERSION * PEAK_AREA * unit


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("l2")
    return [write_image(folder, number) for number in range(4)]


def test_a_star_has_the_target_psf_and_its_light(files):
    made = make_stamp(files, REQUEST)
    assert made.stamp.data == pytest.approx(wanted(0, 0), abs=1e-3 * wanted(0, 0).max())
    assert made.levels == pytest.approx([SKY * CONVERSION] * 4, rel=1e-4)
    assert made.element == "F158"
    assert made.origins == (PSF,) * 4
    assert made.names == tuple(path.name for path in files)
    assert made.stamp.variance == pytest.approx(
        2e-3 * CONVERSION**2 * made.stamp.noise, rel=2e-3
    )  # of two components of 1e-3 (DN/s)2, stored with 11 bits


def test_north_is_where_the_position_angle_says(files):
    """A stamp whose middle is 0.1 arcsec south of the star, turned by 90 degrees."""
    request = dataclasses.replace(REQUEST, dec=DEC - 0.1 / 3600, position_angle=90.0)
    made = make_stamp(files, request)
    truth = wanted(0.1 / 0.055, 0.0)  # y points east, so that x points north
    assert made.stamp.data == pytest.approx(truth, abs=2e-3 * truth.max())


def test_a_wider_target_and_the_mean_psf_broadened(files):
    wide = make_stamp(files, dataclasses.replace(REQUEST, target_fwhm=0.3))
    truth = wanted(0, 0, 0.3)
    assert wide.stamp.data == pytest.approx(truth, abs=5e-3 * truth.max())
    blurred = make_stamp(files, dataclasses.replace(REQUEST, target_fwhm=0.2, broadened=True))
    assert blurred.stamp.leakage.max() < 1e-3
    variance = (FWHM**2 + (0.2 / 0.11) ** 2) / (8 * np.log(2)) + 1 / 12  # a square pixel's
    truth = wanted(0, 0, 0.11 * np.sqrt(8 * np.log(2) * variance))
    assert blurred.stamp.data == pytest.approx(truth, abs=1e-2 * truth.max())


def test_pixels_that_are_flagged_or_nan_are_absent(files, tmp_path):
    middle = plane(1).pixels(RA, DEC)
    row, column = round(float(middle[1])), round(float(middle[0]))
    spot = np.s_[row - 1 : row + 1, column - 1 : column + 1]
    flagged = write_image(tmp_path, 1, bad=spot)
    spoilt = write_image(tmp_path, 2, spoilt=spot)
    made = make_stamp([files[0], flagged, spoilt, files[3]], REQUEST)
    assert made.stamp.data == pytest.approx(wanted(0, 0), abs=2e-2 * wanted(0, 0).max())
    assert made.stamp.coverage.min() < 3.9


def test_where_all_images_are_nan_there_is_no_value(tmp_path):
    """A band of 10 x 128 pixels; beside it the stamp is as it was."""
    y = float(plane(0).pixels(RA, DEC)[1])
    rows = slice(round(y) + 2, round(y) + 12)
    files = [write_image(tmp_path, 0, spoilt=np.s_[rows, :])]
    request = dataclasses.replace(REQUEST, size=24, target_fwhm=0.4)
    made = make_stamp(files, request)
    empty = np.isnan(made.stamp.data)
    assert 0 < empty.sum() < empty.size
    assert (made.stamp.leakage[empty] > 0.1).all()
    assert (made.stamp.leakage[~empty] <= 0.1).all()
    column, row = np.meshgrid(*[np.arange(24) - 11.5] * 2)
    at_y = plane(0).pixels(*request.plane.sky(column + 11.5, row + 11.5))[1]
    inside = (at_y > rows.start + 1) & (at_y < rows.stop - 2)
    assert empty[inside].all()
    assert not empty[at_y < rows.start - 3].any()


def test_one_undersampled_image_is_not_enough(files):
    """For a target of 0.15 arcsec: what has too much leakage is not shown, four images do."""
    narrow = dataclasses.replace(REQUEST, target_fwhm=0.15)
    alone = make_stamp(files[:1], narrow).stamp
    four = make_stamp(files, narrow).stamp
    assert alone.leakage.mean() > 30 * four.leakage.mean()
    assert np.isnan(alone.data[alone.leakage > 0.1]).all()
    assert alone.coverage == pytest.approx(1)


def test_what_a_mosaic_rejected_is_left_out(files, tmp_path):
    x, y = (round(float(axis)) for axis in plane(3).pixels(RA, DEC))
    struck = write_image(tmp_path, 3, hit=(y + 1, x - 1))
    images = [*files[:3], struck]
    place = np.array([[y + 1], [x - 1]])
    far = np.array([[1], [1]])  # a pixel that is nowhere near
    seen = make_stamp(images, REQUEST, rejected={struck.name: far}).stamp.data
    kept = make_stamp(images, REQUEST, rejected={struck.name: place}).stamp.data
    peak = wanted(0, 0).max()
    assert np.abs(seen - wanted(0, 0)).max() > 0.3 * peak
    assert kept == pytest.approx(wanted(0, 0), abs=1e-2 * peak)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dec": DEC + 1 / 60}, "None of the 4 images"),
        ({"ra": RA + 90}, "None of the 4 images"),
        ({"dec": 91.0}, "dec = 91"),
        ({"target_fwhm": 0.0}, "width above zero"),
        ({"radius": 6.0}, "radius up to 5"),
        ({"size": 0}, "one row"),
        ({"good_bits": "~NO_SUCH"}, "good_bits"),
        ({"psf": "{colour}"}, "no other braces"),
        ({"psf": "nonsense"}, "names no PSF"),
    ],
)
def test_what_cannot_be_meant_is_refused(files, changes, message):
    with pytest.raises(UsageError, match=message):
        make_stamp(files, dataclasses.replace(REQUEST, **changes))


def test_images_that_do_not_show_the_place_are_not_in_it(files):
    """A place two pixels off the first image, on the last one, which is turned."""
    ra, dec = (float(axis) for axis in plane(0).sky(-2.4, 125.0))
    assert -0.5 < float(plane(3).pixels(ra, dec)[0]) < 0.5
    made = make_stamp(files, dataclasses.replace(REQUEST, size=1, ra=ra, dec=dec))
    assert files[0].name not in made.names
    assert files[3].name in made.names


def test_images_of_different_filters_are_refused(files, tmp_path):
    other = write_image(tmp_path, 1, element="F129")
    with pytest.raises(UsageError, match="through F129, F158"):
        make_stamp([files[0], other], REQUEST)


@pytest.fixture(scope="module")
def own_epsf(tmp_path_factory):
    """An epsf file of WFI01 in F158: the Gaussian that stars were drawn with."""
    path = tmp_path_factory.mktemp("epsf") / "epsf.asdf"
    drawn = gaussian_psf(FWHM)
    grid = dataclasses.replace(
        drawn, detector="WFI01", element="F158", wavelengths=np.array([1.577])
    )
    write_epsf(PsfModel(grid), path, description="for a test")
    return path


def test_an_epsf_file_serves_its_own_detector_and_filter(files, own_epsf, tmp_path):
    made = make_stamp(files, dataclasses.replace(REQUEST, psf=str(own_epsf)))
    assert made.stamp.data == pytest.approx(wanted(0, 0), abs=1e-3 * wanted(0, 0).max())
    other = write_image(tmp_path, 0, element="F129")
    with pytest.raises(UsageError, match=r"of WFI01/F158, and .* is of WFI01/F129"):
        make_stamp([other], dataclasses.replace(REQUEST, psf=str(own_epsf)))


def test_without_reference_data_the_psf_is_asked_for(files, tmp_path):
    with pytest.raises(ReferenceDataError):
        make_stamp(files, dataclasses.replace(REQUEST, psf="reference", store=tmp_path))


def test_reference_data_are_those_of_the_context(files, miniature_store, tmp_path):
    """Which know PSFs of WFI01 in F158, and no others."""
    request = dataclasses.replace(REQUEST, size=4, psf="reference", store=miniature_store)
    made = make_stamp(files, request)
    assert all("epsf" in origin for origin in made.origins)
    other = write_image(tmp_path, 0, element="F129")
    with pytest.raises(ReferenceDataError):
        make_stamp([other], request)


def test_a_mosaic_without_a_record_tells_nothing(files, tmp_path):
    path = tmp_path / "mosaic.asdf"
    cell, image = free_field(RA, DEC, 20), np.ones((20, 20), np.float32)
    meta = mosaic_metadata(cell, "F158", image, start=61557.0, exposure_time=1.0, exposures=1)
    mosaic = Mosaic(
        meta=meta, data=image, err=image, context=np.ones((1, 20, 20), np.uint32),
        weight=image, var_poisson=image, var_rnoise=image,
    )  # fmt: skip
    write_product(mosaic, path)
    with pytest.raises(MetadataError, match="does not tell which pixels"):
        record_of(path)
    with pytest.raises(FormatError):
        record_of(files[0])
