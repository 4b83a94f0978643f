import numpy as np
import pytest

from roman_dms.psf.empirical.fitting import StarFits
from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.selection import agreeing, kept_pixels
from roman_dms.psf.empirical.stamps import Stamps
from tests.psf.empirical import field

FLUX = 1000.0
HALF = 8
ERROR = np.array([0.003, 1e-4])


@pytest.fixture(scope="module")
def model():
    """Of the field's optics: a round Gaussian, whose pixels are known in closed form."""
    return Model.of(field.optical_model(), 0, (field.SIZE, field.SIZE), HALF)


@pytest.fixture
def stars():
    """Three stars in the middle of a pixel, without noise but with its variance, and fits."""
    side = np.arange(-HALF, HALF + 1)
    radius = np.hypot(*np.meshgrid(side, side))
    light = FLUX * np.exp(-(radius**2) / (2 * 0.57)) / (2 * np.pi * 0.57)
    at, number = np.full(3, 100), np.arange(3)
    stamps = Stamps(
        np.repeat(light[None], 3, axis=0).astype(np.float32), np.tile(radius < 8.5, (3, 1, 1)),
        np.tile([0.01, 0.0], (3, 1)), at, at, np.zeros(3, int), number,
    )  # fmt: skip
    found = np.tile([FLUX, 100.0, 100.0, 0.0], (3, 1))
    return stamps, StarFits.guessed(found)


def kept(model, stamps, fits):
    return kept_pixels(model, stamps, fits, np.ones((3, 1), np.float32), ERROR, 1)


def test_all_pixels_of_lone_stars_count(model, stars):
    stamps, fits = stars
    np.testing.assert_array_equal(kept(model, stamps, fits), stamps.good)


def test_light_that_is_added_does_not_count_nor_what_is_beside_it(model, stars):
    stamps, fits = stars
    stamps.light[1, 3, 8] += 3.0
    lost = stamps.good & ~kept(model, stamps, fits)
    assert {tuple(map(int, at)) for at in np.argwhere(lost)} == {
        (1, 3, 8), (1, 2, 8), (1, 4, 8), (1, 3, 7), (1, 3, 9),
    }  # fmt: skip


def test_pixels_that_are_too_dark_do_not_count_either(model, stars):
    stamps, fits = stars
    stamps.light[2, 12, 8] = -2.0
    assert not kept(model, stamps, fits)[2, 12, 8]


def test_a_star_with_a_spoilt_core_is_left_out_once_the_model_is_trusted(model, stars):
    stamps, fits = stars
    stamps.light[1, 8, 9] *= 1.5
    shares = np.ones((3, 1), np.float32)
    for trusted, expected in ((True, [True, False, True]), (False, [True, True, True])):
        clipped, used = agreeing(model, stamps, fits, shares, ERROR, 1, trusted=trusted)
        np.testing.assert_array_equal(used, expected)
        assert clipped.good[1, 8, 9] != trusted
