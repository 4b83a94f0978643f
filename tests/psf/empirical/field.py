"""A field of stars whose effective PSF is known in closed form: the truth of these tests.

It is an elliptical Gaussian, turned a little, which widens along x.  Gaussians are chosen wide
enough to have nothing beyond the cutoff of the telescope.
"""

from __future__ import annotations

import numpy as np

from roman_dms.psf.empirical.exposure import Exposure
from roman_dms.psf.grid import PsfGrid

SIZE = 320
SKY = 0.2
READ_NOISE = 0.03
PER_LIGHT = 1 / 140
SHIFTS = ((0.0, 0.0), (1.5, 0.27), (0.26, 2.49), (-1.27, 1.74))
WAVELENGTH = 1.58


def covariance(x):
    """(2, 2) of the PSF at a column [pixel^2]."""
    widening = 1 + 0.05 * (x / SIZE - 0.5)
    return widening**2 * np.array([[0.62, 0.03], [0.03, 0.54]])


def truth(dx, dy, x):
    """Fraction of the light in a pixel (dx, dy) from a star in column x."""
    c = covariance(x)
    inverse = np.linalg.inv(c)
    square = inverse[0, 0] * dx**2 + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy**2
    return np.exp(-square / 2) / (2 * np.pi * np.sqrt(np.linalg.det(c)))


def oversampled(x, half=11, oversample=4):
    side = np.arange(-half * oversample, half * oversample + 1) / oversample
    return truth(*np.meshgrid(side, side), x)


def optical_model(width=0.57, half=11):
    """A model of the optics that is wrong: round, of one width."""
    side = np.arange(-half * 4, half * 4 + 1) / 4
    psf = np.exp(-np.add.outer(side**2, side**2) / (2 * width)) / (2 * np.pi * width)
    wings = np.zeros((65, 65), np.float32)
    one = np.zeros(1)
    samples = psf[None, None, None].astype(np.float32)
    return PsfGrid("WFI01", "F158", 4, one, one, np.array([WAVELENGTH]), samples, wings)


def stars(rng, count, faintest=300.0, brightest=30000.0):
    """Places on a grid, moved at random, and fluxes: (n, 3)."""
    per_side = int(np.ceil(np.sqrt(count)))
    pitch = (SIZE - 44) / per_side
    at = np.stack(np.meshgrid(np.arange(per_side), np.arange(per_side)), -1).reshape(-1, 2)[:count]
    places = 22 + pitch * (at + 0.5) + rng.uniform(-2, 2, (count, 2))
    flux = np.exp(rng.uniform(np.log(faintest), np.log(brightest), count))
    return np.column_stack([places, flux])


def exposure(sources, rng, shift=(0.0, 0.0), name="one", noise=True):
    """An image of stars; its plane is that of an exposure without shift.

    Sources are x, y and flux, and if given by what factor they are wider.
    """
    light = np.zeros((SIZE, SIZE))
    for star_x, star_y, flux, *wider in sources:
        factor = wider[0] if wider else 1.0
        x, y = star_x + shift[0], star_y + shift[1]
        column, row = round(x), round(y)
        left, low = max(column - 11, 0), max(row - 11, 0)
        right, up = min(column + 12, SIZE), min(row + 12, SIZE)
        dx, dy = np.meshgrid(np.arange(left, right) - x, np.arange(low, up) - y)
        light[low:up, left:right] += flux * truth(dx / factor, dy / factor, x) / factor**2
    variance = READ_NOISE**2 + PER_LIGHT * (light + SKY)
    data = light + SKY
    if noise:
        data = data + rng.normal(size=data.shape) * np.sqrt(variance)
    measured = READ_NOISE**2 + PER_LIGHT * np.maximum(data, 0)
    none = np.zeros(data.shape, bool)
    return Exposure(
        name, data.astype(np.float32), measured.astype(np.float32), ~none, none,
        lambda x, y: (x - shift[0], y - shift[1]),
    )  # fmt: skip


def dithered(seed=0, count=100, **kwargs):
    """Four exposures of the same stars, and the stars."""
    rng = np.random.default_rng(seed)
    sources = stars(rng, count, **kwargs)
    return [exposure(sources, rng, shift, f"dither {i}") for i, shift in enumerate(SHIFTS)], sources
