"""Every pixel of a footprint belongs to the maximum that the steepest way up leads to.

The pixels of a maximum are its basin (a watershed by steepest ascent: Vincent & Soille
1991).  What is left of the image is a graph of basins and the saddles between them, small
enough to decide on in one pass.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

BANDS = 16
"""Into how many bands of rows an image is cut, at most; saddles are listed band by band."""

REMEMBERED = 1 << 12
"""Pairs of basins that are remembered while saddles are listed, so that few come twice."""


@dataclass(frozen=True)
class Basins:
    """Basins of an image, and where they meet."""

    owner: NDArray[np.int32]
    """(row, column): -(basin + 1), 0 outside of footprints."""

    peaks: NDArray[np.int64]
    """(basin,) pixel of the maximum, in the flattened image; increasing."""

    pairs: NDArray[np.int32]
    """(saddle, 2) basins that meet, the highest saddle first; a pair may come again."""

    saddles: NDArray[np.float32]
    """(saddle,) height."""


def basins_of(height: NDArray[np.float32], floor: float, workers: int) -> Basins:
    """Divide the pixels above a floor (positive) among the maxima."""
    owner = np.zeros(height.shape, np.int32)
    cuts = np.linspace(0, height.shape[0], min(BANDS, height.shape[0]) + 1).astype(int)
    bands = list(pairwise(cuts))
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda band: _ascend(height, np.float32(floor), *band, owner), bands)
        peaks = np.concatenate(list(found))
        owner.reshape(-1)[peaks] = -1 - np.arange(len(peaks), dtype=np.int32)
        list(pool.map(lambda band: _climb(owner.reshape(-1), owner[slice(*band)]), bands))
        met = list(pool.map(lambda band: _meet(height, owner, *band), bands))
    pairs = np.concatenate([pair for pair, _ in met])
    saddles = np.concatenate([saddle for _, saddle in met])
    order = _descending(saddles)
    return Basins(owner, peaks, pairs[order], saddles[order])


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Order of positive values, whose bits order as they do; the first of equals first."""
    count = np.arange(len(values), dtype=np.uint64)
    keys = (~values.view(np.uint32)).astype(np.uint64) << np.uint64(32) | count
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


@njit(nogil=True, cache=True)
def _ascend(height, floor, first, last, owner):  # type: ignore[no-untyped-def]
    """Point each pixel to its highest neighbour (pixel + 1); return the maxima.

    Of equals the later pixel is the higher.
    """
    rows, columns = height.shape
    maxima = np.empty(((last - first) // 2 + 1) * (columns // 2 + 1), np.int64)
    count = 0
    for row in range(first, last):
        for column in range(columns):
            highest = height[row, column]
            if not highest > floor:
                continue
            best = row * columns + column
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    here, place = height[r, c], r * columns + c
                    if here > highest or (here == highest and place > best):
                        highest, best = here, place
            owner[row, column] = best + 1
            if best == row * columns + column:
                maxima[count] = best
                count += 1
    return maxima[:count].copy()


@njit(nogil=True, cache=True)
def _climb(flat, owner):  # type: ignore[no-untyped-def]
    """Follow the way up from each pixel of a band.

    Another thread may have replaced a pointer on the way by its end: the end is the same.
    """
    for row in range(owner.shape[0]):
        for column in range(owner.shape[1]):
            place = owner[row, column]
            while place > 0:
                place = flat[place - 1]
            owner[row, column] = place


@njit(nogil=True, cache=True)
def _meet(height, owner, first, last):  # type: ignore[no-untyped-def]
    """Pairs of basins that meet in a band or at its lower edge, and how high."""
    rows, columns = height.shape
    keys = np.full(REMEMBERED, -1, np.int64)
    slots = np.zeros(REMEMBERED, np.int64)
    pairs, saddles, count = np.empty((1024, 2), np.int32), np.empty(1024, np.float32), 0
    for row in range(first, last):
        for column in range(columns):
            one = owner[row, column]
            if one == 0:
                continue
            for step in range(4):
                r = row + (step > 0)
                c = column + (1 if step == 0 else step - 2)
                if r >= rows or c < 0 or c >= columns:
                    continue
                other = owner[r, c]
                if other == 0 or other == one:  # noqa: PLR1714 - numba has no such tuples
                    continue
                saddle = min(height[row, column], height[r, c])
                a, b = -1 - max(one, other), -1 - min(one, other)
                key = (np.int64(a) << 32) | b
                memory = (a * 31 + b) & (REMEMBERED - 1)
                if keys[memory] == key:
                    slot = slots[memory]
                    saddles[slot] = max(saddles[slot], saddle)
                    continue
                if count == len(saddles):
                    pairs = np.concatenate((pairs, np.empty_like(pairs)))
                    saddles = np.concatenate((saddles, np.empty_like(saddles)))
                keys[memory], slots[memory] = key, count
                pairs[count, 0], pairs[count, 1], saddles[count] = a, b, saddle
                count += 1
    return pairs[:count].copy(), saddles[:count].copy()
