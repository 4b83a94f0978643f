import math

import galsim
import numpy as np
import pytest
from scipy.signal import fftconvolve

from roman_dms.errors import CalibrationError, UsageError
from roman_dms.psf.matching.kernels import assessed, matching_kernel
from tests.psf.matching.gaussians import drawn, gaussian


def convolved(psf, kernel):
    return fftconvolve(psf, kernel, mode="same")


def test_a_gaussian_becomes_another_in_closed_form():
    found = matching_kernel(
        gaussian(1.0), gaussian(1.25), oversample=4, regularisation=1e-15, aperture_weight=0
    )

    exact = gaussian(0.75)
    assert found.oversampled.values.sum() == pytest.approx(1, abs=1e-12)
    assert np.abs(found.oversampled.values * 16 - exact).max() < 1e-4 * exact.max()
    noise = 1 / (4 * np.pi * (0.75 * 4) ** 2)
    assert found.oversampled.noise == pytest.approx(noise, rel=1e-4)
    assert not found.sharpens


def test_on_pixels_too_where_they_sample_well():
    found = matching_kernel(
        gaussian(1.5, size=61), gaussian(3.0, size=61), oversample=4, regularisation=1e-12
    )

    exact = gaussian(math.sqrt(3.0**2 - 1.5**2), size=61, oversample=1)
    assert np.abs(found.pixels.values - exact).max() < 1e-4 * exact.max()


def test_the_automatic_strength_leaves_next_to_nothing():
    found = matching_kernel(gaussian(1.0), gaussian(1.25), oversample=4)

    left = convolved(gaussian(1.0), found.oversampled.values) - gaussian(1.25)
    assert np.abs(left).max() < 1e-4 * gaussian(1.25).max()
    assert found.oversampled.residual.largest == pytest.approx(
        np.abs(left).max() / gaussian(1.25).max(), rel=1e-3
    )
    assert max(np.abs(found.pixels.residual.encircled)) < 1e-4


def test_to_a_sheared_moffat_profile():
    source = drawn(galsim.Gaussian(sigma=0.5).shear(g1=0.05))
    target = drawn(galsim.Moffat(beta=3.5, half_light_radius=1.6).shear(g1=-0.1, g2=0.05))

    found = matching_kernel(source, target, oversample=4)

    left = convolved(source, found.oversampled.values) - target
    middle = np.s_[16:-16, 16:-16]
    assert np.abs(left[middle]).max() < 2e-4 * target.max()


def test_noise_is_what_is_said():
    found = matching_kernel(gaussian(1.0), gaussian(1.4), oversample=4)
    noise = np.random.default_rng(3).normal(size=(600, 600))

    matched = found.pixels.convolved(noise)[40:-40, 40:-40]

    covariance = found.pixels.noise_covariance()
    middle = covariance.shape[0] // 2
    # 500 squared pixels, correlated over a few: 1 per cent
    assert matched.var() == pytest.approx(found.pixels.noise, rel=0.03)
    beside = np.mean(matched[:, 1:] * matched[:, :-1])
    assert beside == pytest.approx(covariance[middle, middle + 1], rel=0.03)
    assert covariance[middle, middle] == pytest.approx(found.pixels.noise, rel=1e-9)
    assert covariance.sum() == pytest.approx(1, abs=1e-9)
    flat = found.pixels.convolved_variance(np.ones((100, 100)))
    assert flat[50, 50] == pytest.approx(found.pixels.noise, rel=1e-9)


def test_a_sharper_target_is_refused_and_can_be_forced():
    with pytest.raises(CalibrationError, match="sharpens"):
        matching_kernel(gaussian(1.5), gaussian(1.0), oversample=4)

    forced = matching_kernel(gaussian(1.5), gaussian(1.0), oversample=4, noise_limit=math.inf)
    gentle = matching_kernel(gaussian(1.5), gaussian(1.0), oversample=4, significance=5)

    assert forced.sharpens
    assert forced.pixels.noise > 4
    assert gentle.pixels.noise < 4
    assert forced.pixels.residual.largest < gentle.pixels.residual.largest


def test_a_psf_to_itself_is_left_alone():
    found = matching_kernel(gaussian(0.6), gaussian(0.6), oversample=4)

    assert found.pixels.residual.largest < 1e-4
    assert found.pixels.values[16, 16] == pytest.approx(1, abs=2e-3)


def test_other_samplings_and_even_arrays_are_the_same_psf():
    # samples that are fractions of a unit pixel's light, at any spacing
    source, target = gaussian(1.0), gaussian(1.25)
    plain = matching_kernel(source, target, oversample=4)
    scale = plain.oversampled.values.max()

    fine = matching_kernel(source, gaussian(1.25, oversample=7), oversample=4, target_oversample=7)
    even = matching_kernel(
        source, gaussian(1.25, even=True), oversample=4, size=plain.pixels.values.shape[0]
    )

    for other in (fine, even):
        assert np.abs(other.oversampled.values - plain.oversampled.values).max() < 5e-4 * scale
        assert other.oversampled.residual.largest < 2e-4


def test_stars_stay_where_they_are_unless_centres_are_matched():
    source, moved = gaussian(1.0), gaussian(1.25, shift=(0.3, -0.2))

    kept = matching_kernel(source, moved, oversample=4)
    centred = matching_kernel(source, moved, oversample=4, recentred=True)

    place = np.arange(-64, 65) / 4
    for found, x, y in ((kept, 0.3, -0.2), (centred, 0.0, 0.0)):
        values = found.oversampled.values
        assert values.sum(axis=0) @ place == pytest.approx(x, abs=1e-3)
        assert values.sum(axis=1) @ place == pytest.approx(y, abs=1e-3)


def test_light_that_arrays_lack_is_kept():
    wide = galsim.Moffat(beta=1.6, half_light_radius=1.0)
    wider = galsim.Moffat(beta=1.6, half_light_radius=1.3)
    arrays = [drawn(profile, size=17) for profile in (wide, wider)]
    assert arrays[0].sum() / 16 < 0.97

    found = matching_kernel(*arrays, oversample=4)

    star = wide.drawImage(nx=201, ny=201, scale=1.0).array.astype(float)
    truth = wider.drawImage(nx=201, ny=201, scale=1.0).array.astype(float)
    matched = found.pixels.convolved(star)
    assert found.pixels.values.sum() == pytest.approx(1, abs=1e-12)
    assert matched.sum() == pytest.approx(star.sum(), rel=2e-3)
    inner = np.hypot(*np.mgrid[-100:101, -100:101]) < 6
    assert matched[inner].sum() == pytest.approx(truth[inner].sum(), abs=4e-3)


def test_any_kernel_can_be_assessed():
    kernel = gaussian(0.75, size=17, oversample=1)
    kernel /= kernel.sum()

    found = assessed(kernel, gaussian(1.5), gaussian(math.hypot(1.5, 0.75)), oversample=4)
    nothing = assessed(np.eye(3) * [0, 1, 0], gaussian(1.0), gaussian(1.25), oversample=4)

    assert found.residual.largest < 2e-3
    exact = 1 - 1.25**2  # the peak of the sharper one is so much too high
    assert nothing.residual.largest == pytest.approx(-exact, rel=1e-3)
    assert nothing.noise == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": gaussian(1.0)[:, :-1]}, "shape"),
        ({"source": gaussian(1.0) * np.nan}, "finite"),
        ({"target": -gaussian(1.0)}, "finite"),
        ({"target": 3 * gaussian(1.0)}, "whole=True"),
        ({"size": 10}, "odd"),
        ({"regularisation": -1.0}, "above zero"),
        ({"oversample": 0}, "whole number"),
        ({"significance": 0.0}, "significance"),
    ],
)
def test_what_cannot_be_meant(change, message):
    asked = {"source": gaussian(1.0), "target": gaussian(1.25), "oversample": 4, **change}
    with pytest.raises(UsageError, match=message):
        matching_kernel(**asked)


def test_scale_does_not_matter_for_whole_psfs():
    usual = matching_kernel(gaussian(1.0), gaussian(1.25), oversample=4)
    scaled = matching_kernel(5 * gaussian(1.0), 7 * gaussian(1.25), oversample=4, whole=True)

    np.testing.assert_allclose(scaled.pixels.values, usual.pixels.values, atol=1e-7)
