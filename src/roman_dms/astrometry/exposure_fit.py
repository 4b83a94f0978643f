"""Fit of all terms of an exposure, with pairs that are weighed anew before each step.

The errors begin as large as the tolerance of the match and shrink to what they
are (deterministic annealing), so that a detector that is off by many errors of
a star still finds its stars, and no good star is an outlier of a bad beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.assignment import (
    Judgement,
    Neighbours,
    floor_of,
    judged,
    neighbours,
)
from roman_dms.astrometry.matching import Match
from roman_dms.astrometry.placement import Placement, fitted, own_sigmas, resting
from roman_dms.astrometry.priors import Priors
from roman_dms.astrometry.stars import Exposure, Reference

Values = NDArray[np.float64]

_SHRINKING = (1.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.0, 0.0, 0.0, 0.0)
"""Least error of a star in each step, in units of the first."""

_ENOUGH = 60.0
"""Degrees of freedom from which the floor is estimated, to about a tenth."""


@dataclass(frozen=True)
class ExposureFit:
    """Terms of an exposure and what they leave."""

    placement: Placement
    """Attitude and places."""

    pairs: Neighbours
    """Detections near reference stars."""

    judgement: Judgement
    """What the pairs are worth after the last step."""

    floor: float
    """Error along one axis that is added to all errors [arcsec]."""

    @property
    def used(self) -> NDArray[np.bool_]:
        """(k): pairs with a weight of more than one half."""
        taken: NDArray[np.bool_] = self.judgement.weight > 0.5
        return taken

    @property
    def chi2(self) -> float:
        """Weighted chi^2 over the degrees of freedom."""
        weight = self.judgement.weight
        freedom = max(1.0, 2 * float(weight.sum()) - self.placement.freedom)
        return float(weight @ self.judgement.chi2) / freedom


def fit_exposure(
    exposure: Exposure, reference: Reference, match: Match, priors: Priors, largest_floor: float
) -> ExposureFit:
    """Fit all terms, beginning with the attitude of a match.

    Parameters
    ----------
    exposure, reference
        The stars.
    match
        Where the telescope looks, to the tolerance.
    priors
        How well the places are known.
    largest_floor
        No more is added to the errors [arcsec].
    """
    placement = resting(exposure, match.attitude, priors)
    within, least = tolerance(exposure, priors), 1e-3 * priors.floor
    pairs = neighbours(exposure, reference, placement, 2 * within)
    first = within / 3
    matched, colour, floor = 0.5, (match.zero_point, 1.0), first
    for share in _SHRINKING:
        judgement = judged(pairs, placement, floor, matched, colour)
        matched, colour = judgement.matched, judgement.colour
        floor = max(share * first, _floor(pairs, judgement, placement, least, largest_floor))
        taken = judgement.weight > 1e-3
        placement = fitted(
            placement,
            pairs.seen[taken],
            pairs.expected[taken],
            judgement.information[taken] * judgement.weight[taken, np.newaxis, np.newaxis],
            pairs.detector[taken],
            priors,
        )
    judgement = judged(pairs, placement, floor, matched, colour)
    return ExposureFit(placement, pairs, judgement, floor)


def tolerance(exposure: Exposure, priors: Priors) -> float:
    """Distance within which nearly all stars are after the common turn [arcsec]."""
    error = float(np.percentile(exposure.err, 75)) if len(exposure) else 0.0
    reach = 3.5 * np.hypot(freedom_of_place(exposure, priors), error)
    return float(np.clip(reach, 0.05, 1.0))


def freedom_of_place(exposure: Exposure, priors: Priors) -> float:
    """Rms along one axis by which the priors let a star of a detector move [arcsec].

    Of the detector whose place is known least.
    """
    arm = np.sqrt(exposure.areas.mean() / 6)
    reach = np.array([np.sqrt(0.5), np.sqrt(0.5), arm, arm, arm, arm])
    unknown = np.square(own_sigmas(priors))
    variances = [
        np.diag(priors.places[name].covariance) if name in priors.places else unknown
        for name in exposure.names
    ]
    return float(np.sqrt(np.max(variances @ reach**2)))


def _floor(
    pairs: Neighbours, judgement: Judgement, placement: Placement, least: float, largest: float
) -> float:
    """The floor as the stars show it, or what the priors say where they are too few [arcsec]."""
    spare = 2 * np.count_nonzero(judgement.probability > 0.5) - placement.freedom
    if spare < _ENOUGH:
        return least
    return floor_of(pairs, judgement, placement.freedom, largest)
