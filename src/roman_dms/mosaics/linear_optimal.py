r"""Linear-optimal combination: a stamp with a PSF of one's choice, from undersampled images.

Rowe, Hirata & Rhodes (2011, ApJ 741, 46).  Output pixels are sums T I of input pixels.  Their PSF
misses the target by a leakage U, and noise grows by Sigma:

.. math:: U / C = T A T^T - 2 T b + 1, \quad \Sigma = T N T^T, \quad T = b (A + \kappa N)^{-1}

with the overlaps A of the PSFs of pairs of input pixels, b with the target, C of the target with
itself (A and b in units of C), and the relative variance N of the sky.  T is the least of
U / C + kappa Sigma.  As in Hirata et al. (2024, MNRAS 528, 2533) the stamp is made in tiles, each
from the pixels within some radius of it.

One thing is added: the weights of an output pixel sum to one, by a second Lagrange multiplier, so
that a flat sky stays as flat and as bright as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.psf_overlaps import Overlaps, Values, psf_overlaps
from roman_dms.mosaics.stamp import Stamp, StampInput, StampSettings

MOST_PIXELS = 12_000
"""Input pixels of a tile, at most: their matrix takes 1.2 GB."""

KAPPAS = (1e-12, 1e3)
"""Range in which a multiplier is sought for a leakage that is asked for."""

HALVINGS = 32
"""Steps of that search: kappa to 1e-8."""


def linear_optimal(
    images: Sequence[StampInput],
    area: Area,
    settings: StampSettings | None = None,
    *,
    keep_weights: bool = False,
    workers: int = 1,
) -> Stamp:
    """Combine images into a stamp whose PSF is as near as possible to a target.

    Parameters
    ----------
    images
        With the same components of variance.  PSFs are taken as constant over the stamp.
    area
        Its pixels, on the mosaic's grid.
    settings
        Target, and what noise is worth.
    keep_weights
        Keep T, for the covariance: 4 bytes times output times input pixels of a tile.
    workers
        Threads, one a tile; the result does not depend on them.

    Raises
    ------
    UsageError
        For no images, settings that cannot be, or too many pixels in a tile.
    """
    settings = settings or StampSettings()
    _check(images, settings)
    pixels = _gathered(images, area.grown(int(np.ceil(settings.radius)) + 1))
    tiles = list(_tiles(area, settings.tile))
    _check_memory(pixels, tiles, settings.radius)
    farthest = 2 * settings.radius + settings.tile + 1
    overlaps = psf_overlaps([one.psf for one in images], settings.target, farthest)

    def make(tile: Area) -> _Tile:
        return _made(tile, pixels, overlaps, settings, keep_weights)

    with ThreadPoolExecutor(workers) as pool:
        made = list(pool.map(make, tiles))
    return _assembled(area, tiles, made, pixels, overlaps, [one.psf.enclosed for one in images])


@dataclass(frozen=True)
class _Pixels:
    """Usable input pixels, image by image."""

    places: Values
    """(2, n) on the mosaic's grid."""

    image: NDArray[np.intp]
    data: Values
    relative: Values
    """Variance of the sky, relative to that of the mean weight."""

    variances: dict[str, Values]

    def around(self, tile: Area, radius: float) -> NDArray[np.intp]:
        """Numbers of those within a radius of the centres of a tile's pixels, along an axis."""
        x, y = tile.centre
        near_x = np.abs(self.places[0] - x) <= (tile.columns - 1) / 2 + radius
        near_y = np.abs(self.places[1] - y) <= (tile.rows - 1) / 2 + radius
        return np.flatnonzero(near_x & near_y)


@dataclass(frozen=True)
class _Tile:
    """What becomes of the output pixels of a tile; arrays are (m, ...)."""

    data: Values
    variances: dict[str, Values]
    leakage: Values
    noise: Values
    coverage: Values
    kappa: Values
    used: NDArray[np.intp]
    weights: NDArray[np.float32] | None


def _check(images: Sequence[StampInput], settings: StampSettings) -> None:
    if not images:
        raise UsageError("A stamp was asked for of no images.", "images that show the place")
    components = {tuple(sorted(one.image.variances)) for one in images}
    if len(components) > 1:
        raise UsageError(
            f"Images have the variances {sorted(components)}.", "the same components in all"
        )
    if not (settings.kappa > 0 and settings.radius > 0 and settings.tile >= 1):
        raise UsageError(
            f"kappa is {settings.kappa:g}, the radius {settings.radius:g}, a tile has "
            f"{settings.tile} pixels.",
            "all above zero",
        )
    if settings.leakage is not None and not 0 < settings.leakage < 1:
        raise UsageError(f"A leakage of {settings.leakage:g} was asked for.", "between 0 and 1")


def _check_memory(pixels: _Pixels, tiles: Sequence[Area], radius: float) -> None:
    most = max(len(pixels.around(tile, radius)) for tile in tiles)
    if most > MOST_PIXELS:
        raise UsageError(
            f"{most} input pixels lie within {radius:g} pixels of a tile.",
            f"{MOST_PIXELS} at most, for which there is memory",
            "ask for smaller tiles or a smaller radius, or leave images out",
        )


def _gathered(images: Sequence[StampInput], area: Area) -> _Pixels:
    """All usable pixels that lie on an area."""
    parts: list[dict[str, Values]] = []
    for number, one in enumerate(images):
        window = one.image.window
        x, y = np.meshgrid(
            window.x0 + np.arange(window.columns, dtype=float),
            window.y0 + np.arange(window.rows, dtype=float),
        )
        along, up = one.way.to_mosaic(x, y)
        inside = np.abs(along - area.centre[0]) <= area.columns / 2
        inside &= np.abs(up - area.centre[1]) <= area.rows / 2
        use = inside & (one.image.weight > 0) & np.isfinite(one.image.data)
        part: dict[str, NDArray[Any]] = {"x": along, "y": up, "data": one.image.data}
        part |= {"weight": one.image.weight}
        part |= {f"of {name}": values for name, values in one.image.variances.items()}
        parts.append({name: values[use].astype(float) for name, values in part.items()})
        parts[-1]["image"] = np.full(int(use.sum()), float(number))
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    mean = whole["weight"].mean() if whole["weight"].size else 1.0
    return _Pixels(
        np.stack([whole["x"], whole["y"]]),
        whole["image"].astype(np.intp),
        whole["data"],
        mean / whole["weight"],
        {name: whole[f"of {name}"] for name in images[0].image.variances},
    )


def _tiles(area: Area, side: int) -> Iterator[Area]:
    """Tiles that cover an area, those at its far edges smaller."""
    for y in range(0, area.rows, side):
        for x in range(0, area.columns, side):
            rows, columns = min(side, area.rows - y), min(side, area.columns - x)
            yield Area(area.x0 + x, area.y0 + y, columns, rows)


def _made(
    tile: Area, pixels: _Pixels, overlaps: Overlaps, settings: StampSettings, keep: bool
) -> _Tile:
    used = pixels.around(tile, settings.radius)
    x, y = np.meshgrid(
        tile.x0 + np.arange(tile.columns, dtype=float), tile.y0 + np.arange(tile.rows, dtype=float)
    )
    outputs = np.stack([x.ravel(), y.ravel()])
    if not len(used):
        return _empty(outputs.shape[1], pixels, used)
    pair, goal = _system(pixels, used, outputs, overlaps)
    relative = pixels.relative[used]
    if settings.leakage is None:
        weights, leakage = _with_kappa(pair, goal, relative, settings.kappa)
        kappa = np.full(len(weights), settings.kappa)
    else:
        weights, leakage, kappa = _with_leakage(pair, goal, relative, settings.leakage)
    weights[leakage > settings.worst] = np.nan
    squared = weights**2
    shares = np.stack(
        [weights[:, pixels.image[used] == one].sum(axis=1) for one in np.unique(pixels.image[used])]
    )
    return _Tile(
        weights @ pixels.data[used],
        {name: squared @ values[used] for name, values in pixels.variances.items()},
        leakage,
        squared @ relative,
        shares.sum(axis=0) ** 2 / (shares**2).sum(axis=0),
        kappa,
        used,
        weights.astype(np.float32) if keep else None,
    )


def _empty(count: int, pixels: _Pixels, used: NDArray[np.intp]) -> _Tile:
    """Output pixels without any input."""
    none, nothing = np.full(count, np.nan), np.zeros(count)
    variances = dict.fromkeys(pixels.variances, none)
    return _Tile(none, variances, np.ones(count), none, nothing, none, used, None)


def _system(
    pixels: _Pixels, used: NDArray[np.intp], outputs: Values, overlaps: Overlaps
) -> tuple[Values, Values]:
    """Overlaps (n, n) of pairs of input pixels, the lower triangle, and (m, n) with the target."""
    image = pixels.image[used]
    unique, first, counts = np.unique(image, return_index=True, return_counts=True)
    spans = {
        int(one): slice(int(at), int(at + count))
        for one, at, count in zip(unique, first, counts, strict=True)
    }
    places = pixels.places[:, used]
    pair = np.zeros((len(used), len(used)))
    goal = np.empty((outputs.shape[1], len(used)))
    for a, rows in spans.items():
        mine = np.ascontiguousarray(places[:, rows])
        overlaps.with_target(a, mine, outputs, goal[:, rows])
        for b, columns in spans.items():
            if b <= a:
                theirs = np.ascontiguousarray(places[:, columns])
                overlaps.of_pair(a, b, mine, theirs, pair[rows, columns])
    return pair, goal


def _with_kappa(
    pair: Values, goal: Values, relative: Values, kappa: float
) -> tuple[Values, Values]:
    """Weights (m, n) and leakage (m,) for one multiplier; ``pair`` is used up."""
    from scipy.linalg import lapack  # noqa: PLC0415 - slow to import

    pair[np.diag_indices_from(pair)] += kappa * relative
    # the transpose is in Fortran's order, and its upper triangle is filled
    factor, wrong = lapack.dpotrf(pair.T, lower=0, clean=0, overwrite_a=1)
    if wrong:
        raise UsageError(
            f"With kappa = {kappa:g} the weights of input pixels cannot be told apart.",
            "a kappa above the rounding of the overlaps, 1e-9 or so",
            "ask for a larger kappa",
        )
    sides = np.vstack([goal, np.ones(len(relative))])
    solved = lapack.dpotrs(factor, sides.T, lower=0)[0].T
    flat = solved[-1]
    level = (1 - solved[:-1].sum(axis=1)) / flat.sum()
    weights = solved[:-1] + level[:, np.newaxis] * flat
    missed = 1 - np.einsum("mn,mn->m", weights, goal) + level
    return weights, missed - kappa * (weights**2 @ relative)


def _with_leakage(
    pair: Values, goal: Values, relative: Values, leakage: float
) -> tuple[Values, Values, Values]:
    """Weights (m, n), leakage (m,) and multipliers (m,) with the least noise for a leakage.

    All multipliers are solved for at once among the eigenvectors of the overlaps.
    """
    from scipy.linalg import eigh  # noqa: PLC0415 - slow to import

    root = np.sqrt(relative)
    # the lower triangle alone is filled, and read
    values, vectors = eigh(pair / root / root[:, np.newaxis], lower=True, driver="evd")
    values = np.maximum(values, 0)
    along, flat = (goal / root) @ vectors, (1 / root) @ vectors

    def solved(kappa: Values) -> tuple[Values, Values]:
        below = 1 / (values + kappa[:, np.newaxis])
        level = (1 - (along * below) @ flat) / (below @ flat**2)
        weights = (along + level[:, np.newaxis] * flat) * below
        return weights, 1 + ((weights * values - 2 * along) * weights).sum(axis=1)

    low, high = (np.full(len(goal), np.log(edge)) for edge in KAPPAS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fine = solved(np.exp(middle))[1] <= leakage
        low, high = np.where(fine, middle, low), np.where(fine, high, middle)
    kappa = np.exp(low)
    weights, reached = solved(kappa)
    return weights @ vectors.T / root, reached, kappa


def _assembled(
    area: Area,
    tiles: Sequence[Area],
    made: Sequence[_Tile],
    pixels: _Pixels,
    overlaps: Overlaps,
    enclosed: Sequence[float],
) -> Stamp:
    def whole(parts: Sequence[Values]) -> Values:
        out = np.empty(area.shape)
        for tile, part in zip(tiles, parts, strict=True):
            out[area.slices(tile)] = part.reshape(tile.shape)
        return out

    x, y = pixels.places
    return Stamp(
        area,
        whole([one.data for one in made]),
        {name: whole([one.variances[name] for one in made]) for name in pixels.variances},
        whole([one.leakage for one in made]),
        whole([one.noise for one in made]),
        whole([one.coverage for one in made]),
        whole([one.kappa for one in made]),
        overlaps.psf,
        tuple(enclosed),
        _sparse(area, tiles, made, len(pixels.data)),
        {"data": pixels.data, "image": pixels.image, "x": x, "y": y, **pixels.variances},
    )


def _sparse(area: Area, tiles: Sequence[Area], made: Sequence[_Tile], count: int) -> Any:
    """T of the whole stamp; ``None`` where it was not kept."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to import

    numbers = np.arange(area.rows * area.columns).reshape(area.shape)
    rows, columns, values = [], [], []
    for tile, one in zip(tiles, made, strict=True):
        if one.weights is not None:
            rows.append(np.repeat(numbers[area.slices(tile)].ravel(), len(one.used)))
            columns.append(np.tile(one.used, len(one.weights)))
            values.append(one.weights.ravel())
    if not values:
        return None
    places = np.concatenate(rows), np.concatenate(columns)
    return coo_array((np.concatenate(values), places), (numbers.size, count)).tocsr()
