"""Added light in mosaics, against the statistics of photons."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import MetadataError
from roman_dms.simulation.mosaic_injection import add_to_mosaic, overlap_kernel, photon_scale


@pytest.mark.parametrize("width", [1.0, 1.6, 2.0, 3.0])
def test_kernel_is_the_overlap_of_intervals(width):
    fine = (np.arange(70000) + 0.5) / 10000 - 3.5
    inside = np.abs(fine) < width / 2
    expected = inside.reshape(7, 10000).mean(axis=1)
    kernel = overlap_kernel(width)
    reach = kernel.size // 2
    np.testing.assert_allclose(kernel, expected[3 - reach : 4 + reach] / expected.sum(), atol=2e-4)
    assert expected[: 3 - reach].sum() == 0


@pytest.mark.parametrize("width", [1.0, 2.0])
def test_noise_of_a_mosaic_sums_to_that_of_its_photons(width):
    shape = (60, 60)
    brightness = np.full(shape, 0.8, np.float32)
    per_photon = np.full(shape, 0.002)
    drawn, variance = [], None
    for seed in range(100):
        light, variance = add_to_mosaic(brightness, per_photon, seed, width=width)
        drawn.append(light[8:-8, 8:-8])
    drawn = np.array(drawn)
    assert drawn.mean() == pytest.approx(0.8, rel=1e-3)
    assert drawn.var(axis=0).mean() == pytest.approx(variance[30, 30], rel=0.03)
    # Sums over 4 x 4 blocks of 11 x 11 pixels: edges of the blocks share some noise.
    sums = drawn.reshape(100, 4, 11, 4, 11).sum(axis=(2, 4))
    white = 121 * 0.8 * 0.002
    edge = np.convolve(np.ones(11), overlap_kernel(width))
    assert sums.var(axis=0).mean() == pytest.approx(white * (np.sum(edge**2) / 11) ** 2, rel=0.12)


def test_a_mosaic_without_noise_gains_the_light():
    brightness = np.zeros((20, 20), np.float32)
    brightness[10, 10] = 1.0
    light, variance = add_to_mosaic(brightness, np.full((20, 20), 0.01), 1, width=2.0, noise=False)
    np.testing.assert_array_equal(light, brightness)
    assert variance.sum() == pytest.approx(0.01 * 0.375**2)


def test_an_even_image_tells_no_exposure_time():
    even = np.ones((40, 40), np.float32)
    with pytest.raises(MetadataError, match="--exposure-time"):
        photon_scale(even, even)
