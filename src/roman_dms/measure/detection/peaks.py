"""Is a maximum of the filtered image a star or more, and where exactly?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

WORTH_A_LOOK = 0.7
"""Maxima of this share of the threshold are looked at with the PSF at every phase: a star
on the corner of four pixels loses up to 27 per cent of its significance (F158)."""


class Peaks(NamedTuple):
    """Maxima, judged."""

    x: NDArray[np.float64]
    """(n,) [pixel]."""
    y: NDArray[np.float64]
    """(n,) [pixel]."""
    significance: NDArray[np.float32]
    """(n,) of a star where it fits best."""
    real: NDArray[np.bool_]
    """(n,) whether it is significant and no sharper than a star."""
    noise: NDArray[np.float32]
    """(n,) standard deviation of the height, with the photon noise of the peak itself."""


@njit(nogil=True, cache=True)
def judge(  # type: ignore[no-untyped-def]
    light, variance, height, sharp, places, phases, correlation, per_light, threshold, sharpness
):
    """Judge maxima.

    Parameters
    ----------
    light, variance, height, sharp
        (row, column) light, variance of the sky, the filtered image, and its sharper version.
    places
        (n,) pixels of the maxima of ``sharp``, in the flattened image.
    phases
        (phase, k, k) the PSF about the central pixel for a star at various places in it;
        if there is only one, maxima are interpolated by parabolas instead.
    correlation, per_light
        See ``Noise``.
    threshold, sharpness
        See ``DetectionSettings``.

    Returns
    -------
    x, y, significance, real, noise
        See ``Peaks``.
    """
    count, columns = len(places), height.shape[1]
    x, y = np.empty(count), np.empty(count)
    best = np.empty(count, np.float32)
    noise = np.empty(count, np.float32)
    real = np.zeros(count, np.bool_)
    for i in range(count):
        row, column = places[i] // columns, places[i] % columns
        dx, dy, _ = _summit(sharp, row, column)
        x[i], y[i], best[i] = column + dx, row + dy, height[row, column]
        if len(phases) == 1:
            best[i] += _summit(height, row, column)[2]
        added = per_light * max(light[row, column], 0) / variance[row, column]
        noise[i] = np.sqrt(1 + added)
        if height[row, column] < WORTH_A_LOOK * threshold:
            continue
        if len(phases) > 1:
            fits = _best_phase(light, variance, row, column, phases) / correlation
            best[i] = max(best[i], fits)
        star = (best[i] * correlation) ** 2
        excess = _three_brightest(light, variance, row, column) - star
        fault = excess > sharpness * correlation**2
        fault |= _brightest_leak(light, variance, row, column) ** 2 > star
        real[i] = best[i] >= threshold and not fault
    return x, y, best, real, noise


@njit(nogil=True, cache=True)
def _three_brightest(light, variance, row, column):  # type: ignore[no-untyped-def]
    """What three pixels near a maximum add to chi^2 if each has light of its own."""
    rows, columns = light.shape
    first = second = third = 0.0
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        for c in range(max(column - 1, 0), min(column + 2, columns)):
            if light[r, c] > 0:
                here = light[r, c] ** 2 / variance[r, c]
                if here > first:
                    first, second, third = here, first, second
                elif here > second:
                    second, third = here, second
                elif here > third:
                    third = here
    return first + second + third


@njit(nogil=True, cache=True)
def _brightest_leak(light, variance, row, column):  # type: ignore[no-untyped-def]
    """Significance of what the pixel, or an unusable one beside it, leaked into its four sides.

    Capacitance between pixels gives hot and hit ones a cross, which stays when they
    themselves are masked or repaired; it has neither the middle nor the corners of a star.
    """
    rows, columns = light.shape
    best = 0.0
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        for c in range(max(column - 1, 0), min(column + 2, columns)):
            if variance[r, c] < np.inf and (r != row or c != column):
                continue
            above = below = 0.0
            for dr, dc in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                if 0 <= r + dr < rows and 0 <= c + dc < columns:
                    above += light[r + dr, c + dc] / variance[r + dr, c + dc]
                    below += 1 / variance[r + dr, c + dc]
            if below > 0:
                best = max(best, above / np.sqrt(below))
    return best


@njit(nogil=True, cache=True)
def _summit(height, row, column):  # type: ignore[no-untyped-def]
    """Offset and additional height of the top of parabolas through a maximum."""
    rows, columns = height.shape
    if row == 0 or column == 0 or row == rows - 1 or column == columns - 1:
        return 0.0, 0.0, 0.0
    top = height[row, column]
    dx, above_x = _parabola(height[row, column - 1], top, height[row, column + 1])
    dy, above_y = _parabola(height[row - 1, column], top, height[row + 1, column])
    return dx, dy, above_x + above_y


@njit(nogil=True, cache=True)
def _parabola(before, top, after):  # type: ignore[no-untyped-def]
    """Offset and additional height of the top of a parabola through three equidistant points."""
    bend = before - 2 * top + after
    if not bend < 0 or max(before, after) > top:
        return 0.0, 0.0
    slope = (after - before) / 2
    return -slope / bend, -slope * slope / bend / 2


@njit(nogil=True, cache=True)
def _best_phase(light, variance, row, column, phases):  # type: ignore[no-untyped-def]
    """Greatest significance of a star somewhere in a pixel."""
    rows, columns = light.shape
    half, best = phases.shape[1] // 2, 0.0
    for phase in phases:
        above = below = 0.0
        for r in range(max(row - half, 0), min(row + half + 1, rows)):
            for c in range(max(column - half, 0), min(column + half + 1, columns)):
                share = phase[r - row + half, c - column + half]
                above += share * light[r, c] / variance[r, c]
                below += share * share / variance[r, c]
        if below > 0:
            best = max(best, above / np.sqrt(below))
    return best
