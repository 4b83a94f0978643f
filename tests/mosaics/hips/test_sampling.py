"""Interpolation and averages against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.mosaics.hips.sampling import add_image, binned, halve
from roman_dms.mosaics.hips.tiles import WIDTH, Places


def sampled(image, x0, y0, step=0.915):
    """An image at 512 x 512 places, and the places."""
    nodes = np.union1d(np.arange(0, WIDTH, 16), WIDTH - 1)
    y, x = np.meshgrid(y0 + step * nodes, x0 + step * nodes, indexing="ij")
    total, weights = np.zeros((2, WIDTH, WIDTH), np.float32)
    add_image(image, np.ones_like(image), Places(x, y, 16), total, weights, border=1e-3)
    with np.errstate(invalid="ignore"):
        return total / weights, x0 + step * np.arange(WIDTH), y0 + step * np.arange(WIDTH)


def gaussian(x, y, sigma):
    return np.exp(-((x - 250.3) ** 2 + (y - 240.7) ** 2) / (2 * sigma**2))


@pytest.mark.parametrize(("sigma", "tolerance"), [(1.5, 8e-3), (2.0, 2e-3)])
def test_a_star_keeps_its_form_its_light_and_its_place(sigma, tolerance):
    y, x = np.indices((500, 500))
    image = gaussian(x, y, sigma).astype(np.float32)
    found, px, py = sampled(image, 10.13, 12.4)
    px, py = np.meshgrid(px, py)
    assert np.abs(found - gaussian(px, py, sigma)).max() < tolerance
    assert found.sum(dtype=float) * 0.915**2 == pytest.approx(2 * np.pi * sigma**2, rel=1e-3)
    centre = [(found * p).sum(dtype=float) / found.sum(dtype=float) for p in (px, py)]
    assert centre == pytest.approx([250.3, 240.7], abs=3e-3)


def test_beside_bad_pixels_the_good_ones_count():
    y, x = np.indices((500, 500))
    image = (3 + 0.01 * x - 0.02 * y).astype(np.float32)
    image[100, 100] = np.nan
    found, px, py = sampled(image, 10.0, 10.0)
    truth = 3 + 0.01 * px - 0.02 * py[:, np.newaxis]
    near = np.hypot(px - 100, py[:, np.newaxis] - 100)
    assert np.isnan(found[near < 0.4]).all()
    good = np.isfinite(found)
    assert good[near > 0.75].all()
    assert np.abs(found - truth)[good].max() < 0.03
    away = (near > 5) & (px > 14) & (py[:, np.newaxis] > 14)
    away &= (px < 470) & (py[:, np.newaxis] < 470)
    assert np.abs(found - truth)[away].max() < 2e-4 * np.abs(truth).max()


def test_halves_keep_the_mean_of_what_is_covered():
    rng = np.random.default_rng(5)
    tile = rng.normal(5, 1, (WIDTH, WIDTH)).astype(np.float32)
    tile[rng.random(tile.shape) < 0.3] = np.nan
    mean, part = np.nanmean(tile, dtype=float), np.isfinite(tile).mean()
    covered = np.isfinite(tile).astype(np.float32)
    while tile.shape[0] > 1:
        half = np.empty((2, tile.shape[0] // 2, tile.shape[0] // 2), np.float32)
        halve(tile, covered, half[0], half[1])
        tile, covered = half
    assert tile[0, 0] == pytest.approx(mean, rel=1e-6)
    assert covered[0, 0] == pytest.approx(part, rel=1e-6)


def test_squares_are_means_of_good_pixels():
    image = np.arange(30, dtype=np.float32).reshape(5, 6)
    image[0, 0] = np.nan
    mean, weight = binned(image, np.ones_like(image), 2)
    assert mean.shape == (2, 3)
    assert mean[0, 0] == pytest.approx((1 + 6 + 7) / 3)
    assert mean[1, 2] == pytest.approx(np.mean([16, 17, 22, 23]))
    assert weight[0].tolist() == [0.75, 1, 1]
