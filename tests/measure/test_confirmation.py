"""Detections that their fits do not confirm, on images that GalSim drew."""

import galsim
import numpy as np
from scipy.spatial import KDTree

from roman_dms.measure.confirmation import unconfirmed, without
from roman_dms.measure.detection import Detection
from roman_dms.measure.image import Image
from roman_dms.measure.point_sources.fits import FitFlag
from roman_dms.measure.point_sources.fitting import fit_points
from roman_dms.measure.search import search
from tests.measure.point_sources.stars import drawn, noise_equivalent, profile, psf

SHAPE = (192, 192)


def fitted(light, x, y, saturated=None):
    full = np.zeros(light.shape, bool) if saturated is None else saturated
    return fit_points(light.astype(np.float32), np.ones(light.shape, np.float32), 0.0, full,
                      psf(), np.array(x, float), np.array(y, float))  # fmt: skip


def test_what_has_no_light_of_its_own_beside_a_star_is_none():
    """Faint stars at S/N 6 are sources, places on the slope of a bright one are not."""
    light = drawn(SHAPE, [60, 120], [60, 120], [2e4, 8 * noise_equivalent()], half=50)
    light += np.random.default_rng(1).normal(size=SHAPE)
    fits = fitted(light, [60, 69, 60, 120], [60, 60, 70, 120])
    np.testing.assert_array_equal(
        unconfirmed(fits, np.full(len(fits), 50.0), SHAPE), [False, True, True, False]
    )


def test_saturated_stars_and_those_without_pixels_are_not_judged():
    light = np.random.default_rng(2).normal(size=SHAPE)
    saturated = np.zeros(SHAPE, bool)
    saturated[58:63, 58:63] = True
    fits = fitted(light, [60, 500], [60, 20], saturated)
    assert fits.flags[0] & FitFlag.SATURATED
    assert fits.flags[1] & FitFlag.NOT_FITTED
    assert not unconfirmed(fits, np.full(len(fits), 50.0), SHAPE).any()


def test_a_galaxy_beyond_the_border_is_none_and_a_star_on_it_is_one():
    image = galsim.ImageD(*SHAPE[::-1], xmin=0, ymin=0, scale=1)
    galaxy = galsim.Convolve(profile(), galsim.Exponential(half_light_radius=4))
    for x, y, seen in ((40, -5, galaxy.withFlux(5e3)), (110, 0.4, profile().withFlux(2e3)),
                       (150, 191.2, profile().withFlux(2e3))):  # fmt: skip
        image += seen.drawImage(
            bounds=image.bounds, scale=1, method="sb", center=galsim.PositionD(x, y)
        )
    noise = np.random.default_rng(3).normal(size=SHAPE)
    found = search(Image.of(image.array + noise, np.ones(SHAPE)), psf())
    assert len(found.fits) == len(found.detection.x) == 2
    places = np.column_stack([found.fits.x, found.fits.y])
    assert KDTree(places).query([(110, 0.4), (150, 191.2)])[0].max() < 0.1
    assert set(np.unique(found.detection.segments)) == {0, 1, 2}


def test_pixels_of_what_is_none_go_to_its_heir_if_they_touch():
    segments = np.array([[1, 1, 2, 0, 3], [0, 0, 4, 4, 5]], np.uint32)
    places = np.arange(5.0)
    detection = Detection(segments, places, places, places.astype(np.float32),
                          np.array([0, 0, 1, 2, 3], np.int32))  # fmt: skip
    lost = np.array([False, True, False, True, True])
    left = without(detection, lost, np.array([0, 2, -1]), 2)
    np.testing.assert_array_equal(left.segments, [[1, 1, 1, 0, 2], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(left.x, [0, 2])
    np.testing.assert_array_equal(left.group, [0, 1])


def test_nothing_is_left_of_a_galaxy_beyond_the_border_alone():
    galaxy = galsim.Convolve(profile(), galsim.Exponential(half_light_radius=4)).withFlux(5e3)
    image = galsim.ImageD(*SHAPE[::-1], xmin=0, ymin=0, scale=1)
    galaxy.drawImage(image, scale=1, method="sb", center=galsim.PositionD(90, -5))
    found = search(Image.of(image.array + np.random.default_rng(6).normal(size=SHAPE) / 2,
                            np.full(SHAPE, 0.5)), psf())  # fmt: skip
    assert len(found.fits) == len(found.detection.x) == 0
    assert not found.detection.segments.any()
