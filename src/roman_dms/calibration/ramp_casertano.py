"""Kernel of the ramp fit with the weights of Casertano et al. (2022).

Roman-STScI-000394, equations 35 to 45 and table 2: a straight line through the
resultants whose weights depend on the signal-to-noise ratio in six steps, so that
all coefficients of a read pattern fit in one table.  Jumps after Sharma &
Casertano (2024, PASP 136 054504): slopes of single and double differences are
compared with the ramp, which is cut at the worst one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.calibration.ramp_covariance import uniform_weights
from roman_dms.calibration.ramp_sweeps import UNUSABLE
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

Array = np.ndarray[Any, Any]

SIGNALS = np.array([5.0, 10.0, 20.0, 50.0, 100.0])
"""Signal-to-noise ratios from which the next power applies (table 2)."""
POWERS = (0.0, 0.4, 1.0, 3.0, 6.0, 10.0)
"""Powers of the distance from the middle of the ramp in the weights (table 2)."""

_JUMP = np.uint8(Resultant.JUMP_DET)
_SATURATED = np.uint8(Resultant.SATURATED)
_PIXEL_JUMP, _PIXEL_SATURATED = np.uint32(Pixel.JUMP_DET), np.uint32(Pixel.SATURATED)
_DO_NOT_USE, _NO_GAIN = np.uint32(Pixel.DO_NOT_USE), np.uint32(Pixel.NO_GAIN_VALUE)
_NOT_A_NUMBER = np.uint32(Pixel.OTHER_BAD_PIXEL)

_kernel = njit(nogil=True, cache=True, error_model="numpy")


class Weights(NamedTuple):
    """Coefficients of each ramp (level of signal, first and last resultant)."""

    slope: NDArray[np.float64]
    """Coefficients of the resultants in the slope [1/s], shape (6, n, n, n)."""
    photon: NDArray[np.float64]
    """Variance of the slope for one electron a second [1/s], shape (6, n, n)."""
    read: NDArray[np.float64]
    """Variance of the slope for a read noise of one [1/s^2], shape (6, n, n)."""
    times: NDArray[np.float64]
    """Mean times of the resultants [s]."""
    photon_steps: NDArray[np.float64]
    """Photon variance of single and double differences [s], shape (2, n)."""
    read_steps: NDArray[np.float64]
    """Read variance of single and double differences, shape (2, n)."""
    uniform: NDArray[np.float64]
    """Coefficients of a fit with equally weighted reads [1/s]."""


def weights(pattern: ReadPattern) -> Weights:
    """Return the coefficients of every part of the ramps of a read pattern."""
    n = len(pattern)
    slope = np.zeros((len(POWERS), n, n, n))
    photon, read = np.zeros((2, len(POWERS), n, n))
    t, tau, counts = pattern.mean_times, pattern.variance_times, pattern.counts
    covariance = np.minimum.outer(t, t)
    np.fill_diagonal(covariance, tau)
    for level, power in enumerate(POWERS):
        for first in range(n - 1):
            for last in range(first + 1, n):
                part = slice(first, last + 1)
                c = _line(t[part], counts[part], power)
                slope[level, first, last, part] = c
                photon[level, first, last] = c @ covariance[part, part] @ c
                read[level, first, last] = np.sum(c**2 / counts[part])
    photon_steps, read_steps = np.ones((2, 2, n))
    for k in (1, 2):
        photon_steps[k - 1, : max(n - k, 0)] = tau[k:] + tau[:-k] - 2 * t[:-k]
        read_steps[k - 1, : max(n - k, 0)] = 1 / counts[k:] + 1 / counts[:-k]
    return Weights(slope, photon, read, t, photon_steps, read_steps, uniform_weights(pattern))


def _line(t: NDArray[Any], counts: NDArray[Any], power: float) -> NDArray[np.float64]:
    """Coefficients of the slope of a weighted line (equations 35 to 37 and 45)."""
    distance = np.abs(t - (t[0] + t[-1]) / 2) / ((t[-1] - t[0]) / 2)
    weight = (1 + power) * counts / (1 + power * counts) * distance**power
    offset = t - np.average(t, weights=weight)
    return weight * offset / np.sum(weight * offset**2)


@_kernel
def _worst_step(values: Array, first: int, last: int, slope: float, noise: float, w: Any) -> Any:
    """Find the single or double difference that is steepest for its noise [sigma]."""
    worst, place = -np.inf, first
    correction = -slope / (w.times[last] - w.times[first])
    for i in range(first, last):
        for k in range(1, min(2, last - i) + 1):
            time = w.times[i + k] - w.times[i]
            variance = noise * noise * w.read_steps[k - 1, i] + slope * w.photon_steps[k - 1, i]
            excess = (values[i + k] - values[i]) / time - slope
            statistic = excess / np.sqrt(variance / (time * time) + correction)
            if statistic > worst:
                worst, place = statistic, i
    return worst, place


@_kernel
def _cut(usable: Array, after_jump: Array, parts: Array) -> int:
    """Write first and last resultant of each unbroken part; return how many."""
    n_parts = 0
    for k in range(usable.shape[0]):
        if usable[k]:
            if k > 0 and usable[k - 1] and not after_jump[k]:
                parts[n_parts - 1, 1] = k
            else:
                parts[n_parts, 0] = parts[n_parts, 1] = k
                n_parts += 1
    return n_parts


@_kernel
def _fit_pixel(
    values: Array, noise: float, parts: Array, n_parts: int, w: Any, threshold: Any, jump: Array
) -> Any:
    """Fit the parts of one ramp [electron], cutting at jumps; average the slopes."""
    sums = 0.0, 0.0, 0.0, 0.0
    while n_parts > 0:
        n_parts -= 1
        first, last = parts[n_parts]
        if first == last:
            continue
        signal = max(values[last] - values[first], 0.0)
        level = np.searchsorted(SIGNALS, signal / np.sqrt(noise * noise + signal), side="right")
        slope = 0.0
        for k in range(first, last + 1):
            slope += w.slope[level, first, last, k] * values[k]
        worst, place = _worst_step(values, first, last, slope, noise, w)
        if worst > threshold[0] - threshold[1] * np.log10(min(max(slope, 1.0), 1e4)):
            jump[place] = jump[place + 1] = True
            if place > first:
                parts[n_parts, 0], parts[n_parts, 1] = first, place - 1
                n_parts += 1
            if place + 1 < last:
                parts[n_parts, 0], parts[n_parts, 1] = place + 2, last
                n_parts += 1
            continue
        weight = 1.0 / w.read[level, first, last]
        photon = weight * weight * w.photon[level, first, last]
        sums = sums[0] + weight, sums[1] + weight * slope, sums[2] + photon, sums[3] + weight
    return sums


@_kernel
def _flags(seen: int, fitted: bool, gain_known: bool, finite: bool) -> np.uint32:
    flag = _PIXEL_JUMP if seen & _JUMP else np.uint32(0)
    if seen & _SATURATED:
        flag |= _PIXEL_SATURATED
    if not fitted:
        flag |= _DO_NOT_USE
    if not gain_known:
        flag |= _NO_GAIN | _DO_NOT_USE
    if not finite:
        flag |= _NOT_A_NUMBER
    return flag


@_kernel
def fit_tile(
    data: Array, flags: Array, gain: Array, read_noise: Array, w: Any, threshold: Any
) -> Any:
    """Fit all pixels of a tile; arguments and results as of the likelihood kernel.

    ``threshold`` holds intercept and constant of the jump threshold, which falls with
    the logarithm of the slope; an infinite intercept means no search.
    """
    n, rows, columns = data.shape
    out = np.zeros((5, rows, columns), np.float32)
    dq = np.empty((rows, columns), np.uint32)
    found, n_found = np.empty((1024, 3), np.int16), 0
    values, parts = np.empty(n), np.empty((n, 2), np.int64)
    usable, after_jump, jump = np.empty((3, n), np.bool_)
    for row in range(rows):
        for column in range(columns):
            known = gain[row, column] > 0 and np.isfinite(gain[row, column])
            scale = float(gain[row, column]) if known else 1.0
            noise = read_noise[row, column] * scale
            noisy = noise > 0 and np.isfinite(noise)
            seen, uniform = np.uint8(0), 0.0
            for k in range(n):
                flag = flags[k, row, column]
                seen |= flag
                values[k] = data[k, row, column] * scale
                uniform += w.uniform[k] * values[k]
                usable[k] = noisy and not flag & UNUSABLE and np.isfinite(values[k])
                after_jump[k], jump[k] = flag & _JUMP, False
            n_parts = _cut(usable, after_jump, parts)
            total, slope, photon, read = _fit_pixel(
                values, noise, parts, n_parts, w, threshold, jump
            )
            if total > 0:
                rate = slope / total
                out[0, row, column] = rate / scale
                if known:
                    out[1, row, column] = max(rate, 0.0) * photon / (total * total * scale * scale)
                out[2, row, column] = noise * noise * read / (total * total * scale * scale)
                if np.isfinite(uniform):
                    out[4, row, column] = (uniform - rate) / scale
            for k in range(n):
                if jump[k]:
                    if n_found == found.shape[0]:
                        found = np.concatenate((found, np.empty_like(found)))
                    found[n_found, 0], found[n_found, 1], found[n_found, 2] = k, row, column
                    n_found += 1
                    seen |= _JUMP
            dq[row, column] = _flags(seen, total > 0, known, np.isfinite(uniform))
    return out, dq, found[:n_found]
