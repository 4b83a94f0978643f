"""Masked pixels in bright sources, against stars and galaxies that GalSim drew."""

import galsim
import numpy as np
import pytest
from scipy.spatial import cKDTree

from roman_dms.measure.detection import detect, matched_filter
from roman_dms.measure.detection.holes import over_holes
from roman_dms.measure.detection.matched_filter import trimmed
from tests.measure.detection.drawn_stars import SCALE, draw, kernel, noise, optics

SHAPE = (256, 256)
CROSS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
SQUARE = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
SIDES = (64, 192)


def with_holes(shape, pixels, around):
    variance = np.ones(shape, np.float32)
    for row, column in around:
        for down, right in pixels:
            variance[row + down, column + right] = np.inf
    return variance


@pytest.mark.parametrize("pixels", [((0, 0),), CROSS, SQUARE])
@pytest.mark.parametrize("offset", [(0, 0), (3, -1), (-2, 4)])
def test_a_galaxy_with_a_hole_is_one(pixels, offset):
    galaxy = galsim.Exponential(half_light_radius=7 * SCALE).shear(g1=0.3, g2=0.1)
    seen = galsim.Convolve(galaxy, optics()).withFlux(8000)
    image = galsim.ImageD(*SHAPE, scale=SCALE)
    places = [(row, column) for row in SIDES for column in SIDES]
    for row, column in places:
        image += seen.drawImage(
            bounds=image.bounds, scale=SCALE, center=galsim.PositionD(column + 1, row + 1)
        )
    light = image.array.astype(np.float32) + noise(SHAPE, 1)
    variance = with_holes(SHAPE, pixels, [(r + offset[0], c + offset[1]) for r, c in places])
    light[np.isinf(variance)] = 0
    found = detect(light, variance, kernel())
    assert len(found.x) == 4
    distance, _ = cKDTree(np.column_stack([found.y, found.x])).query(places)
    assert distance.max() < 3


@pytest.mark.parametrize("pixels", [((0, 0),), CROSS, SQUARE])
@pytest.mark.parametrize("flux", [200, 5000])
def test_a_star_whose_core_is_a_hole_is_one_where_it_is(pixels, flux):
    places = [(row, column) for row in SIDES for column in SIDES]
    rows, columns = np.array(places).T
    light = draw(SHAPE, columns + 0.2, rows - 0.3, np.full(4, float(flux)))
    variance = with_holes(SHAPE, pixels, places)
    light[np.isinf(variance)] = 0
    found = detect(light, variance, kernel())
    assert len(found.x) == 4
    distance, _ = cKDTree(np.column_stack([found.y, found.x])).query(places)
    assert distance.max() < 2.5
    whole = detect(draw(SHAPE, columns + 0.2, rows - 0.3, np.full(4, float(flux))),
                   np.ones(SHAPE, np.float32), kernel())  # fmt: skip
    assert (np.sort(found.significance) < np.sort(whole.significance)).all()


def test_light_without_structure_gets_none_of_holes():
    light = np.full(SHAPE, 20.0, np.float32)
    variance = with_holes(SHAPE, CROSS, [(100, 100), (50, 180)])
    light[np.isinf(variance)] = 0
    mean = trimmed(kernel().mean(axis=0))
    height = matched_filter(light, variance, mean)
    places, values = over_holes(height, light, variance, mean, 1.0)
    usual = height[128, 128]
    assert height.flat[places].min() < 0.9 * usual
    assert height.flat[places].max() > 1.05 * usual
    np.testing.assert_allclose(values, usual, rtol=1e-4)


def test_faint_light_is_left_as_it_is():
    light = noise(SHAPE, 3)
    variance = with_holes(SHAPE, SQUARE, [(100, 100), (50, 180)])
    light[np.isinf(variance)] = 0
    height = matched_filter(light, variance, kernel().mean(axis=0))
    places, values = over_holes(height, light, variance, kernel().mean(axis=0), 1.0)
    assert len(places) == len(values) == 0
