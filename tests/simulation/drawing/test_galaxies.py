"""Galaxies against GalSim's direct Fourier drawing."""

import galsim
import numpy as np
import pytest

from roman_dms.simulation.drawing.galaxies import draw_galaxies
from tests.simulation.drawing.conftest import SCALE, TIGHT, expected, moments

SIDE = 101


def ellipse(half_light_radius, q, angle):
    """Shape matrix in pixels; the radius is that of the circle with the same area [arcsec]."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([q**-0.5, q**0.5]) * half_light_radius / SCALE


def drawn(galaxies, grid, side=SIDE, workers=2, weights=None):
    """Galaxies as (x, y, rate, n, half-light radius, q, angle)."""
    x, y, rate, n, *_ = np.array(galaxies, float).T
    shape = np.array([ellipse(*galaxy[4:]) for galaxy in galaxies])
    image = np.zeros((side, side), np.float32)
    if weights is None:
        weights = np.ones((len(x), 1), np.float32)
    draw_galaxies(x, y, rate, n, shape, weights, grid, image, workers)
    return image


def galsims(galaxy, psf, side=SIDE):
    x, y, rate, n, half_light_radius, q, angle = galaxy
    profile = galsim.Sersic(n, half_light_radius=half_light_radius, gsparams=TIGHT)
    profile = profile.shear(q=q, beta=angle * galsim.radians)
    return expected(galsim.Convolve(profile, psf, gsparams=TIGHT), rate, x, y, side)


@pytest.mark.parametrize(
    ("n", "half_light_radius", "q"),
    [(0.5, 0.3, 0.7), (1, 0.05, 0.9), (1, 0.5, 0.2), (2.5, 0.4, 0.6), (4, 0.3, 0.8), (5, 0.2, 0.5)],
)
def test_as_galsim(grid, psf, n, half_light_radius, q):
    rng = np.random.default_rng(int(100 * n * q))
    x, y = rng.uniform(49.5, 50.5, 2)
    galaxy = (x, y, 1e4, n, half_light_radius, q, rng.uniform(0, np.pi))
    ours, theirs = drawn([galaxy], grid), galsims(galaxy, psf)
    assert np.abs(ours - theirs).max() < 3e-4 * theirs.max()
    light, centroid, ellipticity = moments(ours.astype(float))
    their_light, their_centroid, their_ellipticity = moments(theirs)
    assert light == pytest.approx(their_light, rel=1e-3)
    np.testing.assert_allclose(centroid, their_centroid, atol=3e-3)
    np.testing.assert_allclose(ellipticity, their_ellipticity, atol=1e-3)


def test_a_huge_galaxy(grid, psf):
    """Ten arcseconds of half-light radius: the blur hardly matters, the tails do."""
    galaxy = (150.0, 150.0, 1e6, 1.0, 10.0, 0.6, 0.4)
    ours, theirs = drawn([galaxy], grid, 301), galsims(galaxy, psf, 301)
    assert np.abs(ours - theirs).max() < 3e-3 * theirs.max()
    # 0.2 % are scattered farther than the wings of this small grid reach
    assert ours.sum() == pytest.approx(theirs.sum(), rel=3e-3)


def test_an_index_beyond_galsims_range(grid):
    """Half of the light lies within the half-light radius at n = 8 as well."""
    side, radius = 401, 3.0
    image = drawn([(200.0, 200.0, 1e4, 8.0, radius, 1.0, 0.0)], grid, side).astype(float)
    y, x = np.indices(image.shape) - 200
    inside = image[np.hypot(x, y) < radius / SCALE].sum()
    # the PSF scatters some 3 % of what is inside, most of it from the bright middle
    assert inside == pytest.approx(5000, rel=0.04)


def test_between_nodes_and_colours(varied):
    grid, profiles = varied
    colour = 0.3
    galaxy = (40.2, 20.7, 1e4, 1.5, 0.15, 0.7, 1.0)
    u, v = galaxy[0] / 100, galaxy[1] / 80
    shares = [c * a * b for c in (1 - colour, colour) for b in (1 - v, v) for a in (1 - u, u)]
    theirs = sum(
        share * galsims(galaxy, profile, 81)
        for share, profile in zip(shares, profiles, strict=True)
    )
    ours = drawn([galaxy], grid, 81, weights=np.array([[1 - colour, colour]], np.float32))
    assert np.abs(ours - theirs).max() < 4e-4 * theirs.max()


def scattered(count):
    rng = np.random.default_rng(9)
    columns = [
        rng.uniform(-10, 310, count),
        rng.uniform(-10, 310, count),
        rng.exponential(100, count),
        rng.uniform(0.5, 4, count),
        rng.uniform(0.05, 0.4, count),
        rng.uniform(0.3, 1, count),
        rng.uniform(0, np.pi, count),
    ]
    return [tuple(map(float, row)) for row in np.transpose(columns)]


def test_many_galaxies_are_the_sum_of_each(varied):
    grid, _ = varied
    galaxies = scattered(60)
    weights = np.full((60, 2), 0.5, np.float32)
    together = drawn(galaxies, grid, 300, weights=weights)
    alone = sum(
        drawn([galaxy], grid, 300, weights=weights[:1]).astype(float) for galaxy in galaxies
    )
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_same_for_any_number_of_workers(varied):
    grid, _ = varied
    galaxies = scattered(300)
    weights = np.full((300, 2), 0.5, np.float32)
    images = [drawn(galaxies, grid, 300, workers, weights) for workers in (1, 2, 5)]
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])


def test_galaxies_off_the_image_give_what_falls_on_it(grid, psf):
    galaxy = (-4.0, 104.3, 1e4, 1.0, 0.5, 0.7, 0.3)
    ours, theirs = drawn([galaxy], grid), galsims(galaxy, psf)
    assert theirs.max() > 1
    assert np.abs(ours - theirs).max() < 1e-2
    assert not drawn([(-9e3, 50.0, 1e4, 1.0, 0.5, 0.7, 0.3)], grid).any()
