"""Light in circles and ellipses, and the sky around a source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SUBROWS = 8
"""Chords of an ellipse that a row of pixels is cut by; along a chord the overlap is exact."""

CLIP = 3.0
"""Sky pixels farther from the median are left out [standard deviation]."""

BISECTIONS = 21
"""Halvings of the interval in which a median is sought."""

FEWEST = 10
"""Sky pixels that a median needs."""


@njit(nogil=True, cache=True, error_model="numpy")
def _in_quadrant(x0: float, x1: float, y0: float, y1: float, r: float) -> float:
    """Area of a rectangle, 0 <= x0 < x1, 0 <= y0 < y1, inside a circle around the origin."""
    square = r * r
    if x0 * x0 + y0 * y0 >= square:
        return 0.0
    if x1 * x1 + y1 * y1 <= square:
        return (x1 - x0) * (y1 - y0)
    # between u0 and u1 the arc is the rectangle's upper edge; before, y1 is; beyond, nothing
    u0 = min(max(np.sqrt(max(square - y1 * y1, 0.0)), x0), x1)
    u1 = min(np.sqrt(square - y0 * y0), x1)
    h0, h1 = np.sqrt(max(square - u0 * u0, 0.0)), np.sqrt(max(square - u1 * u1, 0.0))
    turned = np.arcsin(min(max((u1 * h0 - u0 * h1) / square, 0.0), 1.0))
    under_arc = 0.5 * (u1 * h1 - u0 * h0 + square * turned)
    return (u0 - x0) * (y1 - y0) + under_arc - y0 * (u1 - u0)


@njit(nogil=True, cache=True, error_model="numpy")
def circle_share(x: float, y: float, r: float) -> float:
    """Share of a pixel inside a circle.

    Parameters
    ----------
    x, y
        The pixel's centre from that of the circle [pixel].
    r
        Radius [pixel].

    Returns
    -------
    float
        0 to 1, exact.
    """
    x, y = abs(x), abs(y)
    if x >= 0.5 and y >= 0.5:
        return _in_quadrant(x - 0.5, x + 0.5, y - 0.5, y + 0.5, r)
    total = 0.0
    for left, right in ((max(x - 0.5, 0.0), x + 0.5), (0.0, 0.5 - x)):
        for low, high in ((max(y - 0.5, 0.0), y + 0.5), (0.0, 0.5 - y)):
            if right > left and high > low:
                total += _in_quadrant(left, right, low, high, r)
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def circle_sum(value: Any, noise: Any, x: float, y: float, r: float) -> Any:
    """Light in a circle.

    Parameters
    ----------
    value, noise
        (size, size) light and its variance.
    x, y, r
        Centre and radius; the circle must lie within the square [pixel].

    Returns
    -------
    float, float
        Light and its variance.
    """
    total, error = 0.0, 0.0
    for j in range(max(0, int(np.ceil(y - r - 0.5))), min(value.shape[0], int(y + r + 1.5))):
        near = max(abs(j - y) - 0.5, 0.0)
        if near >= r:
            continue
        far = abs(j - y) + 0.5
        reach = np.sqrt(r * r - near * near) + 0.5
        whole = np.sqrt(max(r * r - far * far, 0.0)) - 0.5
        first = max(0, int(np.ceil(x - reach)))
        stop = min(value.shape[1], int(np.floor(x + reach)) + 1)
        inner_first = max(first, int(np.ceil(x - whole))) if whole > 0 else stop
        inner_stop = min(stop, int(np.floor(x + whole)) + 1) if whole > 0 else stop
        inner_stop = max(inner_first, inner_stop)
        for i in range(inner_first, inner_stop):
            total += value[j, i]
            error += noise[j, i]
        for start, end in ((first, inner_first), (inner_stop, stop)):
            for i in range(start, end):
                share = circle_share(i - x, j - y, r)
                if share > 0:
                    total += share * value[j, i]
                    error += share * share * noise[j, i]
    return total, error


@njit(nogil=True, cache=True, error_model="numpy")
def ellipse_shares(
    x: float, y: float, cxx: float, cxy: float, cyy: float, scale: float, row: int, shares: Any
) -> Any:
    """Shares of the pixels of one row in an ellipse.

    Parameters
    ----------
    x, y
        Centre of the ellipse [pixel].
    cxx, cxy, cyy, scale
        cxx dx^2 + cxy dx dy + cyy dy^2 <= scale^2.
    row
        The row.
    shares
        (columns,) filled from the first to before the second number returned.

    Returns
    -------
    int, int
        First column, and the one after the last.
    """
    lefts, rights = np.empty(SUBROWS), np.empty(SUBROWS)
    first, stop = shares.size, 0
    for k in range(SUBROWS):
        dy = row - y + (k + 0.5) / SUBROWS - 0.5
        root = cxy * cxy * dy * dy - 4 * cxx * (cyy * dy * dy - scale * scale)
        lefts[k], rights[k] = 0.0, -1.0
        if root > 0:
            middle, half = x - cxy * dy / (2 * cxx), np.sqrt(root) / (2 * cxx)
            lefts[k], rights[k] = middle - half, middle + half
            first = min(first, max(0, int(np.floor(middle - half + 0.5))))
            stop = max(stop, min(shares.size, int(np.floor(middle + half + 0.5)) + 1))
    for i in range(first, stop):
        share = 0.0
        for k in range(SUBROWS):
            share += max(min(rights[k], i + 0.5) - max(lefts[k], i - 0.5), 0.0)
        shares[i] = share / SUBROWS
    return first, stop


@njit(nogil=True, cache=True, error_model="numpy")
def sky_around(
    light: Any, variance: Any, segments: Any, x: float, y: float, inner: float, outer: float
) -> Any:
    """Median of the sky in an annulus.

    Of usable pixels of no segment, clipped until none goes: at first around their median,
    then around the mean of those left.

    Parameters
    ----------
    light, variance, segments
        The image; the variance of unusable pixels is not finite.
    x, y, inner, outer
        Centre and radii; a pixel belongs to the annulus by its centre [pixel].

    Returns
    -------
    float, float
        Median and its error, sqrt(pi / 2 n) times the scatter; NaN where fewer than
        ``FEWEST`` pixels are left.
    """
    around = 2 * int(outer) + 3
    sky = np.empty(around * around, np.float32)
    n = 0
    for j in range(max(0, int(np.ceil(y - outer))), min(light.shape[0], int(y + outer) + 1)):
        dy = j - y
        wide = np.sqrt(max(outer * outer - dy * dy, 0.0))
        hole = np.sqrt(max(inner * inner - dy * dy, 0.0))
        for left, right in ((x - wide, x - hole), (x + hole, x + wide)):
            if hole == 0 and left == x:
                continue
            right = x + wide if hole == 0 else right  # noqa: PLW2901
            start, stop = max(0, int(np.ceil(left))), min(light.shape[1], int(np.floor(right)) + 1)
            for i in range(start, stop):
                # without a branch: pixels of sources alternate with the sky
                sky[n] = light[j, i]
                n += (segments[j, i] == 0) & np.isfinite(variance[j, i])
    middle, spread = _mean_and_spread(sky[:n])
    middle = _median(sky[:n], middle, spread)
    while n >= FEWEST:
        kept = 0
        for k in range(n):
            value = sky[k]
            sky[kept] = value
            kept += abs(value - middle) <= CLIP * spread
        if kept == n:
            centre, spread = _mean_and_spread(sky[:n])
            return _median(sky[:n], centre, spread), spread * np.sqrt(np.pi / (2 * n))
        n = kept
        middle, spread = _mean_and_spread(sky[:n])
    return np.nan, np.nan


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _mean_and_spread(values: Any) -> Any:
    """Mean and standard deviation; NaN of nothing."""
    total, square = 0.0, 0.0
    for k in range(values.size):
        total += values[k]
    mean = total / values.size
    for k in range(values.size):
        square += (values[k] - mean) ** 2
    return mean, np.sqrt(square / values.size)


@njit(nogil=True, cache=True)
def _median(values: Any, mean: float, spread: float) -> float:
    """Median by bisection, to 1e-6 of the spread: it lies within one of it from the mean."""
    low, high = np.float32(mean - spread), np.float32(mean + spread)
    for _ in range(BISECTIONS):
        middle = np.float32(0.5) * (low + high)
        below, above = 0, 0
        for k in range(values.size):
            below += values[k] <= middle
            above += values[k] >= middle
        if below >= above:
            high = middle
        if above >= below:
            low = middle
    return 0.5 * (np.float64(low) + high)
