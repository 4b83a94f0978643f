import numpy as np
import pytest

from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.empirical.weighting import ModelError, measured_error, pixel_weights
from tests.psf.empirical import field

COUNT, HALF = 400, 8
NOISE = np.tile([0.01, 1 / 140], (COUNT, 1))


@pytest.fixture(scope="module")
def model():
    """Of the field's optics: a round Gaussian, whose pixels are known in closed form."""
    return Model.of(field.optical_model(), 0, (field.SIZE, field.SIZE), HALF)


def stars(rng, own=0.0, outside=0.0):
    """Stars of many brightnesses, off the model by parts of pixels' own light and the star's."""
    side = np.arange(-HALF, HALF + 1)
    square = np.add.outer(side**2, side**2)
    psf = np.exp(-square / (2 * 0.57)) / (2 * np.pi * 0.57)
    flux = np.exp(rng.uniform(np.log(300), np.log(1e6), COUNT))
    light = flux[:, None, None] * psf
    variance = NOISE[:, :1, None] + NOISE[:, 1:, None] * light
    deviates = rng.normal(size=(3, *light.shape))
    noisy = light + deviates[0] * np.sqrt(variance)
    noisy += deviates[1] * own * light + deviates[2] * outside * flux[:, None, None]
    at, number = np.full(COUNT, 100), np.arange(COUNT)
    good = np.tile(square < 8.5**2, (COUNT, 1, 1))
    stamps = Stamps(noisy.astype(np.float32), good, NOISE, at, at, np.zeros(COUNT, int), number)
    return stamps, np.column_stack([flux, np.full((COUNT, 2), 100.0), np.zeros(COUNT)])


@pytest.mark.parametrize("true", [(0.01, 1e-4), (0.003, 1e-5), (0.02, 0.0)])
def test_error_of_the_psf_is_what_was_added_to_the_noise(model, true):
    stamps, found = stars(np.random.default_rng(5), *true)
    shares = np.ones((COUNT, 1), np.float32)
    measured = measured_error(model, stamps, found, shares, np.array([0.1, 0.03]), 1)
    np.testing.assert_allclose(measured, true, rtol=0.05, atol=2e-6)


def test_without_an_error_hardly_any_is_found_and_it_never_grows(model):
    rng = np.random.default_rng(6)
    shares = np.ones((COUNT, 1), np.float32)
    stamps, found = stars(rng)
    measured = measured_error(model, stamps, found, shares, np.array([0.1, 0.03]), 1)
    assert (measured < [5e-4, 2e-6]).all()
    stamps, found = stars(rng, 0.05, 0.001)
    before = np.array([0.01, 1e-4])
    assert (measured_error(model, stamps, found, shares, before, 1) <= before).all()


def test_weights_are_the_inverse_variance_of_residuals(model):
    true = np.array([0.01, 1e-4])
    stamps, found = stars(np.random.default_rng(7), *true)
    psf = model.pixels(stamps, found[:, 1:3], np.ones((COUNT, 1), np.float32), 1)
    weights = pixel_weights(stamps, psf, found[:, 0], true)
    pulls = (stamps.light - found[:, 0, None, None] * psf) * np.sqrt(weights)
    assert (pulls[~stamps.good] == 0).all()
    assert pulls[stamps.good].std() == pytest.approx(1, abs=0.01)
    assert pulls[:, HALF, HALF].std() == pytest.approx(1, abs=0.1)


def test_doubt_goes_with_the_change_until_residuals_are_trusted():
    error = ModelError.of(3e-4, 0.1)
    assert error.values[0] == 0.1
    assert error.after(0.02).values[0] == pytest.approx(0.06)
    assert error.after(0.5).values[0] == 0.1
    sure = error.after(1e-3)
    assert sure.doubt == 0
    assert sure.values[0] == 3e-4
