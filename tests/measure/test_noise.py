import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from roman_dms.measure.background import background_of
from roman_dms.measure.image import Image
from roman_dms.measure.noise import noise_of
from tests.measure.detection.drawn_stars import draw, kernel

SHAPE = (512, 512)
SKY, READ, GAIN = 0.4, 0.03, 0.004
"""Light of the sky, read noise, and variance a unit of light."""


def exposure(seed, *, follows, stars=200):
    """Data, errors as an L2 file keeps them, and the variance of the sky alone."""
    rng = np.random.default_rng(seed)
    light = draw(SHAPE, *rng.uniform(0, 512, (2, stars)), 10 ** rng.uniform(0, 3.5, stars))
    read = READ * rng.lognormal(0, 0.2, SHAPE)
    data = SKY + light + rng.normal(0, np.sqrt(read**2 + GAIN * (SKY + light)))
    seen = data if follows else SKY + light
    err = np.sqrt(read**2 + GAIN * np.maximum(seen, 0)).astype(np.float16)
    return Image.of(data, err), read**2 + GAIN * SKY, light


@pytest.mark.parametrize("follows", [False, True])
def test_the_light_of_sources_is_taken_out_of_the_errors(follows):
    image, truth, light = exposure(1, follows=follows)
    noise = noise_of(image, background_of(image))
    ratio = noise.variance / truth
    dark = light < 0.01
    assert noise.per_light == pytest.approx(GAIN, rel=0.03)
    assert ratio[dark].mean() == pytest.approx(1, abs=0.02)
    assert ratio[~dark].mean() == pytest.approx(1, abs=0.06)
    assert ratio[dark].std() < 0.04
    sources = light > 0.5
    assert (image.err[sources] ** 2 / truth[sources]).mean() > 3


def test_variances_do_not_favour_low_pixels():
    """Weights that go with the noise bias a weighted mean by several per cent of the rms."""
    image, _, _ = exposure(2, follows=True, stars=20)
    background = background_of(image)
    light = image.data - background.level
    sky = np.abs(light) < 3 * background.rms
    weights = 1 / noise_of(image, background).variance[sky]
    naive = 1 / image.err[sky] ** 2
    mean = light[sky].mean() / background.rms.mean()
    bias, worse = (
        np.average(light[sky], weights=w) / background.rms.mean() - mean for w in (weights, naive)
    )
    assert abs(bias) < 0.01
    assert worse < -0.04


def test_noise_of_independent_pixels_is_not_correlated():
    image, _, _ = exposure(3, follows=False, stars=40)
    noise = noise_of(image, background_of(image), kernel=kernel().mean(axis=0))
    assert noise.correlation == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("blur", [0.5, 0.8])
def test_correlation_is_that_of_theory(blur):
    white = np.random.default_rng(4).normal(0, 1, SHAPE)
    data = gaussian_filter(white, blur, mode="wrap")
    response = gaussian_filter(np.pad([[1.0]], 8), blur)
    star = kernel().mean(axis=0)
    sigma = np.sqrt(np.sum(response**2))
    both = gaussian_filter(np.pad(star, 8), blur)
    theory = np.sqrt(np.sum(both**2) / np.sum(star**2)) / sigma
    image = Image.of(data, np.full(SHAPE, sigma))
    assert noise_of(image, background_of(image), kernel=star).correlation == pytest.approx(
        theory, rel=0.03
    )


def test_without_sources_errors_are_as_they_are():
    rng = np.random.default_rng(5)
    err = rng.uniform(0.5, 1, SHAPE).astype(np.float32)
    image = Image.of(rng.normal(0, err), err)
    noise = noise_of(image, background_of(image))
    assert noise.per_light == 0
    np.testing.assert_allclose(noise.variance, err**2, rtol=1e-6)


def test_unusable_pixels_have_no_weight():
    data = np.random.default_rng(6).normal(0, 1, SHAPE)
    data[100:140, :] = np.nan
    image = Image.of(data, np.ones(SHAPE))
    variance = noise_of(image, background_of(image)).variance
    assert (np.isinf(variance) == image.unusable).all()
    nothing = Image.of(np.full(SHAPE, np.nan), np.ones(SHAPE))
    empty = noise_of(nothing, background_of(nothing))
    assert np.isinf(empty.variance).all()
    assert (empty.per_light, empty.correlation) == (0, 1)


def test_threads_change_nothing():
    image, _, _ = exposure(7, follows=True, stars=30)
    background = background_of(image)
    one, many = (noise_of(image, background, workers=n) for n in (1, 5))
    assert (one.variance == many.variance).all()
    assert (one.per_light, one.correlation) == (many.per_light, many.correlation)
