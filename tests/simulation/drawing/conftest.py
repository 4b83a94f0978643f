"""A PSF known in closed form, drawn by GalSim and as a grid of samples."""

import galsim
import numpy as np
import pytest

from roman_dms.psf.grid import PsfGrid

SCALE = 0.11
TIGHT = galsim.GSParams(
    folding_threshold=1e-3,
    maxk_threshold=1e-4,
    kvalue_accuracy=1e-6,
    maximum_fft_size=8192,
)


def effective_psf(blur=0.03, wavelength=1.58):
    """Optics, blur and pixel; the wings of Airy's pattern are those of a real telescope."""
    return galsim.Convolve(
        galsim.Airy(lam=wavelength * 1e3, diam=2.36, obscuration=0.32, gsparams=TIGHT),
        galsim.Gaussian(sigma=blur, gsparams=TIGHT),
        galsim.Pixel(SCALE, gsparams=TIGHT),
        gsparams=TIGHT,
    )


def grid_of(psfs, nodes_x=(300.0,), nodes_y=(300.0,), wavelengths=(1.58,), half=22, wings=151):
    """A grid from GalSim profiles, listed by component, row and column."""
    oversample = 4
    side = 2 * half * oversample + 2 * (oversample // 2) + 1
    draw = {"method": "no_pixel", "dtype": float}
    samples = [
        psf.drawImage(nx=side, ny=side, scale=SCALE / oversample, **draw).array * oversample**2
        for psf in psfs
    ]
    far = [psf.drawImage(nx=wings, ny=wings, scale=SCALE, **draw).array for psf in psfs]
    shape = (len(wavelengths), len(nodes_y), len(nodes_x), side, side)
    return PsfGrid(
        "WFI01",
        "F158",
        oversample,
        np.array(nodes_x),
        np.array(nodes_y),
        np.array(wavelengths),
        np.reshape(samples, shape).astype(np.float32),
        np.mean(far, axis=0).astype(np.float32),
    )


@pytest.fixture(scope="session")
def psf():
    return effective_psf()


@pytest.fixture(scope="session")
def grid(psf):
    return grid_of([psf])


@pytest.fixture(scope="session")
def varied():
    """Two by two nodes and two colours, and the profiles that they are made of."""
    profiles = [
        effective_psf(blur, wavelength)
        for wavelength in (1.4, 1.7)
        for blur in (0.03, 0.045, 0.04, 0.06)
    ]
    grid = grid_of(profiles, (0.0, 100.0), (0.0, 80.0), (1.4, 1.7), half=16, wings=101)
    return grid, profiles


def expected(profile, rate, x, y, side):
    """What GalSim draws of a profile that holds the pixel, by direct Fourier transforms."""
    middle = (side - 1) / 2
    image = profile.drawImage(
        nx=side,
        ny=side,
        scale=SCALE,
        method="no_pixel",
        offset=(x - middle, y - middle),
        dtype=float,
    )
    return rate * image.array


def moments(image):
    """Light, centroid (x, y) [pixel] and ellipticity, with a round Gaussian weight in place."""
    y, x = np.indices(image.shape, float)
    at_x, at_y = (image * x).sum() / image.sum(), (image * y).sum() / image.sum()
    for _ in range(20):
        weighted = image * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * 4.0**2))
        light = weighted.sum()
        step_x, step_y = ((weighted * (a - b)).sum() / light for a, b in ((x, at_x), (y, at_y)))
        at_x, at_y = at_x + step_x, at_y + step_y
    xx, yy, xy = (
        (weighted * a * b).sum() / light
        for a, b in ((x - at_x, x - at_x), (y - at_y, y - at_y), (x - at_x, y - at_y))
    )
    return image.sum(), (at_x, at_y), ((xx - yy) / (xx + yy), 2 * xy / (xx + yy))
