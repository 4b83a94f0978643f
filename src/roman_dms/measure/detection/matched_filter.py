"""How significant a point source would be at every pixel: the matched filter.

The best estimate of the flux of a star of shape P at a pixel, over its error, where pixels
have the light d and independent noise of variance v:

    S = sum(P d / v) / sqrt(sum(P^2 / v))

(North 1943; Irwin 1985, MNRAS 214, 575).  Pixels that say nothing have no weight, those
beyond the edge neither, so that S keeps its meaning beside them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

BAND = 32
"""Rows that are filtered together, few enough for the cache."""

KEPT = 0.998
"""Share of sum(P^2) that a trimmed kernel keeps: 0.1 per cent of the significance is lost."""


def matched_filter(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    kernel: NDArray[np.floating],
    *,
    scale: float = 1.0,
    workers: int = 2,
) -> NDArray[np.float32]:
    """Significance of a point source at each pixel, 0 where no pixel near it is usable.

    Parameters
    ----------
    light
        (row, column) background-subtracted; finite.
    variance
        (row, column) of the background's noise; infinite at unusable pixels.
    kernel
        (k, k), k odd: what share of a star's light each pixel receives.
    scale
        Factor on the significance.
    workers
        Threads; the result does not depend on them.
    """
    significance = np.empty(light.shape, np.float32)
    taps = padded_to_four(trimmed(kernel))
    starts = range(0, light.shape[0], BAND)
    with ThreadPoolExecutor(workers) as pool:

        def one(first: int) -> None:
            out = significance[first : first + BAND]
            filter_rows(light, variance, first, taps, np.float32(scale), out)

        list(pool.map(one, starts))
    return significance


def trimmed(kernel: NDArray[np.floating]) -> NDArray[np.float32]:
    """The smallest central square of a kernel that detects stars as well as the whole."""
    squares = np.asarray(kernel, np.float64) ** 2
    middle = squares.shape[0] // 2
    for half in range(middle + 1):
        inner = slice(middle - half, middle + half + 1)
        if squares[inner, inner].sum() >= KEPT * squares.sum():
            break
    return np.asarray(kernel[inner, inner], np.float32)


def padded_to_four(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The kernel with columns of zeros at its right, to a multiple of four."""
    return np.pad(kernel, ((0, 0), (0, -kernel.shape[1] % 4)))


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def filter_rows(light, variance, first, taps, scale, significance):  # type: ignore[no-untyped-def]
    """Fill the significance of the rows from ``first`` on.

    Parameters
    ----------
    light, variance
        (row, column) of the image; infinite variance where it is unusable.
    first
        Row of the image that is the first of the significance.
    taps
        (k, l), k odd: a star in the middle of the first k columns (`padded_to_four`).
    scale
        float32, factor on the significance.
    significance
        (some rows, column), filled; 0 where no pixel nearby is usable.
    """
    # four columns of the kernel at a time
    columns = light.shape[1]
    size, width = taps.shape
    half = size // 2
    squares = taps * taps
    weights, weighted = _weigh(light, variance, first - half, len(significance) + 2 * half, half)
    above, below = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for row in range(len(significance)):
        above[:] = 0
        below[:] = 0
        for i in range(size):
            for j in range(0, width, 4):
                p0, p1, p2, p3 = taps[i, j], taps[i, j + 1], taps[i, j + 2], taps[i, j + 3]
                q0, q1, q2, q3 = (
                    squares[i, j],
                    squares[i, j + 1],
                    squares[i, j + 2],
                    squares[i, j + 3],
                )
                d, w = weighted[row + i, j:], weights[row + i, j:]
                for c in range(columns):
                    above[c] += p0 * d[c] + p1 * d[c + 1] + p2 * d[c + 2] + p3 * d[c + 3]
                    below[c] += q0 * w[c] + q1 * w[c + 1] + q2 * w[c + 2] + q3 * w[c + 3]
        for c in range(columns):
            if below[c] > 0:
                significance[row, c] = scale * above[c] / np.sqrt(below[c])
            else:
                significance[row, c] = 0


@njit(nogil=True, cache=True)
def _weigh(light, variance, first, count, half):  # type: ignore[no-untyped-def]
    """1 / v and d / v of some rows, with a margin of columns; 0 outside the image."""
    rows, columns = light.shape
    weights = np.zeros((count, columns + 2 * half + 4), np.float32)
    weighted = np.zeros_like(weights)
    for i in range(count):
        row = first + i
        if 0 <= row < rows:
            for c in range(columns):
                weight = np.float32(1) / variance[row, c]
                weights[i, half + c] = weight
                weighted[i, half + c] = weight * light[row, c]
    return weights, weighted
