"""Stars, galaxies and noise drawn with GalSim: the truth that detection is held against."""

from functools import cache

import galsim
import numpy as np

SCALE = 0.11
"""Arcseconds in a pixel."""


@cache
def optics():
    """An obscured 2.4 m mirror at 1.58 micron, with some jitter and charge diffusion."""
    airy = galsim.Airy(lam=1580, diam=2.4, obscuration=0.31, scale_unit=galsim.arcsec)
    return galsim.Convolve(airy, galsim.Gaussian(sigma=0.04))


@cache
def stamp(dx, dy, size=9):
    """The light of a star in the pixels around it, its place in the middle one given."""
    image = galsim.ImageD(size, size, scale=SCALE)
    optics().drawImage(image, offset=(dx, dy))
    return image.array


@cache
def kernel():
    """(phase, k, k) stars all over a pixel."""
    places = (-1 / 3, 0, 1 / 3)
    return np.array([stamp(dx, dy) for dy in places for dx in places])


def draw(shape, x, y, flux, size=41):
    """An image of stars without noise; places are rounded to a 32nd of a pixel."""
    image = np.zeros((shape[0] + 2 * size, shape[1] + 2 * size))
    for column, row, light in zip(x, y, flux, strict=True):
        at = round(column), round(row)
        star = stamp(round((column - at[0]) * 32) / 32, round((row - at[1]) * 32) / 32, size)
        first = at[1] + size - size // 2, at[0] + size - size // 2
        image[first[0] : first[0] + size, first[1] : first[1] + size] += light * star
    return image[size:-size, size:-size].astype(np.float32)


def noise(shape, seed, sigma=1.0):
    return np.random.default_rng(seed).normal(0, sigma, shape).astype(np.float32)
