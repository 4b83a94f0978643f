"""Kernels between Roman's bands, on stars that GalSim draws."""

from functools import cache

import galsim
import numpy as np
import pytest
import sep
from scipy.signal import fftconvolve

from roman_dms.psf.matching.kernels import matching_kernel
from tests.psf import galsim_truth

PLACE = ("WFI01", 1000.0, 3000.0)
WAVES = {"F106": 1.06, "F158": 1.58, "F184": 1.84}
RADII = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)


@cache
def profile(element):
    """A star after optics, jitter, diffusion and pixel, in units of pixels."""
    detector, x, y = PLACE
    scale = galsim.roman.pixel_scale
    return galsim.Convolve(
        galsim_truth.optics(detector, element, x, y, WAVES[element]),
        galsim.Gaussian(sigma=np.hypot(0.014, 0.1 * scale)),
        galsim.Pixel(scale),
        gsparams=galsim_truth.ACCURATE,
    ).dilate(1 / scale)


@cache
def samples(element, size=45):
    width = (size - 1) * 4 + 1
    image = profile(element).drawImage(nx=width, ny=width, scale=0.25, method="no_pixel")
    return image.array.astype(float) * 16


def stars(element):
    """Stars at nine phases of a pixel, far apart in stamps of their own."""
    for x in (-1 / 3, 0, 1 / 3):
        for y in (-1 / 3, 0, 1 / 3):
            image = profile(element).drawImage(
                nx=101, ny=101, scale=1.0, method="no_pixel", offset=(x, y)
            )
            yield np.ascontiguousarray(image.array, float), 50 + x, 50 + y


@cache
def kernel(source, target):
    return matching_kernel(samples(source), samples(target), oversample=4)


BANDS = [("F106", "F158"), ("F158", "F184")]


@pytest.mark.parametrize(("source", "target"), BANDS)
def test_on_oversampled_images(source, target):
    found = kernel(source, target).oversampled

    achieved = fftconvolve(samples(source), found.values, mode="same")

    middle = np.s_[32:-32, 32:-32]
    left = (achieved - samples(target))[middle]
    assert np.abs(left).max() < 1e-3 * samples(target).max()
    assert found.residual.largest < 5e-4
    assert max(np.abs(found.residual.encircled)) < 1e-4


@pytest.mark.parametrize(("source", "target"), BANDS)
def test_apertures_on_pixels(source, target):
    found = kernel(source, target).pixels
    errors = []
    for (image, x, y), (truth, _, _) in zip(stars(source), stars(target), strict=True):
        matched = found.convolved(image)
        errors.append(
            [sep.sum_circle(matched - truth, [x], [y], radius, subpix=0)[0][0] for radius in RADII]
        )

    # averaged over places in a pixel; single stars scatter, as their pixels are too coarse
    mean, scatter = np.mean(errors, axis=0), np.std(errors, axis=0)
    assert np.abs(mean).max() < 1.5e-3
    assert np.abs(mean[1:]).max() < 1e-3
    assert scatter.max() < 0.01
    assert found.noise < 1
    assert found.residual.largest < 0.15


def test_on_pixels_half_as_wide_nothing_is_undersampled():
    """Those of a mosaic, where bands are matched."""
    fine = [
        matching_kernel(
            samples(source) / 4, samples(target) / 4, oversample=2, regularisation="auto", size=33
        )
        for source, target in BANDS
    ]

    for found in fine:
        assert found.pixels.residual.largest < 0.01
        assert max(np.abs(found.pixels.residual.encircled)) < 5e-4
