"""Cores of stars so bright that their light is not known: one summit each."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FALL = 2.2
"""How steep the PSF is (F158, filtered: within a factor of three from 4 to 16 pixels)."""

MARGIN = 2
"""Pixels around a region that it lends its height: there the filter sees half a star."""

SLOPE = 0.03
"""Share of the height by which the edge of a summit is lower than its middle, and its margin
again; less than the relief that makes a source."""


def fill_cores(height: NDArray[np.float32], saturated: NDArray[np.bool_], width: float) -> None:
    """Raise the filtered image in each connected saturated region to one summit.

    Its height is what the region's edge says if the PSF falls as 1 / (1 + (r / width)^2)^``FALL``:
    a rough guess, above everything around, so that neither the hole of the core nor its
    edge looks like several sources.  It is highest in the region's middle.

    Parameters
    ----------
    height
        (row, column) significance; changed.
    saturated
        (row, column).
    width
        Of the PSF [pixel].
    """
    places = np.flatnonzero(saturated)
    if places.size:
        _fill(height, saturated, places, width)


@njit(nogil=True, cache=True)
def _fill(height, saturated, places, width):  # type: ignore[no-untyped-def]
    rows, columns = height.shape
    seen = np.zeros(len(places), np.bool_)
    members = np.empty(len(places), np.int64)  # of one region after another
    firsts = np.empty(len(places) + 1, np.int64)
    plateaus = np.empty(len(places), np.float32)
    count, done, regions = 0, 0, 0
    for start in range(len(places)):
        if seen[start]:
            continue
        seen[start] = True
        members[count] = places[start]
        firsts[regions] = count
        count += 1
        top = np.float32(0)
        while done < count:
            row, column = members[done] // columns, members[done] % columns
            done += 1
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    top = max(top, height[r, c])
                    if saturated[r, c]:
                        at = np.searchsorted(places, r * columns + c)
                        if not seen[at]:
                            seen[at] = True
                            members[count] = places[at]
                            count += 1
        # where the highest value was found
        radius = np.sqrt((count - firsts[regions]) / np.pi) + 1
        plateaus[regions] = top * (1 + (radius / width) ** 2) ** FALL
        regions += 1
    firsts[regions] = count
    for region in range(regions):  # after all: what is raised says nothing of its neighbours
        _raise(height, members[firsts[region] : firsts[region + 1]], plateaus[region])


@njit(nogil=True, cache=True)
def _raise(height, region, plateau):  # type: ignore[no-untyped-def]
    """Give a region and its margin a height that falls from the centroid outwards."""
    rows, columns = height.shape
    row, column = np.mean(region // columns), np.mean(region % columns)
    distance = (region // columns - row) ** 2 + (region % columns - column) ** 2
    furthest = max(1.0, np.max(distance))
    for place in region:
        r, c = place // columns, place % columns
        for i in range(max(r - MARGIN, 0), min(r + MARGIN + 1, rows)):
            for j in range(max(c - MARGIN, 0), min(c + MARGIN + 1, columns)):
                fall = SLOPE * min(2.0, ((i - row) ** 2 + (j - column) ** 2) / furthest)
                height[i, j] = max(height[i, j], plateau * (1 - fall))
