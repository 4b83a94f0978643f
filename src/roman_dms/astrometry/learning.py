"""Where detectors are, learned from exposures with many stars.

What an exposure says is its stars' normal equations, before any prior: one that
lacks a detector, or has few stars in it, says just that much less.

Attitude: common shifts and a common turn of all places could be the telescope's
as well; they are 0 in their mean over the focal plane.  Scale: the mean of the
exposures belongs to the places, and what an exposure differs by to its attitude.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.mean_places import (
    FIELD,
    TO_TERMS,
    Evidence,
    MeanPlaces,
    common_motions,
    diagonal_blocks,
    without_common_motion,
)
from roman_dms.astrometry.placement import SHARED, Placement, own_sigmas
from roman_dms.astrometry.priors import KnownPlace, Priors
from roman_dms.errors import UsageError

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST = 3
"""Exposures below which scatter between exposures is not measured."""

_ROUNDS = 12
"""In which outliers are left out."""
_LIMIT = 40.0
"""Chi^2 of six degrees that chance exceeds in one of two million detectors."""
_MEDIAN_CHI2 = 5.35
"""Its median."""


@dataclass(frozen=True)
class LearnedPlacement:
    """Where detectors are, and how firmly they stay there."""

    places: Mapping[str, KnownPlace]
    """By detector: mean terms, and the error of the mean."""

    scatter: Values
    """(6): standard deviation of a detector's terms between exposures (arcsec, rad, 1)."""

    common_scale: float
    """Standard deviation of an exposure's scale from the mean, the mean's error included."""

    exposures: Mapping[str, int]
    """By detector: how many exposures place it."""

    left_out: tuple[tuple[str, ...], ...] = ()
    """By exposure: detectors that were far from where the other exposures have them."""

    def priors(self, otherwise: Priors) -> Priors:
        """What an exposure may expect; ``otherwise`` of detectors that are not placed."""
        scatter = np.diag(self.scatter**2)
        return replace(
            otherwise,
            common_scale=self.common_scale,
            places={
                name: KnownPlace(place.terms, place.covariance + scatter)
                for name, place in self.places.items()
            },
        )


def learned(exposures: Sequence[Placement], priors: Priors | None = None) -> LearnedPlacement:
    """Learn the places of detectors.

    A detector of an exposure that deviates from the others much more than others
    do is left out, and an exposure with more than half of its detectors so.

    Parameters
    ----------
    exposures
        The placements of aligned exposures, of different fields: the errors of
        reference stars that exposures share do not average out.
    priors
        What was known before; hardly matters but for detectors with few stars.

    Raises
    ------
    UsageError
        For fewer than three exposures that agree.
    """
    evidence = Evidence.of(exposures)
    _require_enough(evidence)
    prior = own_sigmas(priors or Priors()) / TO_TERMS[SHARED:]
    fit = MeanPlaces.of(evidence, prior, robust=True)
    for _ in range(_ROUNDS):
        kept = evidence.without(_outliers(fit.chi2, evidence.seen))
        if kept.seen.sum() == evidence.seen.sum():
            break
        evidence = kept
        _require_enough(evidence)
        fit = MeanPlaces.of(evidence, prior, robust=True)
    return _finished(evidence, MeanPlaces.of(evidence, prior, robust=False))


def _outliers(chi2: Values, seen: Mask) -> Mask:
    """(e, d): detectors that deviate too much; the worst first, which drag the others along."""
    relative = np.where(seen, chi2, 0.0) * _MEDIAN_CHI2 / np.median(chi2[seen])
    bad = relative > max(_LIMIT, 0.25 * relative.max())
    whole = bad.sum(axis=1) > 0.5 * seen.sum(axis=1)
    return bad | (whole[:, np.newaxis] & seen)


def _finished(evidence: Evidence, fit: MeanPlaces) -> LearnedPlacement:
    """The fit in the units of the terms, the error of the mean scale apart."""
    stretch = without_common_motion(evidence.centres, common_motions(evidence.centres)[3])
    along = stretch / (stretch @ stretch)
    apart = np.eye(len(stretch)) - np.outer(stretch, along)
    unit = TO_TERMS[SHARED:]
    blocks = diagonal_blocks(apart @ fit.covariance @ apart.T) * unit * unit[:, np.newaxis]
    counts = evidence.seen.sum(axis=0)
    common = np.hypot(fit.scale_scatter, np.sqrt(along @ fit.covariance @ along)) / FIELD
    placed = [(row, name) for row, name in enumerate(evidence.names) if counts[row]]
    gone = evidence.given & ~evidence.seen
    return LearnedPlacement(
        {name: KnownPlace(fit.terms[row] * unit, blocks[row]) for row, name in placed},
        fit.scatter * unit,
        float(common),
        {name: int(counts[row]) for row, name in placed},
        tuple(tuple(np.array(evidence.names)[row].tolist()) for row in gone),
    )


def _require_enough(evidence: Evidence) -> None:
    used = int(evidence.seen.any(axis=1).sum())
    if used < LEAST:
        given = evidence.given.any(axis=1).sum() if len(evidence.given) else 0
        raise UsageError(
            f"{used} of {given} exposures agree where the detectors are.",
            f"{LEAST} exposures or more, of different fields with many stars",
        )
