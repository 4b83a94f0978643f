"""A whole catalogue of images that are hard, or empty, or wrong."""

import numpy as np
import pytest

from roman_dms.catalogs.catalogue import Apertures, catalogue
from roman_dms.catalogs.columns import Calibration
from roman_dms.measure.image import Image
from roman_dms.measure.search import SearchSettings
from roman_dms.products.source_columns import BY_NAME
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.plain import gaussian_psf

SCALE = 0.1 / 3600
"""Side of a pixel [deg]."""
CALIBRATION = Calibration(lambda x, y: (10 + x * SCALE, y * SCALE), 2.0)
APERTURES = Apertures({"aper04": 0.4}, (2.4, 2.8))
PSF = PsfField.of(gaussian_psf(2.0))


def columns_of(image, **options):
    return catalogue(image, PSF, CALIBRATION, APERTURES, SearchSettings(), **options)


def field(stars, size=256, seed=0):
    """Gaussian stars (x, y, light) on a flat sky of 3 with noise of 0.1."""
    rng = np.random.default_rng(seed)
    data = 3 + rng.normal(0, 0.1, (size, size))
    for x, y, light in stars:
        column, row = round(x), round(y)
        stamp = light * PSF.pixels(x, y, 12)
        data[row - 12 : row + 13, column - 12 : column + 13] += stamp
    return data


def test_units_and_places():
    stars = [(60.3, 70.8, 100.0), (150.0, 90.5, 30.0), (200.2, 201.9, 300.0)]
    columns, segments = columns_of(Image.of(field(stars), np.full((256, 256), 0.1)))
    order = np.argsort(columns["x_psf"])
    assert len(order) == 3
    assert set(np.unique(segments)) == {0, 1, 2, 3}
    x, y, light = np.array(stars).T
    np.testing.assert_allclose(columns["x_psf"][order], x, atol=0.02)
    np.testing.assert_allclose(columns["psf_flux"][order], 2 * light, rtol=0.03)
    np.testing.assert_allclose(columns["ra"][order], 10 + x * SCALE, atol=0.02 * SCALE)
    np.testing.assert_allclose(columns["dec"][order], y * SCALE, atol=0.02 * SCALE)
    ratio = columns["ra_psf_err"] / columns["x_psf_err"]
    np.testing.assert_allclose(ratio, 0.1, rtol=1e-4)
    assert not columns["is_extended"].any()
    magnitude = 31.4 - 2.5 * np.log10(columns["kron_flux"])
    np.testing.assert_allclose(columns["kron_abmag"], magnitude, atol=1e-3)
    enclosed = 1 - np.exp(-0.5 * (4 / np.hypot(2.0 / 2.3548, 0.29)) ** 2)
    np.testing.assert_allclose(columns["aper04_flux"][order] / (2 * light), enclosed, rtol=0.03)


def test_every_column_of_the_product_is_there():
    columns, _ = columns_of(Image.of(field([(60, 60, 50.0)]), np.full((256, 256), 0.1)))
    others = {name for name in BY_NAME if name.startswith("aper") and "bkg" not in name}
    assert set(BY_NAME) - others <= set(columns)
    assert {len(values) for values in columns.values()} == {1}


@pytest.mark.parametrize(
    "data",
    [np.full((200, 200), np.nan), np.zeros((200, 200))],
    ids=["nothing is a number", "nothing but zeros"],
)
def test_nothing_to_find(data):
    columns, segments = columns_of(Image.of(data, np.full(data.shape, 0.1)))
    assert {len(values) for values in columns.values()} == {0}
    assert not segments.any()


def test_every_pixel_flagged():
    image = Image.of(field([(60, 60, 50.0)]), np.full((256, 256), 0.1), np.ones((256, 256), bool))
    columns, _ = columns_of(image)
    assert len(columns["label"]) == 0


def test_half_of_the_image_is_gone():
    data = field([(60, 60, 50.0), (200, 60, 50.0)])
    data[:, 128:] = np.nan
    columns, _ = columns_of(Image.of(data, np.full((256, 256), 0.1)))
    assert columns["x_psf"] == pytest.approx([60], abs=0.05)


def test_more_sources_than_there_is_sky():
    """A source on every fifth pixel: 2,601 of them, most of them found, none invented."""
    places = np.arange(13, 243, 4.5)
    stars = [(x, y, 20.0) for x in places for y in places]
    columns, _ = columns_of(Image.of(field(stars), np.full((256, 256), 0.1)))
    assert 0.8 * len(stars) < len(columns["label"]) < 1.1 * len(stars)
    assert np.isfinite(columns["psf_flux"]).mean() > 0.95


def test_the_result_does_not_depend_on_threads():
    rng = np.random.default_rng(5)
    stars = [(x, y, light) for x, y, light in rng.uniform((15, 15, 5), (240, 240, 80), (150, 3))]
    image = Image.of(field(stars), np.full((256, 256), 0.1))
    one, two = (columns_of(image, workers=n) for n in (1, 3))
    np.testing.assert_array_equal(one[1], two[1])
    for name, values in one[0].items():
        np.testing.assert_array_equal(values, two[0][name])
