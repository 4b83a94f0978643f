import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.mosaics.median import median_of, sorting_network


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 31, 64, 100])
def test_the_network_sorts(count):
    """By the zero-one principle a network that sorts zeros and ones sorts all."""
    random = np.random.default_rng(count)
    if count <= 13:
        values = ((np.arange(2**count)[:, None] >> np.arange(count)) & 1).T.copy()
    else:
        values = (random.random((count, 5000)) < random.random(5000)).astype(int)
    for one, other in sorting_network(count):
        low, high = np.minimum(values[one], values[other]), np.maximum(values[one], values[other])
        values[one], values[other] = low, high
    assert (np.diff(values, axis=0) >= 0).all()


@pytest.mark.parametrize("count", [2, 3, 4, 7, 8, 25, 100])
def test_it_is_the_median_of_the_pixels_that_count(count):
    random = np.random.default_rng(count)
    values = random.normal(100, 1, (count, 21, 301)).astype(np.float32)
    weight = random.uniform(0.9, 1.1, values.shape).astype(np.float32)
    weight[random.random(values.shape) < 0.2] = 0.1
    levels = random.normal(0, 5, count)
    picture = median_of(values * weight, weight, levels, noise=np.ones(count), full=np.ones(count))
    above = np.where(weight > 0.4, values - levels[:, None, None], np.nan)
    enough = np.isfinite(above).sum(0) >= 2
    expected = np.nanmedian(above[:, enough], axis=0)
    np.testing.assert_allclose(picture[enough], expected, atol=2e-5)
    assert np.isnan(picture[~enough]).all()


def test_a_hit_in_one_of_two_images_does_not_get_in():
    random = np.random.default_rng(1)
    values = random.normal(0, 1, (2, 200, 200)).astype(np.float32)
    hit = random.random((200, 200)) < 0.05
    clean = values[1][hit].copy()
    values[0][hit] += 30
    weight = np.ones_like(values)
    picture = median_of(values, weight, [0, 0], noise=[1, 1])
    np.testing.assert_array_equal(picture[hit], clean)
    np.testing.assert_allclose(picture[~hit].mean(), 0, atol=3 * 0.5**0.5 / 200)


def test_full_weight_is_measured_if_it_is_not_given():
    weight = np.ones((3, 64, 64), np.float32)
    weight[:, :, :8] = 0
    weight[:, :, 8] = 0.3
    picture = median_of(5 * weight, weight, np.zeros(3), noise=np.ones(3))
    assert np.isnan(picture[:, :9]).all()
    np.testing.assert_allclose(picture[:, 9:], 5)


def test_one_image_makes_no_picture():
    weight = np.ones((1, 8, 8), np.float32)
    assert np.isnan(median_of(weight, weight, [0], noise=[1])).all()


def test_other_shapes_are_refused():
    weight = np.ones((2, 8, 8), np.float32)
    with pytest.raises(UsageError, match="put together"):
        median_of(weight, weight, [0], noise=[1])
