"""Sizes and shapes by adaptive moments.

The second moments of an image within an elliptical Gaussian window that has the moments found
(Bernstein & Jarvis 2002, AJ 123, 583; Hirata & Seljak 2003, MNRAS 343, 459): at the fixed
point the window's covariance is twice that of the light within it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError

MOST_ITERATIONS = 200

TOLERANCE = 1e-9
"""Change of window and centre, in units of the window's width, at which they are found."""

REACH = 25.0
"""Square of the distance, in widths of the window, where the window ends."""


@dataclass(frozen=True)
class Moments:
    """Moments of images; NaN where none were found."""

    x: NDArray[np.float64]
    """(n,) centre from the middle of the image [pixel]."""

    y: NDArray[np.float64]
    """(n,) the same for rows [pixel]."""

    size: NDArray[np.float64]
    """(n,) T, sum of the second moments along x and y [pixel2]."""

    e1: NDArray[np.float64]
    """(n,) distortion, difference of those moments over their sum."""

    e2: NDArray[np.float64]
    """(n,) twice the mixed moment over that sum."""


def adaptive_moments(images: NDArray[np.floating], *, sigma: float = 1.0) -> Moments:
    """Adaptive moments of images of stars.

    Parameters
    ----------
    images
        (n, R, C) or (R, C), without sky; a star near the middle of each.
    sigma
        Width of the window to begin with [pixel].

    Raises
    ------
    UsageError
        If the images have another shape.

    Examples
    --------
    >>> x = np.arange(-10, 11)
    >>> star = np.exp(-(x**2 / 4.5 + x[:, None] ** 2 / 4) / 2)
    >>> found = adaptive_moments(star)
    >>> round(float(found.size[0]), 6), round(float(found.e1[0]), 6)
    (8.5, 0.058824)
    """
    stack = np.asarray(images, np.float64)
    stack = stack[None] if stack.ndim == 2 else stack
    if stack.ndim != 3 or min(stack.shape[1:]) < 3:
        raise UsageError(
            f"Images of the shape {np.shape(images)} were given.", "(n, rows, columns)"
        )
    found = np.empty((len(stack), 5))
    _adaptive(np.ascontiguousarray(stack), float(sigma), found)
    return Moments(*found.T)


@njit(nogil=True, cache=True)
def _adaptive(images, sigma, found):  # type: ignore[no-untyped-def]
    """Fill (n, 5): x, y, T, e1, e2."""
    for number in range(images.shape[0]):
        image = images[number]
        middle_y, middle_x = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
        x, y = 0.0, 0.0
        xx, xy, yy = sigma**2, 0.0, sigma**2
        done = False
        for _ in range(MOST_ITERATIONS):
            light, dx, dy, cxx, cxy, cyy = _within(image, x + middle_x, y + middle_y, xx, xy, yy)
            if not light > 0:
                break
            width = xx + yy
            # A Gaussian in a window of its own shape has half of its moments, half the shift.
            step_x, step_y = 2 * dx, 2 * dy
            step_xx, step_xy, step_yy = 4 * cxx - 2 * xx, 4 * cxy - 2 * xy, 4 * cyy - 2 * yy
            x, y = x + step_x, y + step_y
            change = max(abs(step_xx), abs(step_xy), abs(step_yy)) / width
            moved = (step_x**2 + step_y**2) / width
            scale = min(1.0, 0.3 / max(change, 1e-30))
            xx, xy, yy = xx + scale * step_xx, xy + scale * step_xy, yy + scale * step_yy
            outside = abs(x) > middle_x or abs(y) > middle_y or xx + yy > 4 * image.size
            if outside or xx <= 0 or xx * yy <= xy**2:
                break
            if change < TOLERANCE and moved < TOLERANCE**2:
                done = True
                break
        if done:
            found[number, 0], found[number, 1] = x, y
            found[number, 2] = xx + yy
            found[number, 3], found[number, 4] = (xx - yy) / (xx + yy), 2 * xy / (xx + yy)
        else:
            found[number] = np.nan


@njit(nogil=True, cache=True)
def _within(image, x, y, xx, xy, yy):  # type: ignore[no-untyped-def]
    """Light in a window, its centre from the window's, and its second moments about that."""
    determinant = xx * yy - xy * xy
    a, b, c = yy / determinant, -xy / determinant, xx / determinant
    light = sx = sy = sxx = sxy = syy = 0.0
    high, wide = np.sqrt(REACH * yy), np.sqrt(REACH * xx)
    for row in range(max(int(y - high), 0), min(int(y + high) + 2, image.shape[0])):
        v = row - y
        for column in range(max(int(x - wide), 0), min(int(x + wide) + 2, image.shape[1])):
            u = column - x
            distance = a * u * u + 2 * b * u * v + c * v * v
            if distance < REACH:
                share = np.exp(-0.5 * distance) * image[row, column]
                light += share
                sx += share * u
                sy += share * v
                sxx += share * u * u
                sxy += share * u * v
                syy += share * v * v
    if not light > 0:
        return light, 0.0, 0.0, 0.0, 0.0, 0.0
    return light, sx / light, sy / light, sxx / light, sxy / light, syy / light
