"""Dithered, rotated exposures of undersampled stars, by GalSim, warped by the drizzle package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import galsim
import numpy as np
from drizzle.resample import Drizzle
from scipy.interpolate import RectBivariateSpline

from roman_dms.mosaics.geometry import Area, BlockMap, block_map
from roman_dms.mosaics.images import InputImage

BLOCK = Area(0, 0, 480, 480)
AREA = BLOCK.grown(16)
SIDE = 300
SKY = 10.0
"""Standard deviation of a pixel where there is only sky; a unit of light is an electron."""

HALF = 14


FINE = 8
"""Samples of a star in a pixel, between which splines go."""


@lru_cache
def star(wavelength=1.58):
    """Light of a star in pixels at some offset: Airy pattern, charge diffusion, pixel."""
    profile = galsim.Convolve(
        galsim.Airy(lam_over_diam=wavelength * 1e-6 / 2.36 * 206265 / 0.11, obscuration=0.31),
        galsim.Gaussian(sigma=0.17),
        galsim.Pixel(1.0),
    )
    size = 2 * (HALF + 2) * FINE + 1
    image = profile.drawImage(nx=size, ny=size, scale=1 / FINE, method="no_pixel")
    offsets = (np.arange(size) - size // 2) / FINE
    return RectBivariateSpline(offsets, offsets, image.array * FINE**2, kx=5, ky=5)


@dataclass
class Exposure:
    image: InputImage
    way: BlockMap
    to_image: Callable
    level: float
    hits: np.ndarray
    noise: np.ndarray
    x: np.ndarray
    y: np.ndarray


def to_images(count, random, ratio=2.0):
    """Shifts of some pixels, small rotations about any position angle, a bit of distortion."""
    angle = random.uniform(0, 2 * np.pi)
    for _ in range(count):
        turn = angle + random.normal(0, 0.02)
        c, s = np.cos(turn) / ratio, np.sin(turn) / ratio
        dx, dy = random.uniform(-5, 5, 2)

        def to_image(x, y, c=c, s=s, dx=dx, dy=dy):
            u, v = np.asarray(x) - 239.5, np.asarray(y) - 239.5
            u = u * (1 + 1e-5 * v)
            return (SIDE - 1) / 2 + dx + c * u - s * v, (SIDE - 1) / 2 + dy + s * u + c * v

        yield to_image


def warped(image, to_image, area=AREA):
    """(light, weight) by the drizzle package, square kernel, pixfrac 1."""
    x, y = np.meshgrid(np.arange(SIDE, dtype=float), np.arange(SIDE, dtype=float))
    along, up = x * 2 - 60, y * 2 - 60
    for _ in range(40):  # a contraction: the map is nearly a rotation and a scale
        at_x, at_y = to_image(along, up)
        one_x, one_y = to_image(along + 1, up)
        two_x, two_y = to_image(along, up + 1)
        a, b, c, d = one_x - at_x, two_x - at_x, one_y - at_y, two_y - at_y
        det = a * d - b * c
        off_x, off_y = x - at_x, y - at_y
        along, up = along + (d * off_x - b * off_y) / det, up + (a * off_y - c * off_x) / det
        if max(np.abs(off_x).max(), np.abs(off_y).max()) < 1e-9:
            break
    tool = Drizzle(kernel="square", out_shape=area.shape, fillval=0.0)
    pixels = np.stack([along - area.x0, up - area.y0], axis=-1)
    tool.add_image(image.data, 1.0, pixels, weight_map=image.weight, pixfrac=1.0)
    weight = tool.out_wht.astype(np.float32)
    return (tool.out_img * weight).astype(np.float32), weight


def cosmic_rays(random, count, faintest):
    """Trails of 1 to 5 pixels, energies of pixels over two decades, in units of the noise."""
    hits = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(count):
        row, column = random.integers(8, SIDE - 8, 2)
        angle = random.uniform(0, 2 * np.pi)
        energy = SKY * faintest * 10 ** random.uniform(0, 2)
        for step in range(random.integers(1, 6)):
            at = round(row + step * np.sin(angle)), round(column + step * np.cos(angle))
            hits[at] += energy * random.uniform(1, 2)
    return hits


def exposures(
    count, seed, *, places, fluxes, wavelength=1.58, rays=0, faintest=8.0, bad=0.0, shake=0
):
    """Exposures of stars at places (2, star) on the mosaic's grid, of fluxes in electrons."""
    random = np.random.default_rng(seed)
    made = []
    for to_image in to_images(count, random):
        x, y = to_image(*places)
        clean = np.zeros((SIDE, SIDE))
        moved = x + random.normal(0, shake, x.shape), y + random.normal(0, shake, y.shape)
        for column, row, flux in zip(*moved, fluxes, strict=True):
            add_star(clean, column, row, flux, wavelength)
        noise = np.sqrt(SKY**2 + np.maximum(clean, 0))
        hits = cosmic_rays(random, rays, faintest)
        level = random.uniform(0, 50)
        data = clean + hits + level + noise * random.standard_normal(clean.shape)
        weight = (random.random(clean.shape) >= bad).astype(np.float32)
        data[weight == 0] = 0
        image = InputImage(Area(0, 0, SIDE, SIDE), data.astype(np.float32), weight, {})
        made.append(Exposure(image, block_map(to_image, BLOCK), to_image, level, hits, noise, x, y))
    return made


def add_star(scene, x, y, flux, wavelength=1.58):
    """Draw a star into the pixels of a scene."""
    rows = np.arange(max(0, round(y) - HALF), min(scene.shape[0], round(y) + HALF + 1))
    columns = np.arange(max(0, round(x) - HALF), min(scene.shape[1], round(x) + HALF + 1))
    if rows.size and columns.size:
        scene[np.ix_(rows, columns)] += flux * star(wavelength)(rows - y, columns - x)
