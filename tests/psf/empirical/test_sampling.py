from dataclasses import replace

import numpy as np
import pytest

from roman_dms.psf.empirical.fitting import StarFits, densest, fit_stars
from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.sampling import spread
from roman_dms.psf.empirical.stamps import Stamps
from tests.psf.empirical import field

HALF = 8


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def grid():
    """The truth itself, at nine nodes along x."""
    nodes = np.linspace(0, 320, 9)
    samples = np.array([field.oversampled(x) for x in nodes], np.float32)[None, None]
    return replace(field.optical_model(), nodes_x=nodes, samples=samples)


def stamps_at(places, light=None):
    count = len(places)
    column, row = np.rint(places).astype(int).T
    shape = (count, 2 * HALF + 1, 2 * HALF + 1)
    light = np.zeros(shape, np.float32) if light is None else light
    noise = np.tile([field.READ_NOISE**2, field.PER_LIGHT], (count, 1))
    zero = np.zeros(count, int)
    return Stamps(light, np.ones(shape, bool), noise, column, row, zero, np.arange(count))


def true_pixels(places):
    side = np.arange(-HALF, HALF + 1)
    offsets = np.rint(places) - places
    return np.array(
        [
            field.truth(*np.meshgrid(side + dx, side + dy), x)
            for (dx, dy), (x, _) in zip(offsets, places, strict=True)
        ]
    )


def test_pixels_are_those_of_the_closed_form(rng):
    places = rng.uniform(20, 300, (50, 2))
    model = Model.of(grid(), 0, (320, 320), HALF)
    found = model.pixels(stamps_at(places), places, np.ones((50, 1), np.float32), 2)
    peak = true_pixels(places).max()
    assert np.abs(found - true_pixels(places)).max() < 3e-4 * peak  # bilinear between nodes


def test_spreading_is_the_transpose_of_sampling(rng):
    """<A c, p> = <c, A^T p> for any coefficients and pixels."""
    places = np.round(rng.uniform(20, 300, (30, 2))) + rng.uniform(-0.9, 0.9, (30, 2))
    model = Model.of(grid(), 2, (320, 320), HALF)
    column, row = np.rint(places).astype(int).T
    coefficients = model.patches(rng.normal(size=(6, 84, 84)))
    stamps = stamps_at(places)
    none = np.zeros((30, 1), np.float32)
    pixels = model.with_corrections(coefficients).pixels(stamps, places, none, 1)
    others = rng.normal(size=pixels.shape).astype(np.float32)
    out = np.zeros_like(coefficients)
    x, y = np.ascontiguousarray(places.T)
    spread(0, 30, others, model.mixtures(x, y), x, y, column, row, out)
    left, right = float((pixels * others).sum()), float((coefficients * out).sum())
    assert left == pytest.approx(right, rel=1e-4)


def test_polynomials_are_orthogonal_over_the_detector():
    model = Model.of(grid(), 3, (320, 320), HALF)
    x, y = np.meshgrid(np.arange(320), np.arange(320))
    mixtures = model.mixtures(x.ravel(), y.ravel()).astype(float)
    products = mixtures.T @ mixtures / len(mixtures)
    np.testing.assert_allclose(products, np.eye(10), atol=0.05)


def test_fits_are_unbiased_and_their_errors_true(rng):
    count = 600
    places = rng.uniform(20, 300, (count, 2))
    flux = np.full(count, 2000.0)
    light = flux[:, None, None] * true_pixels(places)
    deviation = np.sqrt(field.READ_NOISE**2 + field.PER_LIGHT * light)
    noisy = (light + deviation * rng.normal(size=light.shape)).astype(np.float32)
    guess = np.column_stack([flux * 0.8, places + rng.normal(0, 0.1, (count, 2)), np.zeros(count)])
    stamps = stamps_at(places, noisy)
    model = Model.of(grid(), 0, (320, 320), HALF)
    fits = fit_stars(
        model, stamps, StarFits.guessed(guess), np.ones((count, 1), np.float32), np.zeros(2),
        rounds=8, workers=2,
    )  # fmt: skip
    assert fits.good.mean() > 0.95  # some guesses are more than a pixel off the middle
    true = np.column_stack([flux, places, np.zeros(count)])
    pulls = ((fits.found - true) / fits.errors)[fits.good]
    np.testing.assert_allclose(pulls.mean(axis=0), 0, atol=0.2)
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.1)
    assert np.mean(fits.reduced_chi_squared[fits.good]) == pytest.approx(1, abs=0.02)
    broadening = fits.quality[fits.good, 2] / fits.quality[fits.good, 3]
    assert abs(broadening.mean()) < 0.2
    assert broadening.std() == pytest.approx(1, abs=0.15)


def test_mode_is_that_of_the_densest_values(rng):
    values = np.concatenate([rng.normal(0.02, 0.003, 300), rng.uniform(0, 3, 700)])
    assert densest(np.sort(values)) == pytest.approx(0.02, abs=0.005)
