import numpy as np
import pytest
import sep
from scipy.special import erf

from roman_dms.errors import UsageError
from roman_dms.measure.background import background_of
from roman_dms.measure.image import Image

SHAPE = (520, 390)


def sky(shape=SHAPE):
    """A smooth sky."""
    y, x = np.indices(shape) / shape[0]
    return 5 + 0.7 * x - 0.5 * y + 0.3 * x * y


def noisy(level, seed, sigma=0.5):
    return level + np.random.default_rng(seed).normal(0, sigma, level.shape)


def gaussian_stars(shape, count, seed, sigma=1.2):
    """Stars, brightness distributed as in a cluster, integrated over pixels."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape)
    flux = 20 * rng.uniform(1e-3, 1, count) ** -1.2
    edges = [np.arange(size + 1) - 0.5 for size in shape]
    for light, place in zip(flux, rng.uniform(0, shape, (count, 2)), strict=True):
        parts = [
            np.diff(erf((edge - at) / sigma / np.sqrt(2))) / 2
            for edge, at in zip(edges, place, strict=True)
        ]
        image += light * np.outer(*parts)
    return image


def image_of(data, unusable=None):
    return Image.of(data, np.ones_like(data), unusable)


def test_sky_alone_is_found_without_bias():
    errors, ratios = [], []
    for seed in range(8):
        background = background_of(image_of(noisy(sky(), seed)), box=64)
        errors.append((background.level - sky()) / 0.5)
        ratios.append(background.rms / 0.5)
    assert np.mean(errors) == pytest.approx(0, abs=0.005)
    assert np.std(errors) < 2 / 64  # twice the error of the mean of a cell
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)


def test_stars_hardly_bias_it():
    """One star in 280 pixels; the median is wrong by several times as much."""
    light = gaussian_stars(SHAPE, SHAPE[0] * SHAPE[1] // 280, 1)
    data = noisy(sky() + light, 2)
    bias = np.mean(background_of(image_of(data), box=64).level - sky()) / 0.5
    assert abs(bias) < 0.05
    assert np.median(data - sky()) / 0.5 > 0.1


def test_it_agrees_with_sep_on_a_simple_field():
    data = np.ascontiguousarray(noisy(sky() + gaussian_stars(SHAPE, 100, 3), 4))
    ours = background_of(image_of(data), box=64)
    theirs = sep.Background(data, bw=64, bh=64)
    assert np.abs(ours.level - theirs.back()).max() < 0.2 * 0.5
    assert np.mean(ours.level - theirs.back()) == pytest.approx(0, abs=0.02 * 0.5)
    assert np.mean(ours.rms / theirs.rms()) == pytest.approx(1, abs=0.02)


def test_a_source_as_large_as_a_cell_is_no_sky():
    y, x = np.indices(SHAPE)
    galaxy = 20 * np.exp(-np.hypot(x - 200, y - 230) / 20)
    background = background_of(image_of(noisy(sky() + galaxy, 5)), box=64)
    assert np.abs(background.level - sky()).max() < 1.0
    assert np.mean(background.level - sky()) < 0.2 * 0.5


def test_masked_cells_are_filled_from_their_neighbours():
    data, unusable = noisy(sky(), 6), np.zeros(SHAPE, bool)
    unusable[100:300, 150:390] = True
    data[unusable] = np.nan
    background = background_of(image_of(data, unusable), box=64)
    assert 0.5 < background.measured < 0.9
    assert np.abs(background.level - sky()).max() < 0.5


def test_an_image_without_usable_pixels_has_no_sky():
    background = background_of(image_of(np.full(SHAPE, np.nan)))
    assert background.measured == 0
    assert not background.level.any()
    assert not background.rms.any()


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (40, 40)])
def test_small_images_are_one_cell(shape):
    background = background_of(image_of(noisy(np.full(shape, 7.0), 7)))
    assert background.level.shape == shape
    assert background.level.mean() == pytest.approx(7, abs=1)


def test_threads_change_nothing():
    image = image_of(noisy(sky(), 8))
    one, many = (background_of(image, box=48, workers=n) for n in (1, 5))
    assert (one.level == many.level).all()
    assert (one.rms == many.rms).all()


def test_cells_of_few_pixels_are_refused():
    with pytest.raises(UsageError, match="cells of 8 pixels"):
        background_of(image_of(sky()), box=8)
