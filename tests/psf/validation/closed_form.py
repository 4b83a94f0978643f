"""Gaussian PSFs on pixels in closed form, as grids and as stars."""

import numpy as np
from scipy.special import erf

from roman_dms.psf.grid import PsfGrid

OVERSAMPLE = 4
SIZE = 31


def in_pixels(offsets, sigma):
    """Share of a Gaussian in pixels whose centres lie so far from it, along one axis."""
    low, high = (offsets - 0.5) / sigma / np.sqrt(2), (offsets + 0.5) / sigma / np.sqrt(2)
    return (erf(high) - erf(low)) / 2


def star(sigma_x, sigma_y, dx=0.0, dy=0.0, half=10):
    place = np.arange(-half, half + 1)
    return np.outer(in_pixels(place - dy, sigma_y), in_pixels(place - dx, sigma_x))


def grid(sigma_x, sigma_y, detector="WFI01", element="F158", edge=4087.0):
    half = (SIZE - 1) * OVERSAMPLE // 2
    place = np.arange(-half, half + 1) / OVERSAMPLE
    psf = np.outer(in_pixels(place, sigma_y), in_pixels(place, sigma_x)).astype(np.float32)
    nodes = np.array([0.0, edge])
    samples = np.broadcast_to(psf, (1, 2, 2, *psf.shape)).copy()
    wings = np.zeros((33, 33), np.float32)
    return PsfGrid(detector, element, OVERSAMPLE, nodes, nodes, np.array([1.5]), samples, wings)


def moments(sigma_x, sigma_y):
    """T and e1 of the unpixelled Gaussian with the pixel's variance added."""
    xx, yy = sigma_x**2 + 1 / 12, sigma_y**2 + 1 / 12
    return xx + yy, (xx - yy) / (xx + yy)
