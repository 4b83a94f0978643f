"""The noise of the sky: what the errors of an image would be without its sources.

Detection asks how likely sky alone would look like a source, so the photon noise of the
sources themselves must be taken out of the errors.  Errors come in two kinds, that of a
true or smoothed rate and that of the measured rate, which goes up and down with the noise
itself; weights made from the latter favour low pixels.  Both become the first kind here.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.measure.background import Background, lower_side_mode
from roman_dms.measure.detection.matched_filter import matched_filter
from roman_dms.measure.image import Image, bands_of
from roman_dms.measure.mesh import Surface, cell_edges, filled, surface_row

BOX = 128
"""Width of the cells of the typical variance [pixel]."""

SOURCE = (10.0, 1000.0)
"""Light of the pixels that tell the photon noise of sources [rms of the sky]."""

SKY = (1.0, 3.0)
"""How far below the sky the pixels lie that tell whether errors follow the noise [rms]."""

ENOUGH = 1_000_000
"""Pixels that are looked at for the photon noise; of large images, only some rows."""

TILE = 128
"""Width of the tiles on which correlation is measured [pixel]."""

CONFUSED = 2.5
"""Spread of a tile's filtered pixels, in units of that of the pixels themselves, beyond
which it is that of sources: the noise of detectors is not correlated by so much."""

TILES = 6
"""Such tiles along each axis, at most."""


@dataclass(frozen=True)
class Noise:
    """What the noise of an image is, apart from that of its sources' light."""

    variance: NDArray[np.float32]
    """(row, column) variance of a pixel that holds sky alone [unit^2]; infinite where
    unusable."""

    per_light: float
    """Variance that a unit of source light adds [unit]; 0 if no pixel is bright enough to
    tell (``SOURCE``), where there is none to take out either."""

    correlation: float
    """Standard deviation of the filtered image where there are no sources, in units of what
    independent pixels of this variance would give; 1 for an image without usable pixels."""


def noise_of(
    image: Image,
    background: Background,
    *,
    light: NDArray[np.float32] | None = None,
    kernel: NDArray[np.floating] | None = None,
    workers: int = 2,
) -> Noise:
    """Separate the noise of the sky from that of the sources' light.

    Where sources are brighter than the sky's own noise by much, their pixel's error says
    little about the sky: the typical variance of the surroundings stands there.

    Parameters
    ----------
    image, background
        The image and its sky.
    light
        The image without its sky, where it is at hand.
    kernel
        (k, k) of the filter for which the correlation holds; a Gaussian with a full width
        at half maximum of 2 pixels if not given.
    workers
        Threads; the result does not depend on them.
    """
    light = background.taken_from(image, workers) if light is None else light
    per_light, follows = _photon_noise(image, light, background)
    variance = np.empty(image.shape, np.float32)
    with ThreadPoolExecutor(workers) as pool:
        typical = _typical_variance(image, light, background, follows * per_light, pool)

        def clear(rows: slice) -> None:
            arrays = (image.err, light, image.unusable, variance)
            _clear_of_sources(*(a[rows] for a in arrays), typical.at(rows), per_light, follows)

        list(pool.map(clear, bands_of(image.shape[0])))
        correlation = _correlation(light, variance, kernel, pool)
    return Noise(variance, per_light, correlation)


def _photon_noise(
    image: Image, light: NDArray[np.float32], background: Background
) -> tuple[float, float]:
    """Variance per unit of light, and how far errors follow the noise (0: not, 1: fully)."""
    step = max(1, image.data.size // ENOUGH)
    rows = slice(None, None, step)
    usable = ~(image.unusable[rows] | image.saturated[rows])
    squared, some, rms = image.err[rows] ** 2, light[rows], background.scatter.at(rows).values()
    sky = usable & (np.abs(some) < rms)
    bright = usable & (some > SOURCE[0] * rms) & (some < SOURCE[1] * rms)
    if not sky.any() or not bright.any():
        return 0.0, 0.0
    typical = float(np.median(squared[sky]))
    per_light = max(0.0, float(np.median((squared[bright] - typical) / some[bright])))
    low = usable & (some < -SKY[0] * rms) & (some > -SKY[1] * rms)
    if per_light == 0 or not low.any():
        return per_light, 0.0
    slope = float(np.median((squared[low] - typical) / some[low]))
    return per_light, min(1.0, max(0.0, slope / per_light))


def _typical_variance(
    image: Image,
    light: NDArray[np.float32],
    background: Background,
    slope: float,
    pool: ThreadPoolExecutor,
) -> Surface:
    """Median variance of sky pixels around each pixel."""
    rows, columns = (cell_edges(size, BOX) for size in image.shape)
    medians = np.full((len(rows) - 1, len(columns) - 1), np.nan)

    def measure(row: int) -> None:
        band = slice(rows[row], rows[row + 1])
        arrays = (array[band] for array in (image.err, light, image.unusable))
        _median_variances(*arrays, background.scatter.at(band), columns, slope, medians[row])

    list(pool.map(measure, range(len(medians))))
    known = np.isfinite(medians).any()
    return Surface.of(filled(medians) if known else np.zeros((1, 1)), image.shape)


def _correlation(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    kernel: NDArray[np.floating] | None,
    pool: ThreadPoolExecutor,
) -> float:
    """Spread of the filtered image about the sky: median over tiles of the image.

    Tiles so full of sources that no sky is seen between them, when the filter has spread
    them, tell nothing; where there are no others the pixels themselves must do.
    """
    shape = _gaussian(2.0) if kernel is None else kernel
    margin = shape.shape[0] // 2
    rows, columns = (_spread_out(size) for size in light.shape)

    def measure(corner: tuple[int, int]) -> tuple[float, float]:
        row, column = corner
        tile = (slice(row, row + TILE + 2 * margin), slice(column, column + TILE + 2 * margin))
        usable = np.isfinite(variance[tile]) & (variance[tile] > 0)
        if usable.sum() < max(2, usable.size // 4):
            return float("nan"), float("nan")
        pixels = light[tile][usable] / np.sqrt(variance[tile][usable])
        filtered = matched_filter(light[tile], variance[tile], shape, workers=1)
        return float(lower_side_mode(pixels)[1]), float(lower_side_mode(filtered[usable])[1])

    corners = [(r, c) for r in rows for c in columns]
    alone, spread = np.array(list(pool.map(measure, corners))).T
    known = (alone > 0) & (spread > 0)
    clear = known & (spread < CONFUSED * alone)
    if clear.any():
        return float(np.median(spread[clear]))
    return float(np.median(alone[known])) if known.any() else 1.0


def _spread_out(size: int) -> NDArray[np.int64]:
    """Where tiles begin along an axis."""
    count = min(TILES, max(1, size // TILE))
    return np.linspace(0, max(0, size - TILE), count).astype(np.int64)


def _gaussian(width: float) -> NDArray[np.float64]:
    """A star, if the PSF is not known, with a full width at half maximum [pixel]."""
    offsets = np.arange(-3, 4)
    profile = np.exp(-4 * np.log(2) * offsets**2 / width**2)
    star = np.outer(profile, profile)
    return star / star.sum()


@njit(nogil=True, cache=True)
def _median_variances(err, light, unusable, scatter, edges, slope, medians):  # type: ignore[no-untyped-def]
    """Median of err^2, without what follows the noise, in the cells of a band of rows."""
    rms = np.empty(err.shape, np.float32)
    for row in range(err.shape[0]):
        surface_row(scatter, row, rms[row])
    for cell in range(len(edges) - 1):
        width = edges[cell + 1] - edges[cell]
        stride = max(1, width * err.shape[0] // 2048)
        values = np.empty(width * err.shape[0] // stride + 1, np.float32)
        count, row, column = 0, 0, edges[cell]
        while row < err.shape[0]:
            # without a branch: noise decides
            values[count] = err[row, column] ** 2 - slope * light[row, column]
            low = abs(light[row, column]) < 2 * rms[row, column]
            count += low & (not unusable[row, column])
            column += stride
            while column >= edges[cell + 1]:
                column -= width
                row += 1
        if count > 0:
            medians[cell] = np.median(values[:count])


@njit(nogil=True, cache=True)
def _clear_of_sources(err, light, unusable, variance, typical, per_light, follows):  # type: ignore[no-untyped-def]
    """Variance of the sky at each pixel: err^2 without what the source's light adds.

    Never less than the typical variance, or the pixel's own if that is less, where errors
    do not follow the noise; half of it where they do and the noise itself cannot be told.
    """
    gain, followed, share = np.float32(per_light), np.float32(follows), np.float32(1 - follows / 2)
    usually = np.empty(err.shape[1], np.float32)
    for row in range(err.shape[0]):
        surface_row(typical, row, usually)
        for column in range(err.shape[1]):
            error, here, usual = err[row, column], light[row, column], usually[column]
            whole, added = error * error, gain * here
            least = min(whole, usual) * share
            clear = max(whole - added, least)
            bright = (added > usual) & (here > np.float32(3) * error)
            clear = usual if bright else clear
            clear = whole - followed * added if here < 0 else clear
            variance[row, column] = np.float32(np.inf) if unusable[row, column] else clear
