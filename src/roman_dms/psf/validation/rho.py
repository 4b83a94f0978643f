"""Correlations of errors of PSF shapes over the detector, which shear inherits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAMES = ("rho1", "rho2", "rho3", "rho4", "rho5")

LEAST_STARS = 20
"""Fewer give no correlation worth the name."""

BINS = 6
"""Bins of separation, of equal ratio."""

CLOSEST = 50.0
"""Smallest separation [pixel]."""

CHUNK = 512
"""Stars whose pairs are counted at once."""


@dataclass(frozen=True)
class Rho:
    """The five rho statistics (Rowe 2010, MNRAS 404, 350; Jarvis et al. 2016, MNRAS 460, 2245)."""

    separation: NDArray[np.float64]
    """(bin,) mean separation of the pairs [pixel]."""

    pairs: NDArray[np.int64]
    """(bin,) number of pairs."""

    values: NDArray[np.float64]
    """(5, bin): of de with de, e with de, (e dT/T) with itself, de with it, e with it; e the
    distortion of the PSF, de and dT the star's minus the PSF's."""

    @property
    def largest(self) -> NDArray[np.float64]:
        """(5,) largest absolute value over the bins."""
        return np.nanmax(np.abs(self.values), axis=1)


def rho_statistics(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    shape: NDArray[np.float64],
    size_error: NDArray[np.float64],
    shape_error: NDArray[np.float64],
) -> Rho | None:
    """Rho statistics of the stars of a detector; None for fewer than 20.

    Parameters
    ----------
    x, y
        (n,) places [pixel].
    shape
        (n,) complex distortion e1 + i e2 of the PSF.
    size_error
        (n,) T of the star over that of the PSF, less 1.
    shape_error
        (n,) complex distortion of the star minus that of the PSF.
    """
    if len(x) < LEAST_STARS:
        return None
    farthest = max(float(np.hypot(np.ptp(x), np.ptp(y))), 2 * CLOSEST)
    edges = np.geomspace(CLOSEST, farthest, BINS + 1)
    scaled = shape * size_error
    products = [
        (shape_error, shape_error),
        (shape, shape_error),
        (scaled, scaled),
        (shape_error, scaled),
        (shape, scaled),
    ]
    count, distance, sums = np.zeros(BINS, np.int64), np.zeros(BINS), np.zeros((5, BINS))
    for first in range(0, len(x), CHUNK):
        part = slice(first, first + CHUNK)
        apart = np.hypot(x[part, None] - x, y[part, None] - y)
        bins = np.digitize(apart, edges).ravel() - 1
        within = (bins >= 0) & (bins < BINS)
        bins = bins[within]
        count += np.bincount(bins, minlength=BINS)
        distance += np.bincount(bins, apart.ravel()[within], BINS)
        for number, (one, other) in enumerate(products):
            real = np.outer(one[part].conj(), other).real.ravel()[within]
            sums[number] += np.bincount(bins, real, BINS)
    known = np.where(count > 0, count, np.nan)
    return Rho(distance / known, count // 2, sums / known)
