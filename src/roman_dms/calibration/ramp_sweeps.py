"""Likelihood fit of a block of ramps, as sweeps up and down the resultants.

Brandt (2024, PASP 136 045004 and 045005) fits the differences d of resultants,
whose covariance K is tridiagonal, by one rate: ``d = rate * intervals + noise``.
The sums that his recursions yield come here from the factors K = L D L^T, one
sweep up the ramp (:func:`_sweep_up`), and the elements of the inverse that tell
how much better the fit would be without a difference, or without two
neighbours, from one sweep down (:func:`_sweep_down`).

Everything is in units of the variance of one read: K = x P + Q, where P and Q
belong to the read pattern and x = rate / (gain * read_noise**2).  A difference
that must not be used has no weight (its 1 / D is zero), which also cuts the
ramp there.

A block is two arrays: ``ramp`` has one row a difference, ``pixel`` is one row, and
each row holds several quantities of ``BLOCK`` pixels one after the other.  So the
inner loops run over pixels at constant distances in few arrays, which is what a
compiler needs to vectorise them.  The outer loops run over arrays, not ranges: LLVM
hoists the guards of a vectorised loop out of a range, where they always fail.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roman_dms.calibration.ramp_covariance import Differences
from roman_dms.instrument.quality import Resultant

Array = np.ndarray[Any, Any]

BLOCK = 512
"""Pixels worked on together: few enough for the first and second-level caches."""
STEP = BLOCK + 16
"""Distance of two quantities: a power of two would send all to the same lines of a cache."""

UNUSABLE = np.uint8(
    Resultant.DO_NOT_USE | Resultant.SATURATED | Resultant.DROPOUT | Resultant.AD_FLOOR
)
"""Flags of resultants that the fit leaves out."""
JUMP = np.uint8(Resultant.JUMP_DET)
LARGEST = np.float32(1e30)
"""Beyond this a value counts as infinite."""
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)

# Where the quantities of a row of ``ramp`` start.
DIFFERENCE, USED, _WEIGHT, _INTERVAL, _RESIDUAL, _CROSS = range(0, 6 * STEP, STEP)
RAMP = 6 * STEP
# Where the quantities of ``pixel`` start.
PER_VARIANCE, PER_GAIN, VARIANCE, COUNT, UNIFORM = range(0, 5 * STEP, STEP)
GUESS, PHOTON, READ, CHISQ, EXCESS, GAIN, WHICH = range(5 * STEP, 12 * STEP, STEP)
RESULTS = GUESS  # here start the five results: rate, two variances, chi-squared, dumo
_INFORMATION, _RATIO, _SUM = range(12 * STEP, 15 * STEP, STEP)
_LAST, _LAST_INTERVAL, _LAST_RESIDUAL = range(15 * STEP, 18 * STEP, STEP)
PIXEL = 18 * STEP

kernel = njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    # Comparisons with NaN must hold, so neither 'nnan' nor 'ninf'.
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"},
)


@kernel
def take(
    data: Array,
    flags: Array,
    row: int,
    block: slice,
    uniform: Array,
    ramp: Array,
    pixel: Array,
    seen: Array,
) -> None:
    """Fill the differences of a block and which of them are usable."""
    flag = flags[0, row, block]
    for j in range(flag.shape[0]):
        pixel[COUNT + j] = pixel[UNIFORM + j] = _ZERO
        seen[j] = flag[j]
    for i in np.arange(data.shape[0] - 1):
        before, after = data[i, row, block], data[i + 1, row, block]
        flag, next_flag = flags[i, row, block], flags[i + 1, row, block]
        r, weight = ramp[i], uniform[i]
        for j in range(flag.shape[0]):
            value = after[j] - before[j]
            bad = ((flag[j] | next_flag[j]) & UNUSABLE) | (next_flag[j] & JUMP)
            good = (bad == 0) & (abs(value) < LARGEST)
            used = _ONE if good else _ZERO
            r[DIFFERENCE + j] = value if good else _ZERO
            r[USED + j] = used
            pixel[COUNT + j] += used
            pixel[UNIFORM + j] += weight * value
            seen[j] |= next_flag[j]


@kernel
def set_noise(gain: Array, read_noise: Array, ramp: Array, pixel: Array) -> None:
    """Fill the noise figures of a block.

    Without a gain there is no photon noise; without a read noise there are no
    weights, and nothing is usable.
    """
    for j in range(gain.shape[0]):
        known = (gain[j] > _ZERO) & (gain[j] < LARGEST)
        pixel[PER_GAIN + j] = _ONE / gain[j] if known else _ZERO
        pixel[VARIANCE + j] = read_noise[j] * read_noise[j]
        pixel[PER_VARIANCE + j] = _ONE / pixel[VARIANCE + j]
    for j in range(gain.shape[0]):
        if not (read_noise[j] > _ZERO and read_noise[j] < LARGEST):
            ramp[:, USED + j] = ramp[:, DIFFERENCE + j] = _ZERO
            pixel[COUNT + j] = _ZERO
            pixel[VARIANCE + j] = pixel[PER_VARIANCE + j] = _ONE


@kernel
def _guess(intervals: Array, ramp: Array, pixel: Array, size: int) -> None:
    """Start from the mean rate of the differences in use."""
    for j in range(size):
        pixel[GUESS + j] = pixel[_SUM + j] = pixel[EXCESS + j] = _ZERO
    for i in np.arange(intervals.shape[0]):
        r, interval = ramp[i], intervals[i]
        for j in range(size):
            pixel[GUESS + j] += r[DIFFERENCE + j]
            pixel[_SUM + j] += r[USED + j] * interval
    for j in range(size):
        time = pixel[_SUM + j]
        pixel[GUESS + j] = pixel[GUESS + j] / time if time > _ZERO else _ZERO


@kernel
def _sweep_up(pattern: Differences, ramp: Array, pixel: Array, size: int) -> None:
    """Fit the rate with the covariance that belongs to the present rate.

    The fit is of what the guess leaves over, so that bright pixels lose no digits.
    With z = L^-1 intervals and y = L^-1 d it needs the sums of z**2 / D
    (``_INFORMATION``), z y / D (``_SUM``) and y**2 / D (``CHISQ``).
    """
    for j in range(size):
        rate = pixel[GUESS + j] + pixel[EXCESS + j]
        pixel[_RATIO + j] = max(rate, _ZERO) * pixel[PER_GAIN + j] * pixel[PER_VARIANCE + j]
        pixel[_INFORMATION + j] = pixel[_SUM + j] = pixel[CHISQ + j] = _ZERO
        pixel[_LAST + j] = pixel[_LAST_INTERVAL + j] = pixel[_LAST_RESIDUAL + j] = _ZERO
    photon_last = read_last = _ZERO
    for i in np.arange(pattern.intervals.shape[0]):
        interval, photon, read = pattern.intervals[i], pattern.photon[i], pattern.read[i]
        r = ramp[i]
        for j in range(size):
            covariance = pixel[_RATIO + j] * photon_last + read_last
            factor = covariance * pixel[_LAST + j]
            z = interval - factor * pixel[_LAST_INTERVAL + j]
            y = r[DIFFERENCE + j] - pixel[GUESS + j] * interval - factor * pixel[_LAST_RESIDUAL + j]
            variance = pixel[_RATIO + j] * photon + read - covariance * factor
            weight = r[USED + j] / variance
            r[_WEIGHT + j] = pixel[_LAST + j] = weight
            r[_INTERVAL + j] = pixel[_LAST_INTERVAL + j] = z
            r[_RESIDUAL + j] = pixel[_LAST_RESIDUAL + j] = y
            pixel[_INFORMATION + j] += weight * z * z
            pixel[_SUM + j] += weight * z * y
            pixel[CHISQ + j] += weight * y * y
        photon_last, read_last = pattern.photon_next[i], pattern.read_next[i]
    for j in range(size):
        total = pixel[_INFORMATION + j]
        excess = pixel[_SUM + j] / total if total > _ZERO else _ZERO
        chisq = pixel[CHISQ + j] - pixel[_SUM + j] * excess
        pixel[EXCESS + j], pixel[CHISQ + j] = excess, chisq * pixel[PER_VARIANCE + j]


@kernel
def _sweep_down(pattern: Differences, ramp: Array, pixel: Array, size: int) -> None:
    """Find the weights of the differences and how far each pulls the fit.

    With v = K^-1 intervals and u = K^-1 (d - rate * intervals), replaces the arrays
    of each difference i by its weight v_i / C in the rate, its pull u_i, its freedom
    f_i = (K^-1)_ii - v_i**2 / C and the same with its neighbour,
    (K^-1)_(i, i+1) - v_i v_(i+1) / C.  The weights give the variance of the rate by
    photon noise and by read noise.
    """
    for j in range(size):
        total = pixel[_INFORMATION + j]
        pixel[_INFORMATION + j] = _ONE / total if total > _ZERO else _ZERO
        pixel[_SUM + j] = total
        pixel[_LAST + j] = pixel[_LAST_INTERVAL + j] = pixel[_LAST_RESIDUAL + j] = _ZERO
        pixel[PHOTON + j] = pixel[READ + j] = _ZERO
    top = pattern.intervals.shape[0] - 1
    for i in np.arange(top, -1, -1):
        photon, photon_next = pattern.photon[i], pattern.photon_next[i]
        read, read_next = pattern.read[i], pattern.read_next[i]
        r = ramp[i]
        for j in range(size):
            weight, z, y = r[_WEIGHT + j], r[_INTERVAL + j], r[_RESIDUAL + j]
            factor = (pixel[_RATIO + j] * photon_next + read_next) * weight
            share_next = pixel[_LAST_INTERVAL + j]
            v_next = share_next * pixel[_SUM + j]
            v = weight * z - factor * v_next
            beside = -factor * pixel[_LAST + j]
            inverse = weight - factor * beside
            share = v * pixel[_INFORMATION + j]
            u = weight * (y - pixel[EXCESS + j] * z) - factor * pixel[_LAST_RESIDUAL + j]
            r[_RESIDUAL + j] = pixel[_LAST_RESIDUAL + j] = u
            pixel[_LAST_INTERVAL + j] = share
            r[_CROSS + j] = beside - share * v_next
            r[_WEIGHT + j] = inverse - share * v
            pixel[_LAST + j] = inverse
            pixel[PHOTON + j] += share * (photon * share + _TWO * photon_next * share_next)
            pixel[READ + j] += share * (read * share + _TWO * read_next * share_next)


@kernel
def _find_jump(ramp: Array, pixel: Array, size: int, one: float, two: float) -> None:
    """Find the omission that improves the fit most beyond its threshold.

    A difference that may have any value improves chi-squared by u_i**2 / f_i; two
    neighbours likewise with a 2 x 2 matrix.  Only values above the fit count, for
    a hit adds charge.  ``GAIN`` becomes the largest improvement beyond its
    threshold, ``WHICH`` its place, half-integer for two neighbours.
    """
    for j in range(size):
        pixel[GAIN + j], pixel[WHICH + j] = -_ONE, _ZERO
    for i in np.arange(ramp.shape[0]):
        place, r = np.float32(i), ramp[i]
        for j in range(size):
            f, u, best, at = r[_WEIGHT + j], r[_RESIDUAL + j], pixel[GAIN + j], pixel[WHICH + j]
            found = u * u / f * pixel[PER_VARIANCE + j] - one
            better = (u > _ZERO) & (found > best) & (pixel[COUNT + j] > _ONE)
            pixel[GAIN + j] = found if better else best
            pixel[WHICH + j] = place if better else at
    for i in np.arange(ramp.shape[0] - 1):
        place, r, later = np.float32(i + 0.5), ramp[i], ramp[i + 1]
        for j in range(size):
            f, u, cross = r[_WEIGHT + j], r[_RESIDUAL + j], r[_CROSS + j]
            f_next, u_next = later[_WEIGHT + j], later[_RESIDUAL + j]
            rise, rise_next = f_next * u - cross * u_next, f * u_next - cross * u
            found = (u * rise + u_next * rise_next) / (f * f_next - cross * cross)
            found = found * pixel[PER_VARIANCE + j] - two
            best, at = pixel[GAIN + j], pixel[WHICH + j]
            better = (rise > _ZERO) & (rise_next > _ZERO)
            better = better & (found > best) & (pixel[COUNT + j] > _TWO)
            pixel[GAIN + j] = found if better else best
            pixel[WHICH + j] = place if better else at


@kernel
def _finish(pixel: Array, size: int) -> None:
    """Turn what the sweeps left into the five results.

    The photon noise is that of one electron more than was counted: the variance
    of the rate that counted them when all rates are equally likely beforehand,
    since a count that is low by chance claims too small an error.
    """
    for j in range(size):
        rate = pixel[GUESS + j] + pixel[EXCESS + j]
        per_electron = pixel[PER_GAIN + j] * pixel[PHOTON + j]
        uniform = pixel[UNIFORM + j]
        pixel[GUESS + j] = rate
        pixel[PHOTON + j] = max(rate + per_electron, _ZERO) * per_electron
        pixel[READ + j] *= pixel[VARIANCE + j]
        pixel[CHISQ + j] = max(pixel[CHISQ + j], _ZERO)
        pixel[EXCESS + j] = uniform - rate if abs(uniform) < LARGEST else _ZERO


@kernel
def fit(pattern: Differences, ramp: Array, pixel: Array, size: int, one: float, two: float) -> None:
    """Fit twice, the second time with the covariance of the first rate (section 5).

    Then judge the omissions against the thresholds ``one`` and ``two``.
    """
    _guess(pattern.intervals, ramp, pixel, size)
    _sweep_up(pattern, ramp, pixel, size)
    _sweep_up(pattern, ramp, pixel, size)
    _sweep_down(pattern, ramp, pixel, size)
    _find_jump(ramp, pixel, size, one, two)
    _finish(pixel, size)
