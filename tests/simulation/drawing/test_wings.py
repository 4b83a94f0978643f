"""The mean wings of many sources, by either way, against sums written out."""

import numpy as np
import pytest

from roman_dms.simulation.drawing import wings

KERNEL = np.random.default_rng(1).random((9, 9)).astype(np.float32)
SHAPE = (40, 50)


def sources(n):
    rng = np.random.default_rng(2)
    return rng.uniform(-6, 55, n), rng.uniform(-6, 45, n), rng.uniform(1, 2, n)


def written_out(x, y, rate):
    """Bilinear interpolation of the kernel at the offset of every pixel."""
    from scipy.interpolate import RegularGridInterpolator

    padded = np.pad(KERNEL.astype(float), 1)
    along = np.arange(-5, 6)
    kernel = RegularGridInterpolator((along, along), padded, bounds_error=False, fill_value=0)
    rows, columns = np.indices(SHAPE)
    return sum(r * kernel((rows - b, columns - a)) for a, b, r in zip(x, y, rate, strict=True))


@pytest.mark.parametrize("cost", [0, 1e12], ids=["Fourier", "stamps"])
def test_interpolates_the_kernel(monkeypatch, cost):
    monkeypatch.setattr(wings, "FOURIER_COST", cost)
    x, y, rate = sources(60)
    image = np.zeros(SHAPE, np.float32)
    wings.spread(x, y, rate, KERNEL, image, 2)
    np.testing.assert_allclose(image, written_out(x, y, rate), atol=2e-5)


@pytest.mark.parametrize("cost", [0, 1e12], ids=["Fourier", "stamps"])
def test_same_for_any_number_of_workers(monkeypatch, cost):
    monkeypatch.setattr(wings, "FOURIER_COST", cost)
    images = []
    for workers in (1, 3):
        images.append(np.zeros((300, 200), np.float32))
        wings.spread(*sources(60), KERNEL, images[-1], workers)
    np.testing.assert_array_equal(*images)


def test_the_hole_rises_smoothly():
    holed = wings.wings_beyond(np.ones((31, 31), np.float32), 4, 8)
    middle = holed[15, 15:]
    assert np.all(middle[:5] == 0)
    assert middle[6] == pytest.approx(0.5)
    assert np.all(middle[8:] == 1)


@pytest.mark.parametrize("half", [255, 256, 257, 258])
def test_coarse_wings_have_the_same_light_and_centre(half):
    """A flat kernel, whose light and centre are known."""
    width = 2 * half + 1
    kernel = np.full((width, width), 1 / width**2, np.float32)
    image = np.zeros((1013, 1038), np.float32)
    x, y = np.array([500.3, 520.0]), np.array([481.0, 499.8])
    wings.spread_coarsely(x, y, np.array([1.0, 3.0]), kernel, image, 2)
    row, column = np.indices(image.shape)
    assert image.sum() == pytest.approx(4, rel=1e-5)
    for axis, places in ((column, x), (row, y)):
        mean = np.average(places, weights=[1, 3])
        assert (image * axis).sum() / image.sum() == pytest.approx(mean, abs=0.02)
