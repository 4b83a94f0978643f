"""What the skies of images differ by, from the sky that they share.

Each image gives a mesh of robust levels.  Two images that overlap see the same sources, so that
the difference of their meshes on the same sky is that of their own skies, whatever the sources
do to a level.  One least-squares solution makes all differences agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.measure.background import lower_side_mode
from roman_dms.measure.mesh import cell_edges

Values = NDArray[np.float64]

EVERY = 4
"""Rows of which one is looked at: what images differ by is the mean of thousands of cells, and
precise enough."""

FEWEST_SHARE = 0.1
"""Share of usable pixels with which a cell is measured."""

FEWEST_PIXELS = 32
"""Usable pixels, among those looked at, with which a cell is measured."""

MODE_NOISE = 1.8
"""Error of a level in those of the mean of the same pixels (`measure.background`)."""

CLIP = 4.0
"""Differences of single cells further from the mean are left out [standard deviations]."""

HUBER = 2.0
"""Beyond this pull a pair of images counts less in the solution (Huber 1981, Robust
Statistics, section 7)."""

ROUNDS = 20
"""Of weighting and solving, at most."""


@dataclass(frozen=True)
class SkyMesh:
    """Sky levels of an image in cells."""

    x: Values
    """(mx,) columns of the centres of the cells on the detector [pixel]."""

    y: Values
    """(my,) rows of the same [pixel]."""

    level: NDArray[np.float32]
    """(my, mx) sky; NaN where too few pixels are usable."""

    error: NDArray[np.float32]
    """(my, mx) standard error of it; NaN likewise."""


def sky_mesh(
    data: NDArray[np.float32], usable: NDArray[np.bool_], *, box: int = 64, workers: int = 1
) -> SkyMesh:
    """Measure the sky of an image in cells; the mode of each, as in `measure.background`.

    Parameters
    ----------
    data
        (row, column) light and sky.
    usable
        Which pixels count.
    box
        Width of a cell [pixel]; cells are shrunk or stretched to fill the image.
    workers
        Threads; the result does not depend on them.

    Raises
    ------
    UsageError
        For cells narrower than 16 pixels.
    """
    if box < 16:
        raise UsageError(f"The mesh has cells of {box} pixels.", "16 pixels or more")
    rows, columns = (cell_edges(size, box) for size in data.shape)
    level = np.full((len(rows) - 1, len(columns) - 1), np.nan, np.float32)
    error = np.full_like(level, np.nan)

    def measure(row: int) -> None:
        band = slice(rows[row], rows[row + 1], EVERY)
        _measure(data[band], usable[band], columns, level[row], error[row])

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(measure, range(len(level))))
    x, y = ((edges[:-1] + edges[1:] - 1) / 2 for edges in (columns, rows))
    return SkyMesh(x, y, level, error)


def overlap(
    first: SkyMesh,
    second: SkyMesh,
    to_second: Callable[[Values, Values], tuple[Values, Values]],
) -> tuple[float, float, int] | None:
    """What two skies differ by, where both are seen.

    The levels of the second image are interpolated, linearly, at the centres of the cells of the
    first.  Differences are averaged with the inverse of their variances; the scatter that
    sources cause, since the two see parts of the sky that are not quite the same, is
    measured and counts as noise of the cells.

    Parameters
    ----------
    first, second
        Levels of the images.
    to_second
        Takes columns and rows of the first image to those of the second; NaN where there is no
        way.

    Returns
    -------
    tuple or None
        First less second, its standard error, and the cells that it rests upon; ``None``
        where no cell of the first lies among those of the second.
    """
    x, y = np.meshgrid(first.x, first.y)
    known = np.isfinite(first.level)
    if not known.any() or not np.isfinite(second.level).any():
        return None
    nodes, shares = _bilinear(second, *to_second(x[known], y[known]))
    level, error = second.level.ravel(), second.error.ravel()
    at = np.where(shares > 0, level[nodes], 0) * shares
    difference = first.level[known] - at.sum(axis=1)
    good = np.isfinite(difference)
    if not good.any():
        return None
    difference, nodes, shares = difference[good].astype(float), nodes[good], shares[good]
    own = first.error[known][good].astype(float) ** 2
    theirs = np.where(shares > 0, error[nodes], 0).astype(float) ** 2
    weights, extra = _clipped_weights(difference, own, theirs, shares)
    # Cells of the second image are shared by several differences.
    totals = np.bincount(nodes.ravel(), (weights[:, None] * shares).ravel(), second.level.size)
    noise = np.where(np.isfinite(error), error, 0).astype(float) ** 2 + extra
    variance = np.sum(weights**2 * (own + extra)) + np.sum(totals**2 * noise)
    return float(weights @ difference), float(np.sqrt(variance)), int(np.sum(weights > 0))


def _bilinear(mesh: SkyMesh, x: Values, y: Values) -> tuple[NDArray[np.int64], Values]:
    """(place, 4) cells around each place, and their shares; NaN shares outside."""
    parts = []
    for place, centres in ((x, mesh.x), (y, mesh.y)):
        at = np.interp(place, centres, np.arange(len(centres)), left=np.nan, right=np.nan)
        low = np.clip(np.nan_to_num(at).astype(np.int64), 0, max(len(centres) - 2, 0))
        parts.append((low, np.minimum(low + 1, len(centres) - 1), at - low))
    (left, right, u), (below, above, v) = parts
    width = len(mesh.x)
    nodes = [below * width + left, below * width + right, above * width + left,
             above * width + right]  # fmt: skip
    shares = [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v]
    return np.stack(nodes, axis=-1), np.stack(shares, axis=-1)


def _clipped_weights(
    difference: Values, own: Values, theirs: Values, shares: Values
) -> tuple[Values, float]:
    """Weights of differences, their sum 1, and the variance that sources add to a cell."""
    noise = own + np.sum(shares**2 * theirs, axis=1)
    count = 1 + np.sum(shares**2, axis=1)
    middle = np.median(difference)
    scatter = 1.4826 * np.median(np.abs(difference - middle))
    extra = max(0.0, float((scatter**2 - np.median(noise)) / np.median(count)))
    variance = noise + extra * count
    kept = (difference - middle) ** 2 <= CLIP**2 * np.maximum(variance, scatter**2)
    weights = np.where(kept, 1 / np.maximum(variance, np.finfo(float).tiny), 0)
    return weights / weights.sum(), extra


@dataclass(frozen=True)
class MatchedLevels:
    """The skies to be subtracted from images, so that they agree."""

    offsets: Values
    """(image,) what is to be subtracted."""

    errors: Values
    """(image,) standard error of it, relative to the other images of its group; larger by the
    root of ``chi2 / freedom`` where that is above 1."""

    chi2: float
    """Sum of squared pulls of the differences."""

    freedom: int
    """Differences less what was solved for."""

    groups: NDArray[np.int64]
    """(image,) number of the group of images that overlap, directly or by way of others."""


def match_levels(
    differences: Iterable[tuple[int, int, float, float]],
    count: int,
    *,
    levels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    mode: Literal["match", "subtract", "none"] = "match",
) -> MatchedLevels:
    """Make the differences between all images agree.

    Weighted least squares; differences that do not fit count less.  What they leave open,
    a constant in each group, is set so that the weighted mean of a group's offsets is zero:
    the mean sky stays.

    Parameters
    ----------
    differences
        For pairs of images: their numbers i and j, the sky of i less that of j, its error.
    count
        Images.
    levels
        (image,) the sky of each, for "subtract"; NaN where it is not known.
    weights
        (image,) what each counts in the mean; all the same if not given.
    mode
        ``match``: skies agree and their mean stays; ``subtract``: that mean is removed, too;
        ``none``: nothing is subtracted.

    Raises
    ------
    UsageError
        For images that do not exist, differences without an error, or a sky that is to be
        subtracted and is not known.
    """
    pairs, values, errors = _checked(list(differences), count)
    shares = np.ones(count) if weights is None else np.asarray(weights, float)
    groups = _groups(pairs, count)
    if mode == "none":
        return MatchedLevels(np.zeros(count), np.zeros(count), 0.0, 0, groups)
    offsets, covariance = _solved(pairs, values, errors, groups, shares)
    pulls = (values - offsets[pairs[:, 0]] + offsets[pairs[:, 1]]) / errors
    chi2, freedom = float(pulls @ pulls), len(pairs) - count + int(groups.max(initial=-1)) + 1
    scale = max(1.0, chi2 / freedom) if freedom > 0 else 1.0
    if mode == "subtract":
        offsets = offsets + _means(np.asarray(levels, float), groups, shares)
    return MatchedLevels(offsets, np.sqrt(scale * covariance), chi2, freedom, groups)


def _checked(
    differences: list[tuple[int, int, float, float]], count: int
) -> tuple[NDArray[np.int64], Values, Values]:
    """(pair, 2) numbers of images, differences and errors."""
    table = np.array(differences, float).reshape(-1, 4)
    pairs = table[:, :2].astype(np.int64)
    alien = (pairs < 0).any() or (pairs >= count).any() or (pairs[:, 0] == pairs[:, 1]).any()
    if alien or not np.isfinite(table).all() or not (table[:, 3] > 0).all():
        raise UsageError(
            f"The differences of the skies of {count} images are {differences[:5]} ...",
            "numbers of two images, a finite difference and a positive error, for each pair",
        )
    return pairs, table[:, 2], table[:, 3]


def _groups(pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Numbers of the connected groups, in the order of their first images."""
    groups = np.arange(count)
    for i, j in pairs:
        one, other = sorted((groups[i], groups[j]))
        groups[groups == other] = one
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _solved(
    pairs: NDArray[np.int64],
    values: Values,
    errors: Values,
    groups: NDArray[np.int64],
    shares: Values,
) -> tuple[Values, Values]:
    """Offsets and their variances: normal equations, and the mean of each group as one more."""
    i, j = pairs.T
    count = len(groups)
    gauge = shares * (groups == np.arange(groups.max(initial=-1) + 1)[:, None])
    gauge = gauge / np.maximum(gauge.sum(axis=1), np.finfo(float).tiny)[:, None]
    robust = np.ones(len(values))
    offsets = np.zeros(count)
    for _ in range(ROUNDS):
        strength = robust / errors**2
        normal = np.zeros((count, count))
        right = np.zeros(count)
        for one, other, sign in ((i, j, 1.0), (j, i, -1.0)):
            np.add.at(normal, (one, one), strength)
            np.add.at(normal, (one, other), -strength)
            np.add.at(right, one, sign * strength * values)
        scale = float(np.trace(normal)) / max(count, 1) or 1.0
        bordered = np.block([[normal / scale, gauge.T], [gauge, np.zeros((len(gauge),) * 2)]])
        inverse = np.linalg.inv(bordered)[:count, :count]
        before, offsets = offsets, inverse @ right / scale
        pulls = np.abs(values - offsets[i] + offsets[j]) / errors
        robust = np.minimum(1, HUBER / np.maximum(pulls, HUBER))
        if np.all(np.abs(offsets - before) <= 1e-9 * np.abs(offsets).max(initial=0)):
            break
    return offsets, np.maximum(np.diag(inverse) / scale, 0)


def _means(levels: Values, groups: NDArray[np.int64], shares: Values) -> Values:
    """(image,) weighted mean sky of the group that each belongs to."""
    if levels.shape != groups.shape:
        raise UsageError(
            f"The skies of {len(groups)} images are to be subtracted, {levels.size} are known.",
            "the sky of each image",
        )
    known = np.isfinite(levels)
    total = np.bincount(groups, np.where(known, shares * np.nan_to_num(levels), 0))
    weight = np.bincount(groups, known * shares)
    if not (weight > 0).all():
        raise UsageError(
            "No sky is known of any image of a group that is to be subtracted.",
            "an image whose sky was measured in every group",
            "leave out images of which nothing is usable",
        )
    return np.asarray((total / weight)[groups])


@njit(nogil=True, cache=True)
def _measure(data, usable, edges, level, error):  # type: ignore[no-untyped-def]
    """Levels of the cells of one band of rows, and their errors."""
    values = np.empty(data.shape[0] * np.max(np.diff(edges)), np.float32)
    for cell in range(len(edges) - 1):
        count = 0
        for row in range(data.shape[0]):
            for column in range(edges[cell], edges[cell + 1]):
                values[count] = data[row, column]
                count += usable[row, column]
        whole = data.shape[0] * (edges[cell + 1] - edges[cell])
        if count >= max(FEWEST_PIXELS, FEWEST_SHARE * whole):
            mode, sigma = lower_side_mode(values[:count])
            level[cell] = mode
            error[cell] = MODE_NOISE * sigma / np.sqrt(count)
