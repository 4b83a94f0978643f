"""What matching kernels leave between neighbouring bands of one detector.

    python -m benchmarks.accuracy_psf_kernels [--detector WFI01] [--at 1000 3000]

Three tables:

1. effective PSFs of the optical model, all ordered pairs of neighbouring bands: what the kernels
   leave on images with four samples a pixel, on the detector's own pixels, wherever in its pixel a
   star is, and on a mosaic's pixels, half as wide.  Towards the blue a kernel sharpens; those that
   raise the variance of a pixel's noise more than fourfold are refused, and are told here all the
   same.
2. stars that GalSim draws on the detector's pixels, at 25 places in a pixel, convolved with the
   kernel on pixels: light in apertures against that of stars drawn with the target's PSF.
3. how long a kernel takes, and Gaussians against the closed form.

Where romancal is installed its kernels stand beside ours on a mosaic's pixels, where romancal
matches (`romancal.source_catalog.psf`, as by default).  Residuals are of the target's peak, light
of all the star's.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise

import galsim
import numpy as np
import sep

from roman_dms.errors import CalibrationError
from roman_dms.psf.build import psf_grid
from roman_dms.psf.matching.kernels import assessed, matching_kernel
from tests.psf import galsim_truth

BANDS = ("F062", "F087", "F106", "F129", "F158", "F184", "F213")
WAVES = {"F062": 0.62, "F087": 0.87, "F106": 1.06, "F129": 1.29, "F158": 1.58, "F184": 1.84,
         "F213": 2.13}  # fmt: skip
RADII = (2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
PHASES = (-0.4, -0.2, 0.0, 0.2, 0.4)
SIZE = 45


def pairs():
    forward = [*pairwise(BANDS), ("F106", "F158")]
    return forward + [(b, a) for a, b in pairwise(BANDS)]


def of_model(detector, x, y):
    grids = {band: psf_grid(detector, band, size=SIZE) for band in BANDS}
    return {
        band: grid.at(x, y, float(grid.wavelengths[[0, -1]].mean())) for band, grid in grids.items()
    }


def matched(source, target, oversample, scale=1.0):
    """The kernels, and whether they are refused."""
    arrays = source / scale, target / scale
    try:
        return matching_kernel(*arrays, oversample=oversample, radii=RADII), False
    except CalibrationError:
        return matching_kernel(
            *arrays, oversample=oversample, radii=RADII, noise_limit=math.inf
        ), True


def worst(residual):
    return max(abs(error) for error in residual.encircled)


def by_romancal(source, target):
    try:
        from romancal.source_catalog.psf import _create_convolution_kernel
    except ImportError:
        return None
    kernel = np.asarray(_create_convolution_kernel(source, target, downsample=2), float)
    if kernel.shape[0] % 2 == 0:
        return None
    return assessed(kernel, source / 4, target / 4, oversample=2, radii=RADII)


def table_of_models(psfs):
    print("1. PSFs of the optical model: largest residual | worst light within 2 to 8 pixels")
    print(f"{'':13} {'4 samples a pixel':>19} {'pixels':>19} {'noise':>6} {'sharpest':>8}"
          f" {'mosaic pixels':>19} {'romancal, mosaic':>19}")  # fmt: skip
    for a, b in pairs():
        found, refused = matched(psfs[a], psfs[b], 4)
        mosaic, _ = matched(psfs[a], psfs[b], 2, 4.0)
        peer = by_romancal(psfs[a], psfs[b])
        cells = [found.oversampled.residual, found.pixels.residual, mosaic.pixels.residual]
        text = [f"{left.largest:9.1e} {worst(left):9.1e}" for left in cells]
        theirs = f"{peer.residual.largest:9.1e} {worst(peer.residual):9.1e}" if peer else "-"
        middle = f"{found.pixels.noise:6.2f} {found.pixels.sharpening:8.2f}"
        end = f"{theirs:>19}{' refused' * refused}"
        print(f"{a} -> {b}  {text[0]} {text[1]} {middle} {text[2]} {end}")


def profile(detector, band, x, y):
    scale = galsim.roman.pixel_scale
    return galsim.Convolve(
        galsim_truth.optics(detector, band, x, y, WAVES[band]),
        galsim.Gaussian(sigma=np.hypot(0.014, 0.1 * scale)),
        galsim.Pixel(scale),
        gsparams=galsim_truth.ACCURATE,
    ).dilate(1 / scale)


def stars(star):
    for x in PHASES:
        for y in PHASES:
            image = star.drawImage(nx=101, ny=101, scale=1.0, method="no_pixel", offset=(x, y))
            yield np.ascontiguousarray(image.array, float), 50 + x, 50 + y


def table_of_stars(detector, x, y):
    print("\n2. stars drawn by GalSim, on pixels: error of light, mean of 25 places +- scatter")
    print(f"{'':13}" + "".join(f"{f'r = {radius:g}':>20}" for radius in RADII))
    width = (SIZE - 1) * 4 + 1
    profiles = {band: profile(detector, band, x, y) for band in BANDS}
    samples = {
        band: star.drawImage(nx=width, ny=width, scale=0.25, method="no_pixel").array * 16.0
        for band, star in profiles.items()
    }
    for a, b in [*pairwise(BANDS), ("F106", "F158")]:
        kernel = matching_kernel(samples[a], samples[b], oversample=4).pixels
        errors = []
        for (image, column, row), (truth, _, _) in zip(
            stars(profiles[a]), stars(profiles[b]), strict=True
        ):
            left = kernel.convolved(image) - truth
            errors.append([sep.sum_circle(left, [column], [row], r, subpix=0)[0][0] for r in RADII])
        cells = [
            f"{mean:+10.1e} +-{scatter:8.1e}"
            for mean, scatter in zip(np.mean(errors, 0), np.std(errors, 0), strict=True)
        ]
        print(f"{a} -> {b}" + "".join(cells))


def gaussian(sigma, half=256):
    place = np.arange(-half, half + 1) / 4
    return np.exp(-(place**2 + place[:, None] ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def times(psfs):
    print("\n3. time and closed form")
    wide = gaussian(1.0), gaussian(1.25)
    for name, (source, target) in {
        "513 x 513 samples": wide,
        f"{psfs['F106'].shape[0]} x {psfs['F106'].shape[0]} samples": (psfs["F106"], psfs["F158"]),
    }.items():
        taken = []
        for _ in range(5):
            start = time.process_time()
            matching_kernel(source, target, oversample=4)
            taken.append(time.process_time() - start)
        print(f"{name}: {min(taken):.3f} s of one core")
    found = matching_kernel(*wide, oversample=4, regularisation=1e-15)
    exact = gaussian(0.75)
    error = np.abs(found.oversampled.values * 16 - exact).max() / exact.max()
    print(f"Gaussian of 1 pixel to 1.25 pixels: kernel off the closed form by {error:.1e} of peak")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--detector", default="WFI01")
    parser.add_argument("--at", type=float, nargs=2, default=(1000.0, 3000.0), metavar=("X", "Y"))
    asked = parser.parse_args()
    psfs = of_model(asked.detector, *asked.at)
    table_of_models(psfs)
    table_of_stars(asked.detector, *asked.at)
    times(psfs)


if __name__ == "__main__":
    main()
