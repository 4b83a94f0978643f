"""The search for sources, against the stars and galaxies that GalSim drew."""

import galsim
import numpy as np
import pytest
from scipy.spatial import KDTree

from roman_dms.measure.image import Image
from roman_dms.measure.search import CLEAR, SearchSettings, search
from tests.measure.point_sources.stars import drawn, noise_equivalent, profile, psf

SHAPE = (512, 512)
PER_LIGHT = 0.3


def observed(truth, rng, sky=30.0):
    sigma = np.sqrt(1 + PER_LIGHT * truth)
    return Image.of(truth + sky + rng.normal(size=truth.shape) * sigma, sigma)


def crowded(rng):
    """Stars with the counts of a crowded field, and their S/N in the noise of the sky."""
    count = 2200
    x, y = rng.uniform(2, 509, (2, count))
    significance = 6 * rng.pareto(0.9, count).clip(0, 300) + 3
    return x, y, significance * noise_equivalent(), significance


def matched(found, x, y):
    """Distance of each true star from the nearest found, and of each found from a true."""
    true = np.column_stack([x, y])
    places = np.column_stack([found.fits.x, found.fits.y])
    return KDTree(places).query(true)[0], KDTree(true).query(places)[0]


def test_a_crowded_field():
    rng = np.random.default_rng(1)
    x, y, flux, significance = crowded(rng)
    image = observed(drawn(SHAPE, x, y, flux, half=25), rng)
    found = search(image, psf())
    single = search(image, psf(), SearchSettings(passes=0))
    to_found, to_true = matched(found, x, y)
    bright = significance > 15
    complete = np.mean(to_found[bright] < 0.7)
    complete_single = np.mean(matched(single, x, y)[0][bright] < 0.7)
    assert np.mean(to_true < 1.2) > 0.985
    assert complete > 0.9
    assert 1 - complete < 0.75 * (1 - complete_single)
    assert len(found.fits) == len(found.detection.x) == found.detection.segments.max()
    added = np.arange(len(single.fits), len(found.fits))
    column, row = np.rint(found.fits.x[added]).astype(int), np.rint(found.fits.y[added]).astype(int)
    assert np.mean(found.detection.segments[row, column] == added + 1) > 0.9


def test_galaxies_are_not_shredded():
    rng = np.random.default_rng(2)
    grid = np.arange(7) * 70 + 45.0
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    truth = np.zeros(SHAPE)
    for column, row in zip(x, y, strict=True):
        galaxy = galsim.Exponential(half_light_radius=rng.uniform(1, 3.5))
        galaxy = galaxy.shear(g1=rng.uniform(-0.4, 0.4), g2=rng.uniform(-0.4, 0.4))
        seen = galsim.Convolve(profile(), galaxy).withFlux(rng.uniform(300, 4000))
        stamp = seen.drawImage(nx=61, ny=61, scale=1, method="no_pixel").array
        truth[int(row) - 30 : int(row) + 31, int(column) - 30 : int(column) + 31] += stamp
    found = search(observed(truth, rng), psf())
    to_found, to_true = matched(found, x, y)
    assert (to_found < 1).mean() > 0.97
    assert (to_true > 1.5).sum() <= 3


@pytest.mark.parametrize(("half_light_radius", "flux"), [(1.5, 150), (2.5, 250)])
def test_galaxies_are_not_shredded_where_none_is_bright(half_light_radius, flux):
    """All below the significance that tells how many sources are galaxies."""
    rng = np.random.default_rng(1)
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.arange(8) * 60 + 46.0] * 2))
    truth = np.zeros(SHAPE)
    for column, row in zip(x.astype(int), y.astype(int), strict=True):
        galaxy = galsim.Exponential(half_light_radius=half_light_radius)
        galaxy = galaxy.shear(g1=rng.uniform(-0.4, 0.4), g2=rng.uniform(-0.4, 0.4))
        seen = galsim.Convolve(profile(), galaxy).withFlux(flux)
        stamp = seen.drawImage(nx=61, ny=61, scale=1, method="no_pixel").array
        truth[row - 30 : row + 31, column - 30 : column + 31] += stamp
    found = search(observed(truth, rng), psf())
    assert (found.fits.flux < CLEAR * found.fits.flux_err).all()
    to_found, to_true = matched(found, x, y)
    assert (to_found < 1.5).all()
    assert (to_true > 1.5).sum() <= 2


def test_a_galaxy_whose_core_is_masked_is_not_shredded():
    """Sixteen bright galaxies, nine pixels masked in the middle of each: no more sources.

    A hot pixel masks as many; what is left is fitted as a star far too bright.
    """
    rng = np.random.default_rng(5)
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.arange(4) * 120 + 75.0] * 2))
    truth, masked = np.zeros(SHAPE), np.zeros(SHAPE, bool)
    for column, row in zip(x.astype(int), y.astype(int), strict=True):
        galaxy = galsim.Exponential(half_light_radius=5.5).shear(g1=rng.uniform(-0.2, 0.2), g2=0.1)
        seen = galsim.Convolve(profile(), galaxy).withFlux(9000)
        stamp = seen.drawImage(nx=101, ny=101, scale=1, method="no_pixel").array
        truth[row - 50 : row + 51, column - 50 : column + 51] += stamp
        masked[row - 1 : row + 2, column - 1 : column + 2] = True
    image = observed(truth, rng)
    found = search(Image.of(image.data, image.err, masked), psf())
    to_found, to_true = matched(found, x, y)
    assert (to_found < 3).all()
    assert (to_true > 3).sum() <= 2


def test_a_bright_star_makes_no_false_sources():
    """With a PSF that is wrong by a few per cent."""
    rng = np.random.default_rng(3)
    x, y, flux = np.array([255.3]), np.array([250.8]), np.array([3e5])
    wrong = galsim.Moffat(beta=3.5, fwhm=1.74).shear(g1=0.05, g2=-0.03).withFlux(flux[0])
    image = galsim.ImageD(512, 512, xmin=0, ymin=0, scale=1)
    truth = wrong.drawImage(image, method="sb", center=galsim.PositionD(x[0], y[0])).array
    found = search(observed(truth, rng), psf())
    assert len(found.fits) <= 3
    brightest = np.argmax(found.fits.flux)
    assert found.fits.x[brightest] == pytest.approx(x[0], abs=0.01)


@pytest.mark.parametrize("unusable", [True, False])
def test_an_image_of_nothing(unusable):
    shape = (128, 128)
    noise = np.random.default_rng(4).normal(size=shape)
    image = Image.of(noise, np.ones(shape), np.full(shape, unusable))
    found = search(image, psf())
    assert len(found.fits) == len(found.detection.x) <= 1


def test_threads_change_nothing():
    rng = np.random.default_rng(5)
    x, y, flux, _ = crowded(rng)
    image = observed(drawn(SHAPE, x, y, flux, half=12), rng)
    one, two = search(image, psf(), workers=1), search(image, psf(), workers=2)
    assert np.array_equal(one.fits.flux, two.fits.flux)
    assert np.array_equal(one.detection.segments, two.detection.segments)
