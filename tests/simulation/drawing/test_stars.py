"""Points against GalSim's direct Fourier drawing."""

import numpy as np
import pytest

from roman_dms.simulation.drawing.stars import draw_points
from tests.simulation.drawing.conftest import expected, moments

SIDE = 61
ONE = np.ones((1, 1), np.float32)


def drawn(x, y, rate, grid, side=SIDE, workers=2, weights=None):
    image = np.zeros((side, side), np.float32)
    x, y, rate = (np.atleast_1d(np.asarray(a, float)) for a in (x, y, rate))
    if weights is None:
        weights = np.ones((x.size, 1), np.float32)
    draw_points(x, y, rate, weights, grid, image, workers)
    return image


@pytest.mark.parametrize("rate", [1e5, 20.0])
def test_as_galsim_at_any_phase(grid, psf, rate):
    rng = np.random.default_rng(5)
    for x, y in rng.uniform(29.5, 30.5, (12, 2)):
        ours, theirs = drawn(x, y, rate, grid), expected(psf, rate, x, y, SIDE)
        assert np.abs(ours - theirs).max() < 3e-4 * theirs.max()
        light, centroid, ellipticity = moments(ours.astype(float))
        their_light, their_centroid, their_ellipticity = moments(theirs)
        assert light == pytest.approx(their_light, rel=5e-4)
        np.testing.assert_allclose(centroid, their_centroid, atol=2e-3)
        np.testing.assert_allclose(ellipticity, their_ellipticity, atol=5e-4)


def test_faint_points_keep_the_light_of_their_wings(grid):
    """However faint a point is, its light is that of a bright one."""
    faint, bright = (drawn(30.2, 29.9, rate, grid) / rate for rate in (1e-3, 1e6))
    assert faint.sum() == pytest.approx(bright.sum(), rel=3e-3)
    assert faint[30, 55] == pytest.approx(bright[30, 55], rel=1.0)
    assert faint[30, 55] > 0


def test_between_nodes_and_colours(varied):
    """Bilinear between the nodes, linear between the colours: the same sum of GalSim's profiles."""
    grid, profiles = varied
    x, y = 30.3, 19.6
    u, v, colour = x / 100, y / 80, 0.25
    shares = [c * a * b for c in (1 - colour, colour) for b in (1 - v, v) for a in (1 - u, u)]
    theirs = sum(
        share * expected(profile, 1e5, x, y, SIDE)
        for share, profile in zip(shares, profiles, strict=True)
    )
    ours = drawn(x, y, 1e5, grid, weights=np.array([[1 - colour, colour]], np.float32))
    assert np.abs(ours - theirs).max() < 4e-4 * theirs.max()


def test_many_points_are_the_sum_of_each(varied):
    grid, _ = varied
    rng = np.random.default_rng(6)
    x, y, rate = rng.uniform(-5, 66, 40), rng.uniform(-5, 66, 40), rng.uniform(1, 1000, 40)
    weights = np.array([[0.5, 0.5]], np.float32).repeat(40, axis=0)
    together = drawn(x, y, rate, grid, weights=weights)
    alone = sum(
        drawn(x[i], y[i], rate[i], grid, weights=weights[:1]).astype(float) for i in range(40)
    )
    np.testing.assert_allclose(together, alone, atol=1e-6 * 1000)


def test_same_for_any_number_of_workers(varied):
    grid, _ = varied
    rng = np.random.default_rng(7)
    n = 2000
    weights = grid.weights(rng.uniform(1.4, 1.7, n))
    field = rng.uniform(-20, 620, n), rng.uniform(-20, 620, n), rng.exponential(300, n)
    images = [drawn(*field, grid, 600, workers, weights) for workers in (1, 2, 5)]
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])


@pytest.mark.parametrize(("x", "y"), [(-4.3, 30.0), (30.0, 64.8), (-3.0, -2.6)])
def test_points_off_the_image_give_what_falls_on_it(grid, psf, x, y):
    ours, theirs = drawn(x, y, 1e5, grid), expected(psf, 1e5, x, y, SIDE)
    assert theirs.max() > 10
    assert np.abs(ours - theirs).max() < 3e-4 * expected(psf, 1e5, 30, 30, SIDE).max()


def test_points_far_off_the_image_give_nothing(grid):
    assert not drawn([-1e6, 30, 1e9], [30, -1e5, 1e9], [1e5] * 3, grid).any()


def test_adds_to_what_is_there(grid):
    image = np.full((SIDE, SIDE), 5, np.float32)
    draw_points(np.array([30.0]), np.array([30.0]), np.array([100.0]), ONE, grid, image)
    np.testing.assert_allclose(image - 5, drawn(30, 30, 100, grid), atol=1e-5)
