"""Images of stars against GalSim."""

import numpy as np
import pytest

from roman_dms.measure.point_sources.stars_image import add_stars
from tests.measure.point_sources.stars import drawn, psf

SHAPE = (600, 64)
BEFORE = np.array([[20.2, 40.0, 30.3], [30.1, 511.7, 590.0], [1000.0, 3000.0, 500.0]])
AFTER = BEFORE + np.array([[0.4, -0.6, 0.1], [0.2, 0.1, -0.3], [100.0, -500.0, -500.0]])
HALVES = np.array([9, 14, 9])


@pytest.mark.parametrize("workers", [1, 3])
def test_stars_in_the_place_of_others_are_as_galsim_draws_them(workers):
    image = np.zeros(SHAPE, np.float32)
    add_stars(image, psf(), BEFORE, HALVES, workers)
    add_stars(image, psf(), AFTER, HALVES, workers, instead_of=BEFORE)
    truth = drawn(SHAPE, *AFTER)
    # what is left out beyond the halves is a thousandth of the peak of the brightest
    for x, y, _ in AFTER.T[:2]:
        near = (slice(int(y) - 6, int(y) + 7), slice(int(x) - 6, int(x) + 7))
        assert image[near] == pytest.approx(truth[near], abs=2e-4 * truth.max())
    assert np.abs(image[580:, 22:40]).max() < 1e-3
