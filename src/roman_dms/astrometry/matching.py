"""Which turn of the telescope brings detected stars onto reference stars.

Every pair of a detection and a reference star votes for the shift that would
join them, on a grid of small rolls; flux takes part as a third coordinate, the
difference of magnitudes, whose zero need not be known (the voting is a Hough
transform, as in Kaiser et al. 1999 for shifts).  The best cells are refined
with the pairs themselves.  Each candidate says how many attitudes of the search
would do as well by chance, in the manner of Lang et al. (2010, AJ 139, 1782).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from roman_dms.astrometry.plane import ARCSEC, Attitude
from roman_dms.astrometry.priors import Search
from roman_dms.astrometry.stars import Exposure, Reference

Values = NDArray[np.float64]
Places = NDArray[np.intp]

MOST_PAIRS = 500_000
"""Pairs that vote; a denser field votes with a random part of its reference stars."""

MOST_LAYERS = 40
"""Zero points that are told apart when pairs vote; fluxes near 0 share the last."""

COLOUR_WINDOW = 2.0
"""Full width in magnitude within which most stars share one zero point [mag]."""


@dataclass(frozen=True)
class Pairs:
    """Detections and reference stars that may be the same, by the pointing alone."""

    detection: Places
    """(k): row of the exposure."""

    reference: Places
    """(k): row of the reference stars."""

    seen: Values
    """(k, 2): the detection's place [arcsec]."""

    expected: Values
    """(k, 2): the reference star's place [arcsec]."""

    colour: Values
    """(k): magnitude of the reference star less that of the detection; NaN if not known."""

    def __len__(self) -> int:
        return len(self.detection)

    def only(self, kept: NDArray[np.bool_]) -> Pairs:
        """The pairs of a mask (k)."""
        return Pairs(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Match:
    """An attitude, and what speaks for it."""

    attitude: Attitude
    """From the pointing to the sky."""

    zero_point: float
    """Median of the difference of magnitudes; NaN where no fluxes are known."""

    log_chance: float
    """log10 of the number of attitudes within the search that would fit as well by chance."""

    detection: Places
    """(n): rows of the exposure that are matched."""

    reference: Places
    """(n): rows of the reference stars they are matched to."""


def matches(
    exposure: Exposure, reference: Reference, search: Search, tolerance: float, seed: int = 0
) -> list[Match]:
    """Candidates for the attitude, the least likely by chance first.

    Parameters
    ----------
    exposure
        All detections.
    reference
        Reference stars, all usable.
    search
        How far to look.
    tolerance
        Distance within which a star is found after the right turn [arcsec].
    seed
        Chooses the reference stars that vote in a dense field.
    """
    pairs = _pairs(exposure, reference, search.radius, seed)
    if not len(pairs):
        return []
    found: list[Match] = []
    for attitude, zero_point in _peaks(pairs, search, max(0.15, tolerance)):
        match = _refined(pairs, attitude, zero_point, search, tolerance)
        if all(match.attitude.distance(other.attitude) > 3 * tolerance for other in found):
            found.append(match)
    return sorted(found, key=lambda match: match.log_chance)


def mutual_best(first: Places, second: Places, cost: Values) -> NDArray[np.bool_]:
    """(k): pairs that are the cheapest both of their first and of their second member."""
    order = np.argsort(cost, kind="stable")
    best = np.zeros((2, len(cost)), bool)
    for row, members in enumerate((first, second)):
        best[row, order[np.unique(members[order], return_index=True)[1]]] = True
    mutual: NDArray[np.bool_] = best[0] & best[1]
    return mutual


def _pairs(exposure: Exposure, stars: Reference, radius: float, seed: int) -> Pairs:
    """All pairs nearer than the radius, or those of a random part of the reference stars."""
    points = stars.points
    rng = np.random.default_rng(seed)
    detected = cKDTree(exposure.points)
    some = rng.permutation(len(points))
    neighbours = detected.query_ball_point(points[some[:300]], radius, return_length=True)
    share = MOST_PAIRS / max(1.0, float(np.mean(neighbours)) * len(points))
    some = np.sort(some[: max(300, int(share * len(points)))])
    near = cKDTree(points[some]).sparse_distance_matrix(detected, radius, output_type="ndarray")
    reference, detection = some[near["i"]], near["j"].astype(np.intp)
    return Pairs(
        detection,
        reference,
        exposure.points[detection],
        points[reference],
        stars.magnitude[reference] - exposure.magnitude[detection],
    )


def _peaks(pairs: Pairs, search: Search, cell: float) -> list[tuple[Attitude, float]]:
    """The attitudes and zero points that got the most surprising numbers of votes."""
    lever = max(float(np.hypot(*pairs.seen.T).max()), 1.0)
    steps = int(np.ceil(search.roll * ARCSEC * lever / cell))
    rolls = np.linspace(-search.roll, search.roll, 2 * steps + 1)
    known = np.isfinite(pairs.colour)
    lowest = np.floor(pairs.colour[known].min()) if known.any() else 0.0
    layer = (np.where(known, pairs.colour - lowest, 0.0) / (COLOUR_WINDOW / 2)).astype(int)
    layer = np.minimum(layer, MOST_LAYERS)
    peaks = []
    for roll in rolls:
        turned = ARCSEC * roll * np.stack([-pairs.seen[:, 1], pairs.seen[:, 0]], axis=1)
        shifts = pairs.expected - pairs.seen - turned
        for score, xi, eta, at in _votes(shifts, layer, known, search.radius, cell):
            peaks.append((score, Attitude(xi, eta, float(roll)), lowest + at * COLOUR_WINDOW / 2))
    peaks.sort(key=lambda peak: -peak[0])
    kept: list[tuple[Attitude, float]] = []
    for _, attitude, colour in peaks:
        if all(attitude.distance(other) > 4 * cell for other, _ in kept):
            kept.append((attitude, colour))
    return kept[:5]


def _votes(
    shifts: Values, layer: Places, known: NDArray[np.bool_], radius: float, cell: float
) -> list[tuple[float, float, float, float]]:
    """Score, shift and middle layer (NaN for all) of the best windows of 2 x 2 (x 2) cells."""
    side = int(np.ceil(2 * radius / cell)) + 1
    place = ((shifts + radius) / cell).astype(int)
    inside = ((shifts >= -radius) & (shifts <= radius)).all(axis=1)
    flat = place[:, 0] * side + place[:, 1]
    every = np.bincount(flat[inside], minlength=side**2).reshape(1, side, side)
    coloured = inside & known
    depth = int(layer.max(initial=0)) + 3  # an empty layer below and above
    votes = np.bincount(
        (layer[coloured] + 1) * side**2 + flat[coloured], minlength=depth * side**2
    ).reshape(depth, side, side)
    share = (2 * cell) ** 2 / (np.pi * radius**2)
    best = []
    for cube, nowhere in ((every, np.nan), (votes[:-1] + votes[1:], 0.0)):
        for score, at, row, column in _best_windows(cube, share):
            xi, eta = (1 + row) * cell - radius, (1 + column) * cell - radius
            best.append((score, xi, eta, at + nowhere))
    return best


def _best_windows(cube: Places, share: float) -> list[tuple[float, int, int, int]]:
    """Score and place (layer, row, column) of the ten most surprising windows of 2 x 2 cells.

    ``share`` is the part of a layer's votes that chance puts into a window.
    """
    windows = cube[:, :-1] + cube[:, 1:]
    windows = windows[:, :, :-1] + windows[:, :, 1:]
    at = np.flatnonzero(windows >= 2)
    layers, rows, columns = np.unravel_index(at, windows.shape)
    chance = np.maximum(cube.sum(axis=(1, 2)) * share, 1e-6)
    score = surprise(windows.ravel()[at].astype(float), chance[layers])
    return [
        (float(score[k]), int(layers[k]), int(rows[k]), int(columns[k]))
        for k in np.argsort(-score, kind="stable")[:10]
    ]


def surprise(count: Values, expected: Values) -> Values:
    """-ln of a bound on the Poisson probability of a count or more (Chernoff's); 0 below."""
    over = np.maximum(count, expected)
    result: Values = over * np.log(over / expected) - (over - expected)
    return result


def _refined(
    pairs: Pairs, attitude: Attitude, zero_point: float, search: Search, tolerance: float
) -> Match:
    """Fit shift and roll to the pairs near an attitude, ever nearer, and judge the result."""
    reach = 4 * max(0.15, tolerance)
    moved = attitude.applied(pairs.seen)
    window = 1.25 * COLOUR_WINDOW
    near = np.hypot(*(pairs.expected - moved).T) < 1.5 * reach
    close = pairs.only(near)
    for within in np.geomspace(reach, tolerance, 6):
        kept = _joined(close, attitude, zero_point, within)
        if kept.sum() < 2:
            break
        attitude = _turned(close.only(kept), attitude, within, search)
        if np.isfinite(close.colour[kept]).any():
            zero_point = float(np.nanmedian(close.colour[kept]))
    kept = _joined(close, attitude, zero_point, tolerance)
    kept &= _alike(close.colour, zero_point, window)
    voters = int(_alike(pairs.colour, zero_point, window).sum())
    chance = max(voters * (tolerance / search.radius) ** 2, 1e-9)
    improbable = float(surprise(np.array(float(kept.sum())), np.array(chance)))
    return Match(
        attitude,
        zero_point,
        _log_trials(pairs, search, tolerance) - improbable / math.log(10),
        close.detection[kept],
        close.reference[kept],
    )


def _joined(
    pairs: Pairs, attitude: Attitude, zero_point: float, within: float
) -> NDArray[np.bool_]:
    """(k): pairs nearer than a distance that prefer each other; flux decides between many."""
    distance = np.hypot(*(pairs.expected - attitude.applied(pairs.seen)).T)
    colour = np.nan_to_num(pairs.colour - zero_point) / (COLOUR_WINDOW / 2)
    near = np.flatnonzero(distance < within)
    cost = (distance / within) ** 2 * 4 + colour**2
    joined = np.zeros(len(pairs), bool)
    joined[near] = mutual_best(pairs.detection[near], pairs.reference[near], cost[near])
    return joined


def _turned(pairs: Pairs, attitude: Attitude, within: float, search: Search) -> Attitude:
    """A better attitude: weighted least squares of shift and roll on joined pairs."""
    seen = attitude.applied(pairs.seen)
    misses = pairs.expected - seen
    middle = np.median(misses, axis=0)
    weight = 1 / (1 + (np.hypot(*(misses - middle).T) / (0.3 * within)) ** 2)
    design = np.zeros((len(pairs), 2, 3))
    design[:, 0, 0] = design[:, 1, 1] = 1
    design[:, 0, 2], design[:, 1, 2] = -ARCSEC * seen[:, 1], ARCSEC * seen[:, 0]
    normal = np.einsum("nai,n,naj->ij", design, weight, design)
    normal[2, 2] += (0.3 * within / search.roll) ** 2
    step = np.linalg.solve(normal, np.einsum("nai,n,na->i", design, weight, misses))
    return replace(
        attitude,
        xi=attitude.xi + step[0],
        eta=attitude.eta + step[1],
        roll=float(np.clip(attitude.roll + step[2], -1.2 * search.roll, 1.2 * search.roll)),
    )


def _alike(colour: Values, zero_point: float, window: float) -> NDArray[np.bool_]:
    """(k): whether flux does not speak against a pair."""
    return ~(np.abs(colour - zero_point) > window)


def _log_trials(pairs: Pairs, search: Search, tolerance: float) -> float:
    """log10 of the number of attitudes and zero points that can be told apart."""
    lever = max(float(np.hypot(*pairs.seen.T).max()), 1.0)
    shifts = (search.radius / tolerance) ** 2
    rolls = max(1.0, 2 * ARCSEC * search.roll * lever / tolerance)
    known = pairs.colour[np.isfinite(pairs.colour)]
    colours = max(1.0, float(np.ptp(known)) / COLOUR_WINDOW) if known.size else 1.0
    return float(np.log10(shifts * rolls * colours))
