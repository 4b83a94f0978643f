"""Stars that stand alone: flux, place and sky, with a given PSF."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.model import Model, in_chunks
from roman_dms.psf.empirical.sampling import fit
from roman_dms.psf.empirical.stamps import Stamps

FIRST_ROUNDS = 8
"""Iterations of the first fit of a star."""

WIDEST = 0.03
"""Broadening that stars of other colours may have [pixel^2]."""

DISCREPANT = 5.0
"""Standard errors of the broadening beyond which a source is no star."""


@dataclass(frozen=True)
class StarFits:
    """What was fitted to n images of stars."""

    found: NDArray[np.float64]
    """(n, 4) flux, x, y [pixel] and sky, beyond that of the region."""

    errors: NDArray[np.float64]
    """(n, 4) their standard errors; 0 for places that were held."""

    quality: NDArray[np.float64]
    """(n, 4) chi squared, pixels, broadening and its error [pixel^2]; no pixels where the fit
    failed."""

    @classmethod
    def guessed(cls, found: NDArray[np.float64]) -> StarFits:
        """Before any fit."""
        return cls(found, np.zeros(found.shape), np.zeros(found.shape))

    @property
    def good(self) -> NDArray[np.bool_]:
        """(n,) which fits have found an answer."""
        return self.quality[:, 1] > 0

    @property
    def reduced_chi_squared(self) -> NDArray[np.float64]:
        """(n,) chi squared over degrees of freedom; NaN where the fit failed."""
        freedom = np.where(self.good, np.maximum(self.quality[:, 1] - 4, 1), np.nan)
        return self.quality[:, 0] / freedom

    def at(self, places: NDArray[np.float64]) -> StarFits:
        """The same at other places (n, 2)."""
        found = self.found.copy()
        found[:, 1:3] = places
        return replace(self, found=found)

    def select(self, chosen: NDArray[np.bool_]) -> StarFits:
        """Some of the fits, by a mask."""
        return StarFits(self.found[chosen], self.errors[chosen], self.quality[chosen])

    def like_stars(self, doubt: float) -> NDArray[np.bool_]:
        """(n,) which sources are as wide as most are that are sharp.

        Stars of all brightnesses are equally wide and galaxies are not: stars make the
        densest interval of widths.  ``doubt`` is what the PSF may err by, which shows as a
        width that goes with the pixel phase.
        """
        if not self.good.any():
            return self.good
        width, error = self.quality[:, 2], self.quality[:, 3]
        allowed = WIDEST + doubt
        known = np.sort(width[self.good & (error < allowed)])
        middle = densest(known) if len(known) else 0.0
        limit = np.hypot(DISCREPANT * error, allowed)
        return self.good & (np.abs(width - middle) < limit)


def densest(values: NDArray[np.float64]) -> float:
    """Mode of sorted values.

    Halves of the sample in turn, each the shortest (Robertson & Cryer 1974, JASA 69, 1012).

    >>> densest(np.array([0.0, 0.1, 0.11, 0.12, 0.5, 3.0]))
    0.11...
    """
    while len(values) > 3:
        half = (len(values) + 1) // 2
        lengths = values[half - 1 :] - values[: len(values) - half + 1]
        first = int(np.argmin(lengths))
        values = values[first : first + half]
    return float(np.median(values))


def fit_stars(
    model: Model,
    stamps: Stamps,
    fits: StarFits,
    shares: NDArray[np.float32],
    model_error: NDArray[np.float64],
    *,
    rounds: int = 0,
    workers: int,
) -> StarFits:
    """Fit stars by weighted least squares, each alone.

    Parameters
    ----------
    model
        The PSF.
    stamps
        n images of stars.
    fits
        Where to begin.
    shares
        (n, component) of the components of the model's start in each star.
    model_error
        (2,) by what part of its own light, and of the star's, a pixel's model may err.
    rounds
        Iterations; if 0 places are held, and the rest is fitted at once.
    workers
        Threads.
    """
    found, errors = fits.found.copy(), np.zeros(fits.found.shape)
    quality = np.zeros(fits.found.shape)
    mixtures = model.mixtures(found[:, 1], found[:, 2], shares)
    inside = np.maximum(*np.abs(found[:, 1:3] - np.stack([stamps.column, stamps.row], 1)).T) < 1
    good = stamps.good & inside[:, None, None]

    def chunk(start: int, stop: int) -> None:
        fit(
            start, stop, model.fields, model.start.nodes_x, model.start.nodes_y, shares,
            model.corrections, mixtures, stamps.column, stamps.row, stamps.light, good,
            stamps.noise, model_error, rounds > 0, max(rounds, 1), found, errors, quality,
        )  # fmt: skip

    in_chunks(len(stamps), chunk, workers)
    return StarFits(found, errors, quality)
