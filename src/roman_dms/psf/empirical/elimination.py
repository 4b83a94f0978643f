"""Flux, sky and place of each star, fitted together with the PSF.

Fitted in turn with it, skies would follow the PSF's wings slowly, and places its core, the more
so the fewer pixels sample it.  The fit is linear in small changes of all, so that those of a star
can be eliminated (Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413): what they can fit of the
pixels tells nothing of the PSF.

A star has one place, one flux and one sky in all of its exposures, which is what the dithers are
for (Anderson & King 2000, section 3).  All pixels of an image have the same phase; were each
image free, any function of the phase could go from the PSF to them: P(r) g(phase) to fluxes,
g(phase) to skies and, in the gradient's direction, to places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.psf.empirical.model import Model, in_chunks
from roman_dms.psf.empirical.stamps import Stamps

Pixels = NDArray[np.float32]

STEP = 0.02
"""Distance over which slopes of the PSF are taken [pixel]."""

COLUMNS = 4
"""What a star is free in: flux, sky and place."""

RIDGE = 1e-9
"""Least eigenvalue, as a part of the largest, of the normal equations of a star."""


@dataclass(frozen=True)
class Elimination:
    """The weights of pixels, without what flux, sky and place of each star can fit."""

    weights: Pixels
    """(n, P, P) inverse variances."""

    columns: Pixels
    """(n, 4, P, P) how the pixels change with flux, sky and place of the star."""

    inverse: NDArray[np.float64]
    """(star, 4, 4) inverse of the normal equations of each star."""

    star: NDArray[np.int64]
    """(n,) which star, numbered without gaps."""

    workers: int
    """Threads."""

    @classmethod
    def of(
        cls, weights: Pixels, columns: Pixels, star: NDArray[np.int64], workers: int
    ) -> Elimination:
        """Prepare the elimination.

        Parameters
        ----------
        weights
            (n, P, P) inverse variances.
        columns
            (n, 4, P, P) how the pixels change with flux, sky and place of the star.
        star
            (n,) which star.
        workers
            Threads.
        """
        numbers = np.unique(star, return_inverse=True)[1]
        none = np.zeros((numbers.max() + 1, COLUMNS, COLUMNS))
        bare = cls(weights, columns, none, numbers, workers)
        matrix = np.stack([bare._products(columns[:, k]) for k in range(COLUMNS)], axis=1)
        size = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), np.finfo(float).tiny))
        size = size[:, :, None] * size[:, None, :]
        inverse = np.linalg.inv(matrix / size + RIDGE * np.eye(COLUMNS)) / size
        return cls(weights, columns, inverse, numbers, workers)

    def weighted(self, pixels: Pixels) -> Pixels:
        """Pixels (n, P, P) less what flux, sky and place can fit of them, times the weights."""
        fits = np.einsum("sij,sj->si", self.inverse, self._products(pixels))[self.star]
        shares = fits.astype(np.float32)
        out = np.empty_like(pixels)
        in_chunks(
            len(pixels),
            lambda i, j: _remainder(i, j, self.weights, self.columns, pixels, shares, out),
            self.workers,
        )
        return out

    def _products(self, pixels: Pixels) -> NDArray[np.float64]:
        """(star, 4) weighted products of the columns with pixels, over all images of a star."""
        found = np.empty((len(pixels), COLUMNS))
        in_chunks(
            len(pixels),
            lambda i, j: _projected(i, j, self.weights, self.columns, pixels, found),
            self.workers,
        )
        return np.stack([np.bincount(self.star, found[:, k]) for k in range(COLUMNS)], axis=1)


@njit(cache=True, nogil=True, fastmath=True)
def _projected(start, stop, weights, columns, pixels, found):  # type: ignore[no-untyped-def]
    """Weighted products of the columns with the pixels of images ``start`` to ``stop``."""
    for s in range(start, stop):
        weight, value = weights[s].ravel(), pixels[s].ravel()
        for k in range(columns.shape[1]):
            column = columns[s, k].ravel()
            total = 0.0
            for m in range(value.size):
                total += weight[m] * value[m] * column[m]
            found[s, k] = total


@njit(cache=True, nogil=True, fastmath=True)
def _remainder(start, stop, weights, columns, pixels, shares, out):  # type: ignore[no-untyped-def]
    """Pixels less ``shares`` (n, column) of the columns, times the weights; fills ``out``."""
    for s in range(start, stop):
        weight, value, rest = weights[s].ravel(), pixels[s].ravel(), out[s].ravel()
        rest[:] = value
        for k in range(columns.shape[1]):
            column, share = columns[s, k].ravel(), shares[s, k]
            for m in range(rest.size):
                rest[m] -= share * column[m]
        for m in range(rest.size):
            rest[m] *= weight[m]


def star_columns(
    model: Model,
    stamps: Stamps,
    light: NDArray[np.float64],
    places: NDArray[np.float64],
    shares: NDArray[np.float32],
    jacobians: NDArray[np.float64],
    workers: int,
) -> Pixels:
    """(n, 4, P, P): how pixels change with the star's flux, sky and place in the common plane.

    Parameters
    ----------
    model
        The PSF.
    stamps
        n images of stars.
    light
        (n,) flux in each image.
    places
        (n, 2) x and y [pixel].
    shares
        (n, component) of the start's components in each.
    jacobians
        (n, 2, 2) how places in the common plane change with those in the image.
    workers
        Threads.
    """
    count, side = len(stamps), stamps.light.shape[1]
    columns = np.empty((count, COLUMNS, side, side), np.float32)
    amplitude = light[:, None, None].astype(np.float32)
    columns[:, 0] = amplitude * model.pixels(stamps, places, shares, workers)
    columns[:, 1] = 1
    along = np.linalg.inv(jacobians)
    for axis in (0, 1):
        step = STEP * along[:, :, axis]
        ahead, behind = (
            model.pixels(stamps, places + sign * step, shares, workers) for sign in (1, -1)
        )
        columns[:, 2 + axis] = amplitude * (ahead - behind) / np.float32(2 * STEP)
    return columns
