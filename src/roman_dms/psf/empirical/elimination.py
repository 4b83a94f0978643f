"""Flux, sky and place of each star, fitted together with the PSF.

Fitted in turn with it, skies would follow the PSF's wings slowly, and places its core, the more
so the fewer pixels sample it.  The fit is linear in small changes of all, so that those of a star
can be eliminated (Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413): what they can fit of the
pixels tells nothing of the PSF.  Flux and sky are those of an image, the place is that of the star
in all of its exposures, which is what the dithers are for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.stamps import Stamps

Pixels = NDArray[np.float32]

STEP = 0.02
"""Distance over which slopes of the PSF are taken [pixel]."""

TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Elimination:
    """The weights of pixels, without what flux, sky and place of each star can fit."""

    weights: Pixels
    """(n, P, P) inverse variances."""

    total: Pixels
    """(n, 1, 1) their sums."""

    shape: Pixels
    """(n, P, P) the PSF, less its mean."""

    square: Pixels
    """(n, 1, 1) mean square of ``shape``."""

    slopes: tuple[Pixels, Pixels]
    """(n, P, P) of the stars' light, along the axes of the common plane, less flux and sky."""

    inverse: NDArray[np.float64]
    """(star, 2, 2) inverse of the normal equations of a star's place."""

    star: NDArray[np.int64]
    """(n,) which star."""

    @classmethod
    def of(
        cls,
        weights: Pixels,
        psf: Pixels,
        slopes: tuple[Pixels, Pixels],
        star: NDArray[np.int64],
    ) -> Elimination:
        """Prepare the elimination.

        Parameters
        ----------
        weights
            (n, P, P) inverse variances.
        psf
            (n, P, P) a star of unit light.
        slopes
            (n, P, P) how its light changes with its place.
        star
            (n,) which star.
        """
        total = np.maximum(weights.sum(axis=(1, 2)), TINY)[:, None, None]
        shape = psf - _mean(weights, psf, total)
        square = np.maximum(_mean(weights, shape**2, total), TINY)
        numbers = np.unique(star, return_inverse=True)[1]
        none = np.zeros((1, 2, 2))
        alone = cls(weights, total, shape, square, slopes, none, numbers)
        along = (alone._rest(slopes[0]), alone._rest(slopes[1]))
        matrix = np.empty((numbers.max() + 1, 2, 2))
        for i in (0, 1):
            for j in (0, 1):
                product = np.einsum("nij,nij,nij->n", weights, along[i], along[j])
                matrix[:, i, j] = np.bincount(numbers, product)
        size = np.trace(matrix, axis1=1, axis2=2)
        matrix += (1e-9 * size + (size <= 0))[:, None, None] * np.eye(2)
        return cls(weights, total, shape, square, along, np.linalg.inv(matrix), numbers)

    def weighted(self, pixels: Pixels) -> Pixels:
        """Pixels (n, P, P) less what flux, sky and place can fit of them, times the weights."""
        rest = self._rest(pixels)
        ahead = np.stack(
            [
                np.bincount(self.star, np.einsum("nij,nij,nij->n", self.weights, slope, rest))
                for slope in self.slopes
            ],
            axis=1,
        )
        shift = np.einsum("sij,sj->si", self.inverse, ahead)[self.star].astype(np.float32)
        for k in (0, 1):
            rest = rest - shift[:, k, None, None] * self.slopes[k]
        return self.weights * rest

    def _rest(self, pixels: Pixels) -> Pixels:
        """Pixels less what flux and sky of each image can fit."""
        rest = pixels - _mean(self.weights, pixels, self.total)
        return rest - _mean(self.weights, rest * self.shape, self.total) / self.square * self.shape


def _mean(weights: Pixels, pixels: Pixels, total: Pixels) -> Pixels:
    return np.einsum("nij,nij->n", weights, pixels)[:, None, None] / total


def slopes(
    model: Model,
    stamps: Stamps,
    places: NDArray[np.float64],
    shares: NDArray[np.float32],
    jacobians: NDArray[np.float64],
    workers: int,
) -> tuple[Pixels, Pixels]:
    """How a star of unit light changes with its place in the common plane, (n, P, P) each."""
    along = np.linalg.inv(jacobians)
    found = []
    for axis in (0, 1):
        step = STEP * along[:, :, axis]
        ahead, behind = (
            model.pixels(stamps, places + sign * step, shares, workers) for sign in (1, -1)
        )
        found.append((ahead - behind) / np.float32(2 * STEP))
    return found[0], found[1]
