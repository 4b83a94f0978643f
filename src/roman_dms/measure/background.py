"""The light of the sky under the sources, and its scatter, everywhere on an image.

In each cell of a mesh the sky is the mode of the pixels: a Gaussian is fitted, by maximum
likelihood, to the part of their distribution that sources hardly reach, from 4 standard
deviations below the mode to ``REACH`` above it.  The median and the clipped mean of the
cell are both drawn upwards by the faint wings of sources; this is drawn several times less.
Sources too many and too faint to be told from sky count as sky: they must.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.measure.image import Image, bands_of
from roman_dms.measure.mesh import Surface, cell_edges, filled, surface_row, without_outliers

REACH = 1.0
"""How far above the mode pixels are taken for sky [standard deviations]; higher is less
noisy (at 1 it is 1.8 times as noisy as the mean), lower is less biased by sources."""

DEPTH = 4.0
"""The same below the mode; beyond are faults."""

BINS = 8
"""Bins of the histogram in a standard deviation."""

FEWEST_PIXELS = 64
"""Usable pixels with which a cell is measured."""

FEWEST_SHARE = 0.1
"""Share of usable pixels with which a cell is measured."""

SAMPLE = 1024
"""Pixels of a cell, at most, from which the first guess is made."""


@dataclass(frozen=True)
class Background:
    """The sky at every pixel of an image, in the image's unit."""

    levels: Surface
    """Light of the sky; 0 where ``measured`` is 0."""

    scatter: Surface
    """Standard deviation of sky pixels about it; 0 where ``measured`` is 0."""

    measured: float
    """Share of the mesh's cells that had pixels enough; others are filled from neighbours.
    0: the image is unusable, nothing is known of the sky."""

    @property
    def level(self) -> NDArray[np.float32]:
        """(row, column) light of the sky at all pixels."""
        return self.levels.values()

    @property
    def rms(self) -> NDArray[np.float32]:
        """(row, column) standard deviation of sky pixels about it, at all pixels."""
        return self.scatter.values()

    def taken_from(self, image: Image, workers: int = 2) -> NDArray[np.float32]:
        """(row, column) light of an image without the sky; 0 where it is unusable."""
        light = np.empty(image.shape, np.float32)

        def take(rows: slice) -> None:
            _take(image.data[rows], image.unusable[rows], self.levels.at(rows), light[rows])

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(take, bands_of(image.shape[0])))
        return light


def background_of(image: Image, *, box: int = 128, workers: int = 2) -> Background:
    """Measure the sky of an image on a mesh and interpolate it to all pixels.

    The level is the mode of each cell (see above), without cells that differ from their
    neighbours as a large source does, by cubic convolution (Keys 1981, IEEE Trans. ASSP 29,
    1153) between the cells' centres.  Where there is one star in 280
    pixels the level is 0.065 rms too high (a clipped median: 0.075); in a field of galaxies
    it is 0.015 rms too low, since photon noise is skew and its mode is below its mean.

    Parameters
    ----------
    image
        What to measure; saturated pixels do not count.
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
    rows, columns = (cell_edges(size, box) for size in image.shape)
    level = np.full((len(rows) - 1, len(columns) - 1), np.nan)
    rms = np.full_like(level, np.nan)
    with ThreadPoolExecutor(workers) as pool:

        def measure(row: int) -> None:
            band = slice(rows[row], rows[row + 1])
            images = (image.data, image.unusable, image.saturated)
            _measure_cells(*(array[band] for array in images), columns, level[row], rms[row])

        list(pool.map(measure, range(len(level))))
    known = np.isfinite(level)
    if not known.any():
        nothing = Surface.of(np.zeros((1, 1)), image.shape)
        return Background(nothing, nothing, 0.0)
    levels, scatter = (
        Surface.of(without_outliers(filled(mesh)), image.shape) for mesh in (level, rms)
    )
    return Background(levels, scatter, float(known.mean()))


@njit(nogil=True, cache=True)
def _take(data, unusable, levels, light):  # type: ignore[no-untyped-def]
    """Light of some rows without the sky."""
    sky = np.empty(data.shape[1], np.float32)
    for row in range(data.shape[0]):
        surface_row(levels, row, sky)
        for column in range(data.shape[1]):
            above = data[row, column] - sky[column]
            light[row, column] = np.float32(0) if unusable[row, column] else above


@njit(nogil=True, cache=True)
def _measure_cells(data, unusable, saturated, edges, level, rms):  # type: ignore[no-untyped-def]
    """Level and rms of the cells of one band of rows; those with few pixels are left."""
    values = np.empty(data.shape[0] * np.max(np.diff(edges)), np.float32)
    for cell in range(len(edges) - 1):
        count = 0
        for row in range(data.shape[0]):
            for column in range(edges[cell], edges[cell + 1]):
                values[count] = data[row, column]
                count += not (unusable[row, column] | saturated[row, column])
        whole = data.shape[0] * (edges[cell + 1] - edges[cell])
        if count >= max(min(FEWEST_PIXELS, whole // 2), FEWEST_SHARE * whole, 1):
            level[cell], rms[cell] = lower_side_mode(values[:count])


@njit(nogil=True, cache=True)
def lower_side_mode(values):  # type: ignore[no-untyped-def]
    """Mode and standard deviation of the sky among pixels, of which some hold sources."""
    some = np.sort(values[:: len(values) // SAMPLE + 1])
    middle = some[len(some) // 2]
    width = middle - some[int(0.16 * len(some))]
    if not width > 0:
        return np.float64(middle), 0.0
    # Sources only widen the guess, and the histogram must hold the sky however wide it is.
    step = width / BINS
    low = middle - np.float32(2 * DEPTH) * width
    counts = np.zeros(int(2 * DEPTH + 3) * BINS, np.int64)
    scale = np.float32(1 / step)
    for value in values:
        place = (value - low) * scale
        if 0 <= place < len(counts):
            counts[int(place)] += 1
    mode, sigma = _fit_lower_side(counts)
    return low + mode * step, sigma * step


@njit(nogil=True, cache=True)
def _fit_lower_side(counts):  # type: ignore[no-untyped-def]
    """Gaussian of a histogram's lower side: mode and standard deviation, in bins.

    The moments of the bins between two limits, set right for what the limits cut off
    (those of a truncated Gaussian: Johnson, Kotz & Balakrishnan 1994, section 13.10.1);
    the limits follow the fit.
    """
    mode, sigma = 2 * DEPTH * BINS, 1.0 * BINS
    for _ in range(60):
        first = max(0, int(mode - DEPTH * sigma))
        last = min(len(counts), int(np.ceil(mode + REACH * sigma)))
        total, mean = 0, 0.0
        for place in range(first, last):
            total += counts[place]
            mean += counts[place] * (place + 0.5)
        if total < 8:
            break
        mean /= total
        variance = -1 / 12.0  # of the width of a bin
        for place in range(first, last):
            variance += counts[place] * (place + 0.5 - mean) ** 2 / total
        a, b = (first - mode) / sigma, (last - mode) / sigma
        at_a = math.exp(-a * a / 2) / math.sqrt(2 * math.pi)
        at_b = math.exp(-b * b / 2) / math.sqrt(2 * math.pi)
        inside = (math.erf(b / math.sqrt(2)) - math.erf(a / math.sqrt(2))) / 2
        shift = (at_a - at_b) / inside
        shrinkage = 1 + (a * at_a - b * at_b) / inside - shift**2
        before = mode
        sigma = math.sqrt(max(variance, 0.05) / shrinkage)
        mode = mean - sigma * shift
        if abs(mode - before) < 1e-4 * sigma:
            break
    return mode, sigma
