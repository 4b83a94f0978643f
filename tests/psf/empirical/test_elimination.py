import numpy as np
import pytest

from roman_dms.psf.empirical.elimination import Elimination

PHASE = np.array([0.0, 0.25, 0.5, 0.75])


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def columns_of(images, rng):
    """Flux, sky and two slopes, as images of stars might have them."""
    columns = rng.normal(size=(images, 4, 9, 9)).astype(np.float32)
    columns[:, 1] = 1
    return columns


def test_what_is_left_is_the_residual_of_a_joint_fit(rng):
    """Weighted least squares of numpy, four unknowns for all images of a star."""
    star = np.array([7, 3, 7, 7, 3])
    columns = columns_of(5, rng)
    weights = rng.uniform(0.1, 10, (5, 9, 9)).astype(np.float32)
    pixels = rng.normal(size=(5, 9, 9)).astype(np.float32)
    found = Elimination.of(weights, columns, star, 2).weighted(pixels)
    for number in (3, 7):
        those = star == number
        root = np.sqrt(weights[those].astype(float)).ravel()
        design = columns[those].transpose(0, 2, 3, 1).reshape(-1, 4) * root[:, None]
        fit = np.linalg.lstsq(design, pixels[those].ravel() * root)[0]
        rest = pixels[those].ravel() * root - design @ fit
        np.testing.assert_allclose(found[those].ravel(), rest * root, atol=2e-5)


def test_a_function_of_the_phase_is_seen_only_by_dithers(rng):
    """P(r) g(phase) is flux to an image alone; for a star in four of them it is the PSF."""
    columns = columns_of(4, rng)
    weights = np.ones((4, 9, 9), np.float32)
    pixels = columns[:, 0] * np.cos(2 * np.pi * PHASE).astype(np.float32)[:, None, None]
    alone = Elimination.of(weights, columns, np.arange(4), 1).weighted(pixels)
    together = Elimination.of(weights, columns, np.zeros(4, int), 1).weighted(pixels)
    assert np.abs(alone).max() < 1e-5
    assert np.sum(together**2) > 0.9 * np.sum(pixels**2)
