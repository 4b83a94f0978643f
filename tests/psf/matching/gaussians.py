"""Effective PSFs in closed form."""

import galsim
import numpy as np


def gaussian(sigma, *, size=33, oversample=4, shift=(0.0, 0.0), even=False):
    """A Gaussian's density: what an effective PSF is where a pixel adds nothing of its own."""
    half = (size - 1) * oversample / 2
    place = (np.arange(2 * half + (0 if even else 1)) - half + (0.5 if even else 0)) / oversample
    x, y = place - shift[0], place[:, None] - shift[1]
    return np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def drawn(profile, *, size=33, oversample=4, pixel=True):
    """The effective PSF of any profile of GalSim, on pixels of unit width."""
    whole = galsim.Convolve(profile, galsim.Pixel(1.0)) if pixel else profile
    width = (size - 1) * oversample + 1
    image = whole.drawImage(nx=width, ny=width, scale=1 / oversample, method="no_pixel")
    return image.array.astype(float) * oversample**2
