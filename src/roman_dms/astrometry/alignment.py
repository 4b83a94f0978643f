"""The one call that aligns an exposure: match, fit, judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry import verdicts
from roman_dms.astrometry.consistency import missing, other_attitude
from roman_dms.astrometry.exposure_fit import ExposureFit, fit_exposure, tolerance
from roman_dms.astrometry.matching import Match, matches
from roman_dms.astrometry.placement import resting
from roman_dms.astrometry.plane import Attitude
from roman_dms.astrometry.priors import Priors, Search
from roman_dms.astrometry.solution import Correction, Residuals, Solution, Verdict
from roman_dms.astrometry.stars import Detections, Exposure, Reference
from roman_dms.errors import UsageError

Values = NDArray[np.float64]

GRID = 30
"""Nodes along each axis of a detector at which the error is predicted."""


def align(
    detections: Mapping[str, Detections],
    reference: Reference,
    *,
    priors: Priors | None = None,
    search: Search | None = None,
) -> Solution:
    """Align all detectors of an exposure to reference stars in one solve.

    Parameters
    ----------
    detections
        By the detectors' names: stars in the plane of ``FocalPlane`` (gnomonic,
        of V2, V3 without velocity aberration, about one point for all detectors),
        as the pointing's WCS puts them.  Detectors may be missing.
    reference
        Reference stars at the epoch of the exposure in the same plane, put there
        by the same pointing.
    priors
        How well places and centroids are known; ``Priors()`` by default.
    search
        How far off the pointing can be, and what is refused.

    Returns
    -------
    Solution
        With a correction of every detector where the verdict is ``ALIGNED``.

    Raises
    ------
    UsageError
        If no detector is given.
    """
    if not detections:
        raise UsageError("No detector was given.", "stars of one detector at least")
    priors, search = priors or Priors(), search or Search()
    exposure = Exposure.of(detections)
    known = reference.only(reference.usable)
    if min(len(exposure), len(known)) < search.minimum_stars:
        return verdicts.too_few(len(exposure), len(known), search)
    within = tolerance(exposure, priors)
    placed = _at_known_places(exposure, priors)
    candidates = matches(placed, known, search, within)
    refusal = verdicts.no_match(candidates, search)
    if refusal:
        return refusal
    match = candidates[0]
    found, expected = missing(detections, placed, known, match.attitude, within)
    suspects = np.flatnonzero((expected > 0) & (found < 0.5 * expected))
    other = other_attitude(placed, known, match, suspects, search, within)
    refusal = verdicts.two_pointings(placed, match, other) or verdicts.ambiguous(candidates, search)
    if refusal:
        return refusal
    fit = fit_exposure(exposure, reference, match, priors, 2e-3 * search.largest_floor)
    return _judged(detections, exposure, fit, match, priors, search, expected)


def _at_known_places(exposure: Exposure, priors: Priors) -> Exposure:
    """The stars as an exposure would show them whose detectors are where they are known to be."""
    placement = resting(exposure, Attitude(), priors)
    return replace(exposure, points=placement.applied(exposure.points, exposure.detector))


def _judged(
    detections: Mapping[str, Detections],
    exposure: Exposure,
    fit: ExposureFit,
    match: Match,
    priors: Priors,
    search: Search,
    expected: Values,
) -> Solution:
    """The fit as a solution, or the reason why it is none."""
    names, placement = tuple(detections), fit.placement
    stars = np.bincount(fit.pairs.detector[fit.used], minlength=len(names))
    rich = expected >= 10
    unmatched = np.asarray(names)[rich & (stars < 0.2 * expected)].tolist()
    verdict, reason = verdicts.of_fit(names, fit, unmatched, int(rich.sum()), priors, search)
    solution = Solution(
        verdict,
        reason,
        stars=dict(zip(names, stars.tolist(), strict=True)),
        unmatched=tuple(unmatched),
        residuals=Residuals.of(exposure, fit.pairs, fit.judgement),
        placement=placement,
        chi2=fit.chi2,
        floor=1e3 * fit.floor,
        log_chance=match.log_chance,
    )
    if verdict is not Verdict.ALIGNED:
        return solution
    grids = [one.grid(GRID) for one in detections.values()]
    return replace(
        solution,
        correction={name: Correction(*placement.affine(i)) for i, name in enumerate(names)},
        predicted_rms={name: placement.predicted_rms(i, grids[i]) for i, name in enumerate(names)},
        notes=tuple(
            f"{name} matches no reference stars; its correction is that of the others' attitude."
            for name in unmatched
        ),
    )
