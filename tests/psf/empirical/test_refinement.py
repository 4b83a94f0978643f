import numpy as np
import pytest

from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.refinement import visible_change
from tests.psf.empirical import field


@pytest.fixture(scope="module")
def model():
    return Model.of(field.optical_model(), 1, (field.SIZE, field.SIZE), 8)


def step(model, image):
    """A change of the PSF that is the same all over the detector."""
    size = model.dense(model.corrections).shape[-1]
    side = (np.arange(size) - model.middle) / 4
    changes = np.zeros((len(model.corrections), size, size))
    changes[0] = image(*np.meshgrid(side, side))
    return changes


def gaussian(x, y, variance=0.57):
    return np.exp(-(x**2 + y**2) / (2 * variance)) / (2 * np.pi * variance)


def test_what_stars_make_up_for_does_not_count(model):
    """Sky, flux and place: these changes, of 2e-3 of the peak or more, no star could tell.

    Splines of the steps' coefficients smear them by half a square sample.
    """
    variance = 0.57 - 0.5 / 16
    for made_up in (
        lambda x, _: np.full(x.shape, 1e-3),
        lambda x, y: 1e-3 * gaussian(x, y, variance),
        lambda x, y: 1e-3 * x * gaussian(x, y, variance),
    ):
        assert visible_change(model, step(model, made_up)) < 2e-5


def test_what_changes_the_shape_counts(model):
    """A wave of four pixels under a PSF whose peak is 0.28."""
    found = visible_change(model, step(model, lambda x, y: 1e-3 * np.cos(np.pi * x / 2)))
    assert found == pytest.approx(1e-3 / gaussian(0, 0), rel=0.3)
