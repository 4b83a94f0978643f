"""One place for each star, from all the dithered exposures in which it was seen.

A PSF that is wrong moves stars by an amount that depends on where in a pixel they fall.  The
mean over dithers averages that out (Anderson & King 2000, section 3); mapped back to every
exposure it says where the star truly was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.exposure import Exposure
from roman_dms.psf.empirical.stamps import Stamps

FLOOR = 2e-3
"""Error of a place besides that of noise [pixel]."""

ROUNDS = 4
"""How often offsets of exposures and places of stars are fitted in turn."""

FARTHEST = 5.0
"""From how many standard errors on an image of a star does not count."""

LOOSEST = 0.03
"""Distance from the mean place that is always allowed [pixel]."""

LEAST_STARS = 10
"""Stars that an exposure shares with others, for a linear function to be fitted and not
a shift alone."""


@dataclass(frozen=True)
class Combination:
    """Places of stars from all exposures together, for n images of stars."""

    places: NDArray[np.float64]
    """(n, 2) x and y in the image [pixel]; a star that was seen once stays where it was fitted."""

    agree: NDArray[np.bool_]
    """(n,) which images of a star agree with the others."""

    rms: float
    """Distance of those from the mean place, along an axis [pixel]."""

    jacobians: NDArray[np.float64]
    """(n, 2, 2) how places in the common plane change with those in the image."""


def matched(
    exposures: Sequence[Exposure],
    places: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    radius: float,
) -> list[NDArray[np.int64]]:
    """Which star of the sky each detection is: a number from 0, the same in all exposures.

    Parameters
    ----------
    exposures, places
        Images, and x and y of what was found in each [pixel].
    radius
        Within which detections are the same star, once the shifts between exposures are
        known; these may be three times as large [pixel].
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    known = np.empty((0, 2))
    numbers = []
    for exposure, (x, y) in zip(exposures, places, strict=True):
        points = np.stack(exposure.to_frame(x, y), axis=1)
        points = points.reshape(-1, 2)
        numbers.append(np.arange(len(known), len(known) + len(points)))
        if len(known) and len(points):
            tree = cKDTree(known)
            distance, nearest = tree.query(points, distance_upper_bound=3 * radius)
            near = np.isfinite(distance)
            shift = np.median(known[nearest[near]] - points[near], axis=0) if near.any() else 0
            distance, nearest = tree.query(points + shift, distance_upper_bound=radius)
            same = _first_of_each(distance, nearest)
            numbers[-1][same] = nearest[same]
            new = ~same
            numbers[-1][new] = len(known) + np.arange(new.sum())
            known = np.concatenate([known, (points + shift)[new]])
        else:
            known = np.concatenate([known, points])
    return numbers


def _first_of_each(distance: NDArray[np.float64], nearest: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Matches, only the nearest where several have the same partner."""
    same = np.isfinite(distance)
    order = np.lexsort([distance, nearest])
    again = np.zeros(len(nearest), bool)
    again[order[1:]] = nearest[order[1:]] == nearest[order[:-1]]
    return same & ~again


def combined(
    exposures: Sequence[Exposure],
    stamps: Stamps,
    found: NDArray[np.float64],
    errors: NDArray[np.float64],
    counts: NDArray[np.bool_],
    doubt: float = 0.0,
) -> Combination:
    """Places of stars from all exposures together.

    Parameters
    ----------
    exposures
        The images.
    stamps
        n images of stars.
    found, errors
        (n, 4) flux, x, y, sky of each, fitted alone.
    counts
        (n,) which of them to trust.
    doubt
        What the PSF may err by, in parts of the peak; about what places are off [pixel].

    """
    frame, jacobians = _to_frame(exposures, stamps, found)
    weight = counts / ((errors[:, 1] ** 2 + errors[:, 2] ** 2) / 2 + FLOOR**2)
    agree = counts.copy()
    offset = np.zeros_like(frame)
    for _ in range(ROUNDS):
        mean = np.stack(
            [_mean_of_stars(stamps, place, weight * agree) for place in (frame - offset).T], axis=1
        )
        several = agree & (np.bincount(stamps.star, agree)[stamps.star] > 1)
        offset = _offsets(stamps, found, frame - mean, weight * several, len(exposures))
        away = np.abs(frame - offset - mean).max(axis=1)
        agree = counts & (
            (away < FARTHEST / np.sqrt(np.where(weight > 0, weight, 1))) | (away < LOOSEST + doubt)
        )
    shift = np.linalg.solve(jacobians, (mean + offset - frame)[..., None])[..., 0]
    places = found[:, 1:3] + np.where(several[:, None], shift, 0)
    residual = shift[several]
    rms = float(np.sqrt(np.mean(residual**2))) if len(residual) else 0.0
    return Combination(places, agree, rms, jacobians)


def shared_light(
    stamps: Stamps, found: NDArray[np.float64], errors: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """(n, 2) flux and sky of each star, the mean over its images, as each image shows them.

    Exposures may count a star's light by factors of their own, which are fitted.

    Parameters
    ----------
    stamps
        n images of stars.
    found, errors
        (n, 4) flux, x, y, sky of each, fitted alone; images with an error of 0 do not count.
    count
        Number of exposures.
    """
    factors = np.ones(count)
    flux, weights = found[:, 0], _inverse_squares(errors)
    counts = weights[:, 0] > 0
    for _ in range(ROUNDS):
        factor = factors[stamps.exposure]
        mean = _mean_of_stars(stamps, flux / factor, weights[:, 0] * factor**2)
        ratio = np.where(counts & (mean > 0), flux / mean, np.nan)
        factors = np.array(
            [np.nanmedian(ratio[stamps.exposure == number]) for number in range(count)]
        )
    sky = _mean_of_stars(stamps, found[:, 3], weights[:, 3])
    return np.stack([mean * factor, sky], axis=1)


def _inverse_squares(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights; 0 where the error is 0."""
    counts = errors > 0
    return np.where(counts, 1 / np.where(counts, errors, 1) ** 2, 0)


def _mean_of_stars(
    stamps: Stamps, values: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) mean of each star's values over its images; 0 for stars without weight."""
    total = np.bincount(stamps.star, weight)
    mean = np.bincount(stamps.star, weight * values) / np.where(total > 0, total, 1)
    return np.asarray(mean[stamps.star])


def _to_frame(
    exposures: Sequence[Exposure], stamps: Stamps, found: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 2) places in the common plane, and (n, 2, 2) how they change with x and y."""
    frame, jacobians = np.zeros((len(stamps), 2)), np.zeros((len(stamps), 2, 2))
    for number, exposure in enumerate(exposures):
        those = np.flatnonzero(stamps.exposure == number)
        if len(those):
            x, y = found[those, 1], found[those, 2]
            frame[those] = np.stack(exposure.to_frame(x, y), axis=1)
            jacobians[those] = exposure.frame_jacobian(x, y)
    return frame, jacobians


def _offsets(
    stamps: Stamps,
    found: NDArray[np.float64],
    distance: NDArray[np.float64],
    weight: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    """(n, 2) linear function of the place that each exposure is off by; their mean is zero."""
    columns = np.stack([np.ones(len(found)), found[:, 1] / 2048 - 1, found[:, 2] / 2048 - 1], 1)
    fits = np.zeros((count, 3, 2))
    for number in range(count):
        those = np.flatnonzero((stamps.exposure == number) & (weight > 0))
        terms = 3 if len(those) >= LEAST_STARS else 1
        if len(those):
            root = np.sqrt(weight[those, None])
            design = columns[those, :terms] * root
            fits[number, :terms] = np.linalg.lstsq(design, distance[those] * root)[0]
    fits -= fits.mean(axis=0)
    return np.einsum("nk,nkc->nc", columns, fits[stamps.exposure])
