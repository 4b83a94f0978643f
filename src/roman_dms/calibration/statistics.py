"""Robust statistics of an image: exact order statistics without a sort.

A float's bits, suitably flipped, order as the float does.  Counting their
upper half, then the lower half of those that share the sought upper half,
finds any rank in two passes over the image (a radix selection).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAD_TO_SIGMA = 1.482602218505602
"""Ratio of the standard deviation to the median absolute deviation of a Gaussian."""

HALF = 1 << 16


class ImageStatistics(NamedTuple):
    """Median [DN/s], robust standard deviation [DN/s] and share of usable pixels."""

    median: float
    rms: float
    good_fraction: float


def image_statistics(
    image: NDArray[np.float32], dq: NDArray[np.uint32], unusable: int, workers: int = 1
) -> ImageStatistics:
    """Median and spread of the usable, finite pixels of an image.

    Parameters
    ----------
    image
        (rows, columns) [DN/s].
    dq
        Flags; a pixel with any bit of ``unusable`` does not count.
    unusable
        Bits that make a pixel unusable.
    workers
        Threads that count.

    Returns
    -------
    statistics
        NaN for median and rms where no pixel is usable.
    """
    with ThreadPoolExecutor(workers) as pool:
        bands = np.array_split(np.arange(image.shape[0]), workers)

        def count(center: float, absolute: bool, prefix: int) -> NDArray[np.int64]:
            def one(band: NDArray[np.int64]) -> NDArray[np.int64]:
                rows = slice(band[0], band[-1] + 1) if band.size else slice(0, 0)
                return _count(
                    image[rows], dq[rows], np.uint32(unusable), np.float32(center), absolute, prefix
                )

            return np.sum(list(pool.map(one, bands)), axis=0)

        def median(center: float, absolute: bool) -> tuple[float, int]:
            upper = count(center, absolute, -1)
            total = int(upper.sum())
            if total == 0:
                return float("nan"), 0
            lower = cache(lambda prefix: count(center, absolute, prefix))
            ranks = ((total - 1) // 2, total // 2)
            values = [_select(rank, upper, lower) for rank in ranks]
            return float(np.mean(values, dtype=np.float64)), total

        middle, total = median(0.0, absolute=False)
        spread = median(middle, absolute=True)[0] if total else float("nan")
    return ImageStatistics(middle, MAD_TO_SIGMA * spread, total / image.size)


def _select(
    rank: int, upper: NDArray[np.int64], count_lower: Callable[[int], NDArray[np.int64]]
) -> np.float32:
    """Value of a rank, from the counts of the upper halves and those of the lower."""
    cumulated = np.cumsum(upper)
    prefix = int(np.searchsorted(cumulated, rank, side="right"))
    below = int(cumulated[prefix - 1]) if prefix else 0
    lower = np.cumsum(count_lower(prefix))
    suffix = int(np.searchsorted(lower, rank - below, side="right"))
    ordered = np.uint32(prefix * HALF + suffix)
    sign = np.uint32(0x80000000)
    bits = ordered ^ sign if ordered & sign else ~ordered
    return np.uint32(bits).view(np.float32)


@njit(nogil=True, cache=True)
def _count(image, dq, unusable, center, absolute, prefix):  # type: ignore[no-untyped-def]
    """Count upper halves (prefix < 0), or lower halves of those with an upper half."""
    counts = np.zeros(HALF, np.int64)
    shifted = np.empty(image.shape[1], np.float32)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            value = image[row, column] - center
            shifted[column] = abs(value) if absolute else value
        bits = shifted.view(np.uint32)
        for column in range(image.shape[1]):
            if dq[row, column] & unusable or not np.isfinite(shifted[column]):
                continue
            raw = bits[column]
            ordered = ~raw if raw & np.uint32(0x80000000) else raw | np.uint32(0x80000000)
            high = ordered >> np.uint32(16)
            if prefix < 0:
                counts[high] += 1
            elif high == prefix:
                counts[ordered & np.uint32(0xFFFF)] += 1
    return counts
