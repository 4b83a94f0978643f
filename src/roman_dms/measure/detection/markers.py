"""Pixels of sources whose places are known, as when more were found after detection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.measure.detection.basins import BANDS, Basins, basins_of
from roman_dms.measure.detection.settings import DetectionSettings


def segments_of(
    significance: NDArray[np.float32],
    x: ArrayLike,
    y: ArrayLike,
    *,
    footprint: float = DetectionSettings.footprint,
    workers: int = 2,
) -> NDArray[np.uint32]:
    """Divide the footprints of an image among given sources.

    Basins of the filtered image that hold no source join, over their highest saddle, one
    that does; a basin with several is divided among them by distance.  A source outside of
    all footprints has its own pixel only.

    Parameters
    ----------
    significance
        (row, column) as ``matched_filter`` gives it, over the correlation of the noise.
    x, y
        (n,) places of the sources [pixel].
    footprint
        Significance at the edge of a source's pixels.
    workers
        Threads; the result does not depend on them.

    Returns
    -------
    segments
        (row, column): i + 1 for pixels of source i, 0 for sky.  Of sources in the same
        pixel of the image the first has it.

    Raises
    ------
    UsageError
        For places that are not finite or not on the image.
    """
    columns, rows = np.asarray(x, np.float64), np.asarray(y, np.float64)
    height, width = significance.shape
    inside = (columns > -0.5) & (columns < width - 0.5) & (rows > -0.5) & (rows < height - 0.5)
    if not inside.all():
        raise UsageError(
            f"{np.count_nonzero(~inside)} of {inside.size} sources are not on the image.",
            f"columns from 0 to {width - 1}, rows from 0 to {height - 1}",
        )
    basins = basins_of(significance, footprint, workers)
    places = np.rint(rows).astype(np.int64) * width + np.rint(columns).astype(np.int64)
    homes = -1 - basins.owner.reshape(-1)[places].astype(np.int64)
    claims = _claims(basins, homes)
    order = np.argsort(homes, kind="stable")
    starts = np.searchsorted(homes[order], np.arange(len(basins.peaks) + 1))
    segments = basins.owner.view(np.uint32)
    with ThreadPoolExecutor(workers) as pool:

        def label(band: NDArray[np.int64]) -> None:
            part = slice(band[0], band[-1] + 1)
            arrays = (basins.owner[part], claims, starts, order, columns, rows)
            _label(*arrays, band[0], segments[part])

        list(pool.map(label, np.array_split(np.arange(height), min(BANDS, height))))
    segments.reshape(-1)[places[::-1]] = np.arange(len(places), 0, -1)
    return segments


def _claims(basins: Basins, homes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The basin with sources that each basin joins, -1 if there is none."""
    marked = np.zeros(len(basins.peaks), np.bool_)
    marked[homes[homes >= 0]] = True
    return _join(basins.pairs, marked)


@njit(nogil=True, cache=True)
def _join(pairs, marked):  # type: ignore[no-untyped-def]
    """From the highest saddle down, join basins of which one at most has sources."""
    above = np.arange(len(marked))
    for edge in range(len(pairs)):
        one, other = pairs[edge]
        while above[one] != one:
            above[one] = above[above[one]]
            one = above[one]
        while above[other] != other:
            above[other] = above[above[other]]
            other = above[other]
        if one == other or (marked[one] and marked[other]):
            continue
        if marked[one]:
            one, other = other, one
        above[one] = other
    claims = np.empty(len(above), np.int64)
    for basin in range(len(above)):
        top = basin
        while above[top] != top:
            top = above[top]
        claims[basin] = top if marked[top] else -1
    return claims


@njit(nogil=True, cache=True)
def _label(owner, claims, starts, order, x, y, first_row, segments):  # type: ignore[no-untyped-def]
    """Label the pixels of a band; ``segments`` and ``owner`` may be the same memory."""
    for row in range(owner.shape[0]):
        for column in range(owner.shape[1]):
            basin = -1 - owner[row, column]
            label = 0
            if basin >= 0 and claims[basin] >= 0:
                home = claims[basin]
                nearest = np.inf
                for one in range(starts[home], starts[home + 1]):
                    source = order[one]
                    distance = (x[source] - column) ** 2 + (y[source] - row - first_row) ** 2
                    if distance < nearest:
                        nearest, label = distance, source + 1
            segments[row, column] = label
