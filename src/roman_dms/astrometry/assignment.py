"""Which detection is which reference star, with probabilities.

A pair is weighed against every other pair of the same reference star and
against a chance neighbour (the likelihood ratio of Sutherland & Saunders 1992,
MNRAS 259, 413), by place and by flux.  A true pair is a good one or a bad one
(blends, binaries) whose errors are ten times larger: the contaminated normal
distribution of Tukey (1960), which takes weight from outliers smoothly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from roman_dms.astrometry.covariances import chi2_of, information_of, peak_density
from roman_dms.astrometry.matching import mutual_best
from roman_dms.astrometry.placement import Placement
from roman_dms.astrometry.stars import Exposure, Reference

Values = NDArray[np.float64]
Places = NDArray[np.intp]

_BAD, _BAD_IF_DOUBTFUL = 0.05, 0.5
"""Share of bad pairs before they are looked at; of stars with a large RUWE."""

_BAD_GROWTH = 10.0
"""How many times larger the errors of a bad pair are."""

_MEDIAN_CHI2 = 2 * math.log(2)
"""Median of chi^2 with two degrees of freedom."""


@dataclass(frozen=True)
class Neighbours:
    """Pairs of detections and reference stars that are near after the common turn."""

    detection: Places
    """(k): row of the exposure."""

    reference: Places
    """(k): row of the reference stars."""

    detector: Places
    """(k): the detection's detector."""

    seen: Values
    """(k, 2): the detection's place by the pointing [arcsec]."""

    expected: Values
    """(k, 2): the reference star's place [arcsec]."""

    covariance: Values
    """(k, 2, 2): of the difference, without the floor [arcsec^2]."""

    colour: Values
    """(k): magnitude of the reference star less that of the detection."""

    crowding: Values
    """(k): detections on the detector [arcsec^-2]."""

    bad: Values
    """(k): share of bad pairs among such pairs."""

    def __len__(self) -> int:
        return len(self.detection)


@dataclass(frozen=True)
class Judgement:
    """What the pairs are worth, given a placement."""

    miss: Values
    """(k, 2): the reference star's place less the detection's [arcsec]."""

    chi2: Values
    """(k): squared length of the miss in its errors, floor included."""

    information: Values
    """(k, 2, 2): inverse covariance of the miss [arcsec^-2]."""

    probability: Values
    """(k): that this is the same star; 0 if another pair with one of both is better."""

    good: Values
    """(k): that it is a good pair, if it is the same star."""

    matched: float
    """Share of reference stars near a detector that are detected."""

    colour: tuple[float, float]
    """Centre and width of the difference of magnitudes."""

    @property
    def weight(self) -> Values:
        """(k): weight in the fit, from 0 to 1."""
        return self.probability * (self.good + (1 - self.good) / _BAD_GROWTH**2)


def neighbours(
    exposure: Exposure, reference: Reference, placement: Placement, reach: float
) -> Neighbours:
    """All pairs within the reach [arcsec] and four standard deviations of the stars' errors."""
    kept = np.flatnonzero(reference.usable)
    points, covariance = reference.points[kept], reference.trusted_covariance[kept]
    spread = np.sqrt(np.trace(covariance, axis1=1, axis2=2) / 2)
    farthest = reach + 4 * min(0.1, float(spread.max(initial=0.0)))
    moved = placement.applied(exposure.points, exposure.detector)
    near = cKDTree(points).sparse_distance_matrix(cKDTree(moved), farthest, output_type="ndarray")
    i, j = near["i"], near["j"].astype(np.intp)
    close = near["v"] <= reach + 4 * np.hypot(spread[i], exposure.err[j])
    i, j = i[close], j[close]
    detector = exposure.detector[j]
    density = np.bincount(exposure.detector, minlength=len(exposure.names)) / exposure.areas
    own = exposure.err[j, np.newaxis, np.newaxis] ** 2 * np.eye(2)
    doubtful = reference.doubtful[kept[i]]
    return Neighbours(
        j,
        kept[i],
        detector,
        exposure.points[j],
        points[i],
        covariance[i] + own,
        reference.magnitude[kept[i]] - exposure.magnitude[j],
        density[detector],
        np.where(doubtful, _BAD_IF_DOUBTFUL, _BAD),
    )


def judged(
    pairs: Neighbours,
    placement: Placement,
    floor: float,
    matched: float,
    colour: tuple[float, float],
) -> Judgement:
    """Weigh all pairs.

    Parameters
    ----------
    pairs
        The candidates.
    placement
        Where the detections are.
    floor
        Standard deviation along one axis that is added to all errors [arcsec].
    matched
        Share of reference stars that are detected, by the last judgement.
    colour
        Centre and width of the difference of magnitudes, by the last judgement.
    """
    miss = pairs.expected - placement.applied(pairs.seen, pairs.detector)
    information = information_of(pairs.covariance, floor)
    chi2, density = chi2_of(miss, information), peak_density(information)
    core = (1 - pairs.bad) * density * np.exp(-chi2 / 2)
    wings = pairs.bad * density / _BAD_GROWTH**2 * np.exp(-chi2 / 2 / _BAD_GROWTH**2)
    likelihood = matched * (core + wings) * _flux_likelihood(pairs.colour, colour)
    rivals = np.bincount(pairs.reference, likelihood)[pairs.reference]
    probability = likelihood / (rivals + (1 - matched) * pairs.crowding)
    probability *= mutual_best(pairs.detection, pairs.reference, -probability)
    good = np.divide(core, core + wings, out=np.zeros_like(core), where=core + wings > 0)
    nearby = max(1, len(np.unique(pairs.reference)))
    return Judgement(
        miss,
        chi2,
        information,
        probability,
        good,
        float(np.clip(probability.sum() / nearby, 0.02, 0.98)),
        _colours(pairs.colour[probability > 0.5], colour),
    )


def floor_of(pairs: Neighbours, judgement: Judgement, freedom: float, largest: float) -> float:
    """Error along one axis that makes the median miss as large as it should be [arcsec].

    The median of chi^2 of the matched pairs, each with its errors and the floor,
    is brought to that of two degrees of freedom, less what the fit has taken.
    """
    taken = judgement.probability > 0.5
    n = np.count_nonzero(taken)
    goal = _MEDIAN_CHI2 * max(0.0, 1 - freedom / (2 * n)) if n else 0.0
    if goal <= 0:
        return 0.0
    covariance, miss = pairs.covariance[taken], judgement.miss[taken]
    low, high = 0.0, largest
    for _ in range(20):
        middle = (low + high) / 2 if low else high / 100
        chi2 = chi2_of(miss, information_of(covariance, middle))
        low, high = (middle, high) if np.median(chi2) > goal else (low, middle)
        if high < 1e-6:
            return 0.0
    return high


def _flux_likelihood(colour: Values, expected: tuple[float, float]) -> Values:
    """(k): density of the difference of magnitudes in true pairs over that in chance ones.

    Chance pairs are taken to be spread over ten magnitudes.  The likelihood has
    wings, so that flux only ever speaks for one of several neighbours.
    """
    centre, width = expected
    if not np.isfinite(centre):
        return np.ones_like(colour)
    normal = np.exp(-0.5 * ((colour - centre) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
    return np.where(np.isfinite(colour), 10 * (0.9 * normal + 0.1 / 10), 1.0)


def _colours(colour: Values, before: tuple[float, float]) -> tuple[float, float]:
    """Median and robust width of the differences of matched pairs."""
    known = colour[np.isfinite(colour)]
    if len(known) < 10:
        return before
    low, middle, high = np.percentile(known, [16, 50, 84])
    return float(middle), float(max(0.3, (high - low) / 2))
