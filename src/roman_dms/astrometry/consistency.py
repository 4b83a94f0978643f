"""Whether all detectors of an exposure look where the first of them look.

Files of two pointings that were put together as one exposure give two sets of
detectors, each of which agrees with the sky and not with the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from roman_dms.astrometry.matching import COLOUR_WINDOW, Match, matches
from roman_dms.astrometry.plane import Attitude
from roman_dms.astrometry.priors import Search
from roman_dms.astrometry.stars import Detections, Exposure, Reference

Values = NDArray[np.float64]
Places = NDArray[np.intp]


def missing(
    detections: Mapping[str, Detections],
    exposure: Exposure,
    reference: Reference,
    attitude: Attitude,
    tolerance: float,
) -> tuple[Values, Values]:
    """Matched stars of each detector, and those that it should have.

    Parameters
    ----------
    detections, exposure
        The same stars, by detector and joined.
    reference
        Reference stars, all usable.
    attitude
        From the pointing to the sky.
    tolerance
        Distance of a match [arcsec].

    Returns
    -------
    found, expected
        (d): reference stars with a detection, less those that chance gives; and
        reference stars on the detector, times the share that the detectors with
        the best quarter of all stars find, but not more than it has detections.
    """
    moved = attitude.applied(exposure.points)
    unturned = reference.points - (attitude.xi, attitude.eta)
    found, there = np.zeros(len(detections)), np.zeros(len(detections))
    for place, (one, area) in enumerate(zip(detections.values(), exposure.areas, strict=True)):
        stars = moved[exposure.detector == place]
        covered = reference.points[one.covers(unturned)]
        there[place] = len(covered)
        if len(stars) and len(covered):
            near = np.isfinite(cKDTree(stars).query(covered, distance_upper_bound=tolerance)[0])
            chance = 1 - np.exp(-len(stars) * np.pi * tolerance**2 / area)
            found[place] = max(0.0, (near.mean() - chance) / (1 - chance)) * len(covered)
    share = np.divide(found, there, out=np.zeros_like(found), where=there > 0)
    order = np.argsort(-share)
    best = order[: 1 + int(np.searchsorted(np.cumsum(there[order]), there.sum() / 4))]
    expected = there * float(found[best].sum() / max(1.0, there[best].sum()))
    return found, np.minimum(expected, np.bincount(exposure.detector, minlength=len(there)))


def other_attitude(
    exposure: Exposure,
    reference: Reference,
    match: Match,
    suspects: Places,
    search: Search,
    tolerance: float,
) -> tuple[Match, Places] | None:
    """An attitude that suspect detectors agree on, where it is not the common one.

    The stars that the common attitude explains take no part.  What is less than
    three tolerances away is an error of the detectors' places, and left to the fit.

    Returns
    -------
    match, detectors
        The other attitude and the places of the detectors that have it; None if
        there is none that chance would not make as well.
    """
    if not len(suspects):
        return None
    seen, expected = _unexplained(exposure, reference.points, match.attitude, tolerance)
    some = exposure.only(seen & np.isin(exposure.detector, suspects))
    if not len(some) or not expected.any():
        return None
    others = matches(some, reference.only(expected), search, tolerance)
    if not others or others[0].log_chance > np.log10(search.false_alarm):
        return None
    if match.attitude.distance(others[0].attitude) < 3 * tolerance:
        return None
    if abs(others[0].zero_point - match.zero_point) > COLOUR_WINDOW:
        return None  # false detections at one distance from bright stars are too faint
    counts = np.bincount(some.detector[others[0].detection], minlength=len(exposure.names))
    before = np.bincount(exposure.detector[match.detection], minlength=len(exposure.names))
    apart = np.flatnonzero((counts > before) & (counts > 0))
    return (others[0], apart) if len(apart) else None


def _unexplained(
    exposure: Exposure, points: Values, attitude: Attitude, tolerance: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the detections and of the reference stars that have no partner."""
    moved = attitude.applied(exposure.points)
    seen, expected = cKDTree(moved), cKDTree(points)
    return (
        ~np.isfinite(expected.query(moved, distance_upper_bound=tolerance)[0]),
        ~np.isfinite(seen.query(points, distance_upper_bound=tolerance)[0]),
    )
