import numpy as np
import pytest

from roman_dms.measure.detection.matched_filter import matched_filter, trimmed
from tests.measure.detection.drawn_stars import noise, stamp


def by_definition(light, variance, kernel):
    """The formula, pixel by pixel."""
    half = kernel.shape[0] // 2
    result = np.zeros(light.shape)
    for row in range(light.shape[0]):
        for column in range(light.shape[1]):
            above = below = 0.0
            for i in range(-half, half + 1):
                for j in range(-half, half + 1):
                    r, c = row + i, column + j
                    if 0 <= r < light.shape[0] and 0 <= c < light.shape[1]:
                        share = kernel[i + half, j + half]
                        above += share * light[r, c] / variance[r, c]
                        below += share**2 / variance[r, c]
            result[row, column] = above / np.sqrt(below) if below else 0
    return result


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_it_is_the_formula_at_edges_and_masked_pixels_too(size):
    rng = np.random.default_rng(size)
    kernel = np.pad(rng.uniform(1, 2, (size, size)), 1)
    light = noise((41, 23), 1)
    variance = rng.uniform(0.5, 2, light.shape).astype(np.float32)
    dead = rng.random(light.shape) < 0.1
    dead[:12, :12] = True
    light[dead], variance[dead] = 0, np.inf

    filtered = matched_filter(light, variance, kernel)

    np.testing.assert_allclose(filtered, by_definition(light, variance, kernel), atol=2e-6)
    assert (filtered[:5, :5] == 0).all()


def test_a_star_has_the_significance_of_theory():
    star = stamp(0, 0, 31)
    flux, sigma = 100.0, 0.7
    filtered = matched_filter(
        (flux * star).astype(np.float32), np.full(star.shape, sigma**2, np.float32), star
    )
    ideal = flux * np.sqrt(np.sum(star**2)) / sigma
    assert filtered[15, 15] == pytest.approx(ideal, rel=1.5e-3)


def test_noise_has_unit_spread():
    filtered = matched_filter(
        noise((600, 600), 3, 0.2), np.full((600, 600), 0.04, "f4"), stamp(0, 0)
    )
    assert filtered.std() == pytest.approx(1, abs=0.01)
    assert filtered.mean() == pytest.approx(0, abs=0.01)


def test_a_trimmed_kernel_detects_as_well():
    wide = stamp(0, 0, 41)
    small = trimmed(wide)
    assert small.shape[0] < 10
    assert np.sum(small**2) >= 0.998 * np.sum(wide**2)


def test_threads_change_nothing():
    light, variance = noise((301, 97), 5), np.ones((301, 97), np.float32)
    one, many = (matched_filter(light, variance, stamp(0, 0), workers=n) for n in (1, 5))
    assert (one == many).all()
