import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.mosaics import kernels
from roman_dms.mosaics.combining import combined
from roman_dms.mosaics.correlated_noise import (
    circles,
    correlated_noise_factor,
    factor_of_uniform_dithers,
)
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.warping import warp

from .exposures import BLOCK, SIZE, image_of, way

AREA = Area(8, 8, 80, 80)


def test_against_realisations():
    """Sixteen apertures in 1,000 realisations of two exposures."""
    rng = np.random.default_rng(12)
    ways, kernel = [way(10), way(70, shift=(0.3, 0.4))], kernels.square()
    variances = [rng.uniform(0.5, 2, (SIZE, SIZE)).astype(np.float32) for _ in ways]
    window = Area(0, 0, SIZE, SIZE)
    images = [
        InputImage(window, np.zeros_like(v), 1 / v, {"var_a": 0.3 * v, "var_b": 0.7 * v})
        for v in variances
    ]
    tile = circles(Area(0, 0, 20, 20), [8.0])[0]
    apertures = np.zeros((4, 4, 80, 80))
    for j in range(4):
        for i in range(4):
            apertures[j, i, 20 * j : 20 * j + 20, 20 * i : 20 * i + 20] = tile
    apertures = apertures.reshape(16, 80, 80)
    made = [warp(image, found, AREA, kernel) for image, found in zip(images, ways, strict=True)]
    variance = combined(made, [1.0, 1.0], AREA).err.astype(float) ** 2
    apparent = np.sqrt(apertures.reshape(16, -1) @ variance.ravel())
    sums = []
    for _ in range(1000):
        made = []
        for image, found in zip(images, ways, strict=True):
            noise = rng.standard_normal((SIZE, SIZE), np.float32) / np.sqrt(image.weight)
            noisy = InputImage(window, noise, image.weight, {})
            made.append(warp(noisy, found, AREA, kernel))
        data = combined(made, [1.0, 1.0], AREA).data
        sums.append([(data[place] * tile).sum() for place in TILES])
    factors = correlated_noise_factor(images, ways, AREA, kernel, apertures)
    ratio = np.std(sums, axis=0) / (apparent * factors)
    assert factors.min() > 1.5
    assert ratio.mean() == pytest.approx(1, abs=0.02)


TILES = [
    (slice(20 * j, 20 * j + 20), slice(20 * i, 20 * i + 20)) for j in range(4) for i in range(4)
]


def test_single_pixels_have_no_neighbours():
    images, ways = [image_of(np.zeros((SIZE, SIZE)))], [way(33)]
    apertures = np.zeros((1, *AREA.shape))
    apertures[0, 30, 40] = 1
    found = correlated_noise_factor(images, ways, AREA, kernels.square(0.8), apertures)
    assert found == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("pixfrac", [1.0, 0.6])
def test_many_dithers(pixfrac):
    """The closed form of Fruchter & Hook, for a regular set of 36 dithers."""
    phases = (np.arange(6) + 0.37) / 6
    ways = [way(0, shift=(x, y)) for x in phases for y in phases]
    images = [image_of(np.zeros((SIZE, SIZE)))] * len(ways)
    found = correlated_noise_factor(images, ways, BLOCK, kernels.square(pixfrac))
    assert found == pytest.approx(factor_of_uniform_dithers(pixfrac, 0.5), rel=0.02)


def test_published_value():
    """Fruchter & Hook (2002), section 7: 1.662 for a pixfrac of 0.6 and a scale of 0.5."""
    assert factor_of_uniform_dithers(0.6, 0.5) == pytest.approx(1.662, abs=5e-4)
    assert factor_of_uniform_dithers(0.4, 0.8) == pytest.approx(1.2, abs=5e-4)


def test_grows_with_the_aperture():
    images, ways = [image_of(np.zeros((SIZE, SIZE)))], [way(17)]
    radii = [0.8, 1.6, 3.0, 6.0, 12.0, 24.0]
    found = correlated_noise_factor(images, ways, AREA, kernels.square(), circles(AREA, radii))
    assert (np.diff(found) > 0).all()


def test_aperture_without_data():
    images, ways = [image_of(np.zeros((SIZE, SIZE)))], [way(17, shift=(400.0, 0.0))]
    with pytest.raises(UsageError, match="no pixel"):
        correlated_noise_factor(images, ways, AREA, kernels.square())
