"""Masked pixels in bright sources: no valleys between peaks of one.

Where pixels have no weight, the significance of a star is lower than beside them.  In a galaxy
as wide as the hole that makes several maxima of one: of the core and of what surrounds it.
There, and there alone, pixels are filled with the mean of what surrounds them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

BRIGHT = 10.0
"""Significance beside a hole from which it is filled."""

SURE = 0.75
"""Share of the significance without the hole that stays, at least: that of a star is right, that
of light without structure up to 1.3 times too large where the hole is."""

AROUND = 2
"""Pixels on each side of an unusable one whose mean stands in for it."""

WIDTH = 1.0
"""Standard deviation of the Gaussian that weights them [pixel]."""


def over_holes(
    height: NDArray[np.float32],
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    kernel: NDArray[np.float32],
    scale: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What the filtered image would be near holes in bright sources if they were filled.

    Parameters
    ----------
    height
        (row, column) significance.
    light, variance
        (row, column) of the image; infinite variance where it is unusable.
    kernel
        (k, k) of the filter.
    scale
        Factor on the significance.

    Returns
    -------
    places, values
        (n,) pixels of the flattened image, and their significance.
    """
    holes = np.flatnonzero(variance == np.inf)
    holes = holes[height.flat[holes] > BRIGHT / 2]  # few are looked at closely
    filled, filled_variance = _fill(height, light, variance, holes)
    known = np.isfinite(filled_variance)
    holes = holes[known]
    places = np.unique(_around(holes, kernel.shape[0] // 2, height.shape))
    values = (filled[known], filled_variance[known])
    return places, _filtered(places, height, light, variance, holes, *values, kernel, scale)


def seen_peaks(
    peaks: NDArray[np.int64], holes: NDArray[np.int64], height: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The peaks (n,), those beside holes where the filtered image is highest as it is seen.

    A star whose core is a hole is judged, and its fit begins, where its light is.
    """
    at = np.minimum(np.searchsorted(holes, peaks), max(len(holes) - 1, 0))
    beside = holes[at] == peaks if len(holes) else np.zeros(len(peaks), bool)
    seen = peaks.copy()
    seen[beside] = _climbed(height, peaks[beside])
    again = np.ones(len(seen), bool)
    again[np.unique(seen, return_index=True)[1]] = False  # two that would be one stay
    seen[again] = peaks[again]
    return seen


@njit(nogil=True, cache=True)
def _climbed(height, places):  # type: ignore[no-untyped-def]
    """The maxima to which the steepest way up from some places leads."""
    rows, columns = height.shape
    tops = places.copy()
    for i in range(len(places)):
        best = -1
        while best != tops[i]:
            best = tops[i]
            row, column = best // columns, best % columns
            for r in range(max(row - 1, 0), min(row + 2, rows)):
                for c in range(max(column - 1, 0), min(column + 2, columns)):
                    if height[r, c] > height[tops[i] // columns, tops[i] % columns]:
                        tops[i] = r * columns + c
    return tops


@njit(nogil=True, cache=True)
def _fill(height, light, variance, holes):  # type: ignore[no-untyped-def]
    """Light and variance that stand in for unusable pixels; infinite where none does."""
    rows, columns = light.shape
    filled = np.zeros(len(holes), np.float32)
    doubt = np.full(len(holes), np.inf, np.float32)
    for i in range(len(holes)):
        row, column = holes[i] // columns, holes[i] % columns
        total = mean = spread = top = 0.0
        for r in range(max(row - AROUND, 0), min(row + AROUND + 1, rows)):
            for c in range(max(column - AROUND, 0), min(column + AROUND + 1, columns)):
                top = max(top, height[r, c])
                if variance[r, c] < np.inf:
                    distance = (r - row) ** 2 + (c - column) ** 2
                    weight = np.exp(-distance / (2 * WIDTH**2))
                    total += weight
                    mean += weight * light[r, c]
                    spread += weight * variance[r, c]
        if total > 0 and top > BRIGHT:
            filled[i], doubt[i] = mean / total, spread / total
    return filled, doubt


@njit(nogil=True, cache=True)
def _around(holes, half, shape):  # type: ignore[no-untyped-def]
    """Pixels of which the filter sees a hole, some of them more than once."""
    rows, columns = shape
    seen = np.empty(len(holes) * (2 * half + 1) ** 2, np.int64)
    count = 0
    for hole in holes:
        row, column = hole // columns, hole % columns
        for r in range(max(row - half, 0), min(row + half + 1, rows)):
            for c in range(max(column - half, 0), min(column + half + 1, columns)):
                seen[count] = r * columns + c
                count += 1
    return seen[:count]


@njit(nogil=True, cache=True)
def _filtered(places, height, light, variance, holes, filled, doubt, kernel, scale):  # type: ignore[no-untyped-def]
    """The matched filter at some pixels, with holes filled, or without if that is much more."""
    rows, columns = light.shape
    half = kernel.shape[0] // 2
    values = np.empty(len(places), np.float32)
    for i in range(len(places)):
        row, column = places[i] // columns, places[i] % columns
        above = below = 0.0
        for r in range(max(row - half, 0), min(row + half + 1, rows)):
            for c in range(max(column - half, 0), min(column + half + 1, columns)):
                here, noise = light[r, c], variance[r, c]
                if noise == np.inf:
                    at = np.searchsorted(holes, r * columns + c)
                    if at == len(holes) or holes[at] != r * columns + c:
                        continue
                    here, noise = filled[at], doubt[at]
                share = kernel[r - row + half, c - column + half]
                above += share * here / noise
                below += share * share / noise
        best = scale * above / np.sqrt(below) if below > 0 else 0.0
        values[i] = max(np.float32(best), np.float32(SURE) * height[row, column])
    return values
