"""Images of sources in closed form, and their PSF: truth that owes nothing to the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.grid import PsfGrid


def shares(edges_from, sigma):
    """Share of a Gaussian in unit intervals around offsets from its centre."""
    high, low = (edges_from + 0.5) / sigma, (edges_from - 0.5) / sigma
    return 0.5 * (erf(high / np.sqrt(2)) - erf(low / np.sqrt(2)))


def gaussian(shape, x, y, sigma_x, sigma_y=None):
    """Light of a Gaussian in each pixel, 1 in all."""
    across = shares(np.arange(shape[1]) - x, sigma_x)
    down = shares(np.arange(shape[0]) - y, sigma_y or sigma_x)
    return down[:, None] * across


def gaussian_psf(sigma, half=14, oversample=4):
    """The effective PSF that draws `gaussian`."""
    offsets = np.arange(-half * oversample, half * oversample + 1) / oversample
    line = shares(offsets, sigma)
    samples = (line[:, None] * line)[None, None, None].astype(np.float32)
    grid = PsfGrid(
        "WFI01", "F158", oversample, np.zeros(1), np.zeros(1), np.array([1.6]), samples,
        np.zeros((2 * half + 1, 2 * half + 1), np.float32),
    )  # fmt: skip
    return PsfField.of(grid, 1.6)


@dataclass
class Field:
    """Copies of one source on a lattice, with sky and photon noise."""

    light: np.ndarray
    truth: np.ndarray
    variance: np.ndarray
    per_light: float
    segments: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @property
    def arguments(self):
        return self.light, self.variance, self.per_light, self.segments, self.x, self.y

    @property
    def noiseless(self):
        return self.truth, self.variance, self.per_light, self.segments, self.x, self.y


def lattice(stamp, offset, side, radius, sky=0.01, per_light=0.007, seed=0):
    """``side`` squared copies of a stamp; segments are circles around the source."""
    rng = np.random.default_rng(seed)
    size = stamp.shape[0]
    truth = np.tile(stamp, (side, side))
    middle = (size - 1) / 2
    x, y = np.meshgrid(np.arange(side) * size + middle, np.arange(side) * size + middle)
    x, y = x.ravel() + offset[0], y.ravel() + offset[1]
    rows, columns = np.indices(truth.shape)
    label = (rows // size) * side + columns // size
    near = np.hypot(columns - x[label], rows - y[label]) < radius
    noise = rng.normal(size=truth.shape) * np.sqrt(sky + per_light * truth)
    return Field(
        (truth + noise).astype(np.float32),
        truth.astype(np.float32),
        np.full(truth.shape, sky, np.float32),
        per_light,
        np.where(near, label + 1, 0).astype(np.uint32),
        x,
        y,
    )


def pull(measured, expected, error):
    """Mean and scatter of deviations in units of their errors; NaN left out."""
    deviation = (measured - expected) / error
    deviation = deviation[np.isfinite(deviation)]
    return deviation.mean(), deviation.std()
