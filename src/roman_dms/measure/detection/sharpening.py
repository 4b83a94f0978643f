"""A filtered image in which bright neighbours stand apart.

The matched filter is best for stars that are barely seen, and blurs: of two bright stars 3
pixels apart it may show one.  Where there is light to spare the blur is taken back in part
(unsharp masking, by the mean of 3 x 3 pixels); where there is little, it stays.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

FULL = 20.0
"""Significance at which half of the sharpening is done."""

NOISE = 0.6
"""By how much full sharpening of strength 1 raises the noise (F158)."""

BANDS = 16
"""Bands of rows that are sharpened at the same time, at most."""


def sharpened(
    height: NDArray[np.float32], strength: float, floor: float, workers: int
) -> NDArray[np.float32]:
    """The filtered image with bright peaks narrowed.

    Parameters
    ----------
    height
        (row, column) significance.
    strength
        How much of the difference to the surroundings is added where there is much light.
    floor
        What lies above this stays above it, and nothing else.
    workers
        Threads; the result does not depend on them.
    """
    sharp = np.empty_like(height)

    def one(band: NDArray[np.int64]) -> None:
        _sharpen(height, np.float32(strength), np.float32(floor), band[0], band[-1] + 1, sharp)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, np.array_split(np.arange(len(height)), min(BANDS, len(height)))))
    return sharp


def share_of(height: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the sharpening is done at a significance, 0 to 1."""
    light = np.maximum(height, np.float32(0))
    return (light / (light + FULL)).astype(np.float32)


@njit(nogil=True, cache=True)
def _sharpen(height, strength, floor, first, last, sharp):  # type: ignore[no-untyped-def]
    rows, columns = height.shape
    for row in range(first, last):
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        for column in range(columns):
            here = height[row, column]
            if not here > floor:
                sharp[row, column] = 0
                continue
            left, right = max(column - 1, 0), min(column + 1, columns - 1)
            mean = height[above, left] + height[above, column] + height[above, right]
            mean += height[row, left] + here + height[row, right]
            mean += height[below, left] + height[below, column] + height[below, right]
            added = strength * here / (here + np.float32(FULL)) * (here - mean / np.float32(9))
            least = floor + np.float32(1e-3) * (here - floor)
            sharp[row, column] = max(here + added, least)
