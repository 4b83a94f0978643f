"""Why an exposure is refused, in the order in which it is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.exposure_fit import ExposureFit
from roman_dms.astrometry.matching import Match
from roman_dms.astrometry.priors import Priors, Search
from roman_dms.astrometry.solution import Solution, Verdict
from roman_dms.astrometry.stars import Exposure

STRAIN = 5.0
"""Standard deviations by which no term of a detector should leave its prior."""


def too_few(detections: int, stars: int, search: Search) -> Solution:
    """Refuse what cannot be matched at all."""
    return Solution(
        Verdict.TOO_FEW_STARS,
        f"There are {detections} usable detections and {stars} usable reference stars; "
        f"{search.minimum_stars} are needed.",
    )


def no_match(candidates: list[Match], search: Search) -> Solution | None:
    """Refuse where chance would do as well."""
    limit = np.log10(search.false_alarm)
    if candidates and candidates[0].log_chance <= limit:
        return None
    best = candidates[0] if candidates else None
    fits = (
        f"the best joins {len(best.detection)} stars, which chance would do "
        f"{10 ** min(best.log_chance, 6.0):.1g} times"
        if best
        else "no detection is near any reference star"
    )
    return Solution(
        Verdict.NO_MATCH,
        f"No attitude within {search.radius:g} arcsec and {search.roll:g} arcsec of roll brings "
        f"the stars onto the reference stars: {fits}.",
        log_chance=best.log_chance if best else 0.0,
    )


def ambiguous(candidates: list[Match], search: Search) -> Solution | None:
    """Refuse where another attitude does half as well and is no accident either."""
    best = candidates[0]
    for other in candidates[1:]:
        likely = other.log_chance < np.log10(search.false_alarm)
        if likely and len(other.detection) > 0.5 * len(best.detection):
            return Solution(
                Verdict.AMBIGUOUS,
                f"Two attitudes fit: shifts of ({best.attitude.xi:.2f}, {best.attitude.eta:.2f}) "
                f"arcsec with {len(best.detection)} stars and of ({other.attitude.xi:.2f}, "
                f"{other.attitude.eta:.2f}) arcsec with {len(other.detection)}.",
                log_chance=best.log_chance,
            )
    return None


def two_pointings(
    exposure: Exposure, match: Match, other: tuple[Match, NDArray[np.intp]] | None
) -> Solution | None:
    """Refuse where some detectors agree on another attitude."""
    if other is None:
        return None
    apart = ", ".join(exposure.names[place] for place in other[1])
    return Solution(
        Verdict.INCONSISTENT_DETECTORS,
        f"{apart} agree with the sky {match.attitude.distance(other[0].attitude):.2f} arcsec away "
        "from where the other detectors do: files of two pointings?",
        log_chance=match.log_chance,
    )


def of_fit(
    names: Sequence[str],
    fit: ExposureFit,
    unmatched: Sequence[str],
    rich: int,
    priors: Priors,
    search: Search,
) -> tuple[Verdict, str]:
    """The verdict on a fit, with its reason.

    Parameters
    ----------
    names
        Of the detectors.
    fit
        The fit.
    unmatched
        Detectors that match hardly any of their reference stars.
    rich
        Number of detectors that should match ten or more.
    priors, search
        As of the fit.
    """
    floor, stars = 1e3 * fit.floor, int(fit.used.sum())
    strained = [n for i, n in enumerate(names) if fit.placement.strain(i, priors) > STRAIN]
    if floor > search.largest_floor:
        together, within = detector_misses(fit)
        if together > 3 * within:
            reason = (
                f"Whole detectors miss their stars by up to {together:.0f} mas, where stars of one "
                f"detector scatter by {within:.0f}: files of two pointings, or priors that are too "
                "narrow."
            )
            return Verdict.INCONSISTENT_DETECTORS, reason
        reason = (
            f"{stars} stars scatter by {floor:.1f} mas or more beyond their errors; "
            f"{search.largest_floor:g} mas is allowed."
        )
        return Verdict.SCATTER_TOO_LARGE, reason
    if stars < search.minimum_stars:
        reason = f"{stars} stars agree with each other; {search.minimum_stars} are needed."
        return Verdict.TOO_FEW_STARS, reason
    if len(unmatched) > rich / 3:
        reason = (
            f"{', '.join(unmatched)} match no reference stars where the other detectors do: files "
            "of two pointings?"
        )
        return Verdict.INCONSISTENT_DETECTORS, reason
    if strained:
        reason = (
            f"{', '.join(strained)} would be more than {STRAIN:g} standard deviations of the "
            "priors from their places: files of two pointings, or priors that are too narrow."
        )
        return Verdict.INCONSISTENT_DETECTORS, reason
    return (
        Verdict.ALIGNED,
        f"{stars} stars; chi^2 per degree {fit.chi2:.2f}, floor {floor:.2f} mas.",
    )


def detector_misses(fit: ExposureFit) -> tuple[float, float]:
    """Largest median miss of a detector, and the median miss about it within detectors [mas]."""
    same = fit.judgement.probability > 0.5
    miss, detector = 1e3 * fit.judgement.miss[same], fit.pairs.detector[same]
    together, within = [0.0], [0.0]
    for one in np.unique(detector):
        own = miss[detector == one]
        if len(own) >= 5:
            middle = np.median(own, axis=0)
            together.append(float(np.hypot(*middle)))
            within.append(float(np.median(np.hypot(*(own - middle).T))))
    return max(together), float(np.median(within))
