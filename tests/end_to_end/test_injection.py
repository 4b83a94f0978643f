"""Sources injected into L1 and calibrated, and injected into L2: the same light.

Truth is the light that was injected; the noise is that of its photons, since the
exposure underneath is the same.
"""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.formats.products import read_product
from roman_dms.instrument.quality import Pixel
from roman_dms.pipeline.runner import run
from roman_dms.products.reference import Saturation
from roman_dms.recipes import load
from roman_dms.simulation.layout import Ranges
from roman_dms.simulation.steps.injected_light import InjectionSettings
from roman_dms.simulation.steps.injection import inject
from roman_dms.simulation.steps.injection_layout import Layout, layout
from tests.simulation.steps.injected_products import gaussian_psf


@pytest.fixture(scope="module")
def scene(image):
    ranges = Ranges(magnitude=(16.5, 22), galaxies=0.4)
    return layout(image.meta["wcs"], image.data.shape, Layout(number=250, ranges=ranges, seed=4))


@pytest.fixture(scope="module")
def light(image, scene, references):
    """The noise-free rate of the sources [DN/s]."""
    settings = InjectionSettings(psf=gaussian_psf(), noise=False, references=references)
    return inject(image, scene, settings)[0].data - image.data


@pytest.fixture(scope="module")
def injected_raw(raw, scene, references):
    settings = InjectionSettings(psf=gaussian_psf(), references=references, seed=8)
    return inject(raw, scene, settings)[0]


@pytest.fixture(scope="module")
def from_raw(injected_raw, references):
    """Injected into the resultants, then calibrated."""
    return run(load(), injected_raw, references).product


@pytest.fixture(scope="module")
def from_image(image, scene, references):
    settings = InjectionSettings(psf=gaussian_psf(), references=references, seed=9)
    return inject(image, scene, settings)[0]


@pytest.mark.parametrize("where", ["from_raw", "from_image"])
@pytest.mark.parametrize(("low", "high"), [(0.1, 1), (1, 10), (10, 60), (60, 250)])
def test_injected_light_comes_back_within_its_noise(where, low, high, image, light, request):
    """The sum over all pixels of a range of rates, and the scatter of single ones."""
    found = request.getfixturevalue(where)
    pixels = (found.dq == 0) & (image.dq == 0) & (light > low) & (light < high)
    assert pixels.sum() > 300
    truth = light[pixels].astype(float)
    difference = found.data[pixels].astype(float) - image.data[pixels]
    variance = found.var_poisson[pixels].astype(float) - image.var_poisson[pixels]
    # Gains of pixels scatter by 1 % about the mean that the flux calibration knows.
    tolerance = 4 * np.sqrt(variance.sum()) / truth.sum() + 2e-3
    assert difference.sum() / truth.sum() == pytest.approx(1, abs=tolerance)
    pulls = (difference - truth) / np.sqrt(variance)
    scatter = 1.4826 * np.median(np.abs(pulls))
    if where == "from_image":
        assert scatter == pytest.approx(1, abs=0.08)
    elif high < 20:
        # More light weighs the reads anew, which moves their noise (1.03 in all), and
        # capacitance, where the references have it, leaves 0.94 of the noise of photons.
        assert scatter == pytest.approx(1, abs=0.09)


def test_both_ways_agree_on_the_variance(image, light, from_raw, from_image):
    usable = (from_raw.dq == 0) & (from_image.dq == 0) & (light > 1) & (light < 250)
    added = [
        (product.var_poisson - image.var_poisson)[usable] for product in (from_raw, from_image)
    ]
    assert np.median(added[0] / added[1]) == pytest.approx(1, abs=0.03)


def test_saturation_of_a_rate_image_is_that_of_the_counts(
    image, light, injected_raw, from_image, references
):
    """Pixels whose last resultant passes the threshold, in L1, and the flags of L2."""
    threshold = references.load(image.meta, {"saturation": Saturation})["saturation"][1].data
    science = np.s_[4:-4, 4:-4]
    last = np.asarray(injected_raw.data)[-1][science]
    usable = ((image.dq & Pixel.DO_NOT_USE) == 0) & (light > 10)
    passed = (last >= np.asarray(threshold)[science])[usable]
    flagged = ((from_image.dq & Pixel.SATURATED) != 0)[usable]
    assert passed.sum() > 30
    assert (passed & flagged).sum() / (passed | flagged).sum() > 0.9


def test_light_elsewhere_is_not_touched(image, light, from_raw):
    """Reference pixels, which no light reaches, correct both exposures alike: what is dark
    stays the same to the bit."""
    dark = (light == 0) & ((image.dq & Pixel.DO_NOT_USE) == 0)
    assert dark.sum() > 1000
    np.testing.assert_array_equal(from_raw.data[dark], image.data[dark])
    np.testing.assert_array_equal(from_raw.borders.left, image.borders.left)


def test_the_raw_exposure_is_not_changed(raw, miniature_raw, from_raw):
    before = np.asarray(read_product(miniature_raw).data)
    np.testing.assert_array_equal(np.asarray(raw.data), before)
    assert any("inject:" in line for line in from_raw.meta["cal_logs"])
