"""Kernels of the likelihood fit of ramps and of its search for jumps.

Brandt (2024, PASP 136 045004 and 045005) fits the differences d of resultants,
whose covariance K is tridiagonal, by one rate: ``d = rate * intervals + noise``.
The sums that his recursions yield come here from the factors K = L D L^T, one
sweep up the ramp (:func:`_sweep_up`), and the elements of the inverse that tell
how much better the fit would be without a difference, or without two
neighbours, from one sweep down (:func:`_sweep_down`).  Both sweeps run over
columns in their inner loops, so that the compiler vectorises them.

Everything is in units of the variance of one read: K = x P + Q, where P and Q
belong to the read pattern and x = rate / (gain * read_noise**2).  A difference
that must not be used has no weight (its 1 / D is zero), which also cuts the
ramp there.  Pixels where a jump is found go on, without those differences, in
a compact block of their own until no pixel of it improves any more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roman_dms.calibration.ramp_covariance import Differences
from roman_dms.instrument.quality import Pixel, Resultant

Array = np.ndarray[Any, Any]

BLOCK = 1024
"""Columns worked on together: their arrays stay in the second-level cache."""

UNUSABLE = np.uint8(
    Resultant.DO_NOT_USE | Resultant.SATURATED | Resultant.DROPOUT | Resultant.AD_FLOOR
)
"""Flags of resultants that the fit leaves out."""
_JUMP = np.uint8(Resultant.JUMP_DET)
_SATURATED = np.uint8(Resultant.SATURATED)
_NO_FIT = np.uint32(Pixel.DO_NOT_USE)
_NO_FIT_SATURATED = np.uint32(Pixel.DO_NOT_USE | Pixel.SATURATED)
_NO_GAIN = np.uint32(Pixel.DO_NOT_USE | Pixel.NO_GAIN_VALUE)
_NOT_A_NUMBER = np.uint32(Pixel.OTHER_BAD_PIXEL)
_HIT = np.uint32(Pixel.JUMP_DET)
_LARGEST = np.float32(1e30)
_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)

# Arrays of a block with one row a difference.
_DIFFERENCE, _USED, _WEIGHT, _INTERVAL, _RESIDUAL, _CROSS = range(6)
_N_RAMP = 6
# Arrays of a block with one value a pixel.
_PER_VARIANCE, _PER_GAIN, _VARIANCE, _COUNT, _UNIFORM = range(5)
_GUESS, _EXCESS_RATE, _INFORMATION, _CHISQ, _PHOTON, _READ = range(5, 11)
_GAIN, _WHICH, _RATIO = range(11, 14)
_SUM, _LAST = range(14, 16)
_N_PIXEL = 16

_kernel = njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    # Comparisons with NaN must hold, so neither 'nnan' nor 'ninf'.
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"},
)


@_kernel
def _take(
    data: Array, flags: Array, uniform: Array, ramp: Array, pixel: Array, seen: Array
) -> None:
    """Fill the differences of a block and which of them are usable."""
    size = data.shape[1]
    count, slope = pixel[_COUNT], pixel[_UNIFORM]
    for j in range(size):
        count[j] = slope[j] = _ZERO
        seen[j] = flags[0, j]
    for i in range(data.shape[0] - 1):
        before, after, flag, next_flag = data[i], data[i + 1], flags[i], flags[i + 1]
        difference, used, weight = ramp[_DIFFERENCE, i], ramp[_USED, i], uniform[i]
        for j in range(size):
            value = after[j] - before[j]
            slope[j] += weight * value
            bad = ((flag[j] | next_flag[j]) & UNUSABLE) | (next_flag[j] & _JUMP)
            good = (bad == 0) & (abs(value) < _LARGEST)
            difference[j] = value if good else _ZERO
            used[j] = _ONE if good else _ZERO
            count[j] += used[j]
            seen[j] |= next_flag[j]


@_kernel
def _set_noise(gain: Array, read_noise: Array, pixel: Array) -> None:
    """Fill the noise figures of a block; without a gain there is no photon noise."""
    per_gain, variance, per_variance = pixel[_PER_GAIN], pixel[_VARIANCE], pixel[_PER_VARIANCE]
    for j in range(gain.shape[0]):
        known = (gain[j] > _ZERO) & (gain[j] < _LARGEST)
        per_gain[j] = _ONE / gain[j] if known else _ZERO
        variance[j] = read_noise[j] * read_noise[j]
        per_variance[j] = _ONE / variance[j]


@_kernel
def _forget_noiseless(read_noise: Array, ramp: Array, pixel: Array) -> None:
    """Leave out pixels whose read noise is no positive number: they have no weights."""
    for j in range(read_noise.shape[0]):
        if not (read_noise[j] > 0 and read_noise[j] < _LARGEST):
            ramp[_USED, :, j] = _ZERO
            ramp[_DIFFERENCE, :, j] = _ZERO
            pixel[_COUNT, j] = _ZERO
            pixel[_VARIANCE, j] = pixel[_PER_VARIANCE, j] = _ONE


@_kernel
def _guess(intervals: Array, ramp: Array, pixel: Array, size: int) -> None:
    """Start from the mean rate of the differences in use."""
    guess, time, excess = pixel[_GUESS], pixel[_INFORMATION], pixel[_EXCESS_RATE]
    for j in range(size):
        guess[j] = time[j] = excess[j] = _ZERO
    for i in range(intervals.shape[0]):
        difference, used, interval = ramp[_DIFFERENCE, i], ramp[_USED, i], intervals[i]
        for j in range(size):
            guess[j] += difference[j]
            time[j] += used[j] * interval
    for j in range(size):
        guess[j] = guess[j] / time[j] if time[j] > _ZERO else _ZERO


@_kernel
def _sweep_up(pattern: Differences, ramp: Array, pixel: Array, size: int) -> None:
    """Fit the rate with the covariance that belongs to the present rate.

    The fit is of what the guess leaves over, so that bright pixels lose no digits.
    """
    guess, excess, per_gain = pixel[_GUESS], pixel[_EXCESS_RATE], pixel[_PER_GAIN]
    ratio, per_variance = pixel[_RATIO], pixel[_PER_VARIANCE]
    C, B, A = pixel[_INFORMATION], pixel[_SUM], pixel[_CHISQ]
    for j in range(size):
        rate = guess[j] + excess[j]
        ratio[j] = max(rate, _ZERO) * per_gain[j] * per_variance[j]
        A[j] = B[j] = C[j] = _ZERO
    for i in range(pattern.intervals.shape[0]):
        interval, photon, read = pattern.intervals[i], pattern.photon[i], pattern.read[i]
        used, weight, z, y = (
            ramp[_USED, i],
            ramp[_WEIGHT, i],
            ramp[_INTERVAL, i],
            ramp[_RESIDUAL, i],
        )
        difference = ramp[_DIFFERENCE, i]
        if i == 0:
            for j in range(size):
                weight[j] = used[j] / (ratio[j] * photon + read)
                z[j] = interval
                y[j] = difference[j] - guess[j] * interval
        else:
            photon_last, read_last = pattern.photon_next[i - 1], pattern.read_next[i - 1]
            weight_last, z_last, y_last = (
                ramp[_WEIGHT, i - 1],
                ramp[_INTERVAL, i - 1],
                ramp[_RESIDUAL, i - 1],
            )
            for j in range(size):
                covariance = ratio[j] * photon_last + read_last
                factor = covariance * weight_last[j]
                weight[j] = used[j] / (ratio[j] * photon + read - covariance * factor)
                z[j] = interval - factor * z_last[j]
                y[j] = difference[j] - guess[j] * interval - factor * y_last[j]
        for j in range(size):
            C[j] += weight[j] * z[j] * z[j]
            B[j] += weight[j] * z[j] * y[j]
            A[j] += weight[j] * y[j] * y[j]
    for j in range(size):
        excess[j] = B[j] / C[j] if C[j] > _ZERO else _ZERO
        A[j] = (A[j] - B[j] * excess[j]) * per_variance[j]


@_kernel
def _sweep_down(pattern: Differences, ramp: Array, pixel: Array, size: int) -> None:
    """Find the weights of the differences and how far each pulls the fit.

    With v = K^-1 intervals and u = K^-1 (d - rate * intervals), replaces the arrays
    of each difference i by its weight v_i / C in the rate, its pull u_i, its freedom
    f_i = (K^-1)_ii - v_i**2 / C and the same with its neighbour,
    (K^-1)_(i, i+1) - v_i v_(i+1) / C.
    """
    excess, C, ratio, last = pixel[_EXCESS_RATE], pixel[_INFORMATION], pixel[_RATIO], pixel[_LAST]
    for j in range(size):
        last[j] = _ZERO
        C[j] = C[j] if C[j] > _ZERO else _ONE
    top = pattern.intervals.shape[0] - 1
    for i in range(top, -1, -1):
        weight, z, y, cross = (
            ramp[_WEIGHT, i],
            ramp[_INTERVAL, i],
            ramp[_RESIDUAL, i],
            ramp[_CROSS, i],
        )
        if i == top:
            for j in range(size):
                inverse = weight[j]
                y[j] = inverse * (y[j] - excess[j] * z[j])
                v = inverse * z[j]
                z[j] = v / C[j]
                cross[j] = _ZERO
                weight[j] = inverse - v * z[j]
                last[j] = inverse
            continue
        photon, read = pattern.photon_next[i], pattern.read_next[i]
        z_next, y_next = ramp[_INTERVAL, i + 1], ramp[_RESIDUAL, i + 1]
        for j in range(size):
            factor = (ratio[j] * photon + read) * weight[j]
            v_next = z_next[j] * C[j]
            v = weight[j] * z[j] - factor * v_next
            y[j] = weight[j] * (y[j] - excess[j] * z[j]) - factor * y_next[j]
            z[j] = v / C[j]
            beside = -factor * last[j]
            last[j] = weight[j] - factor * beside
            cross[j] = beside - z[j] * v_next
            weight[j] = last[j] - z[j] * v


@_kernel
def _split_variance(pattern: Differences, ramp: Array, pixel: Array, size: int) -> None:
    """Find the variance of the rate by photon noise and by read noise, per unit."""
    photons, reads = pixel[_PHOTON], pixel[_READ]
    for j in range(size):
        photons[j] = reads[j] = _ZERO
    m = pattern.intervals.shape[0]
    for i in range(m):
        photon, photon_next = pattern.photon[i], _TWO * pattern.photon_next[i]
        read, read_next = pattern.read[i], _TWO * pattern.read_next[i]
        share, share_next = ramp[_INTERVAL, i], ramp[_INTERVAL, min(i + 1, m - 1)]
        for j in range(size):
            photons[j] += share[j] * (photon * share[j] + photon_next * share_next[j])
            reads[j] += share[j] * (read * share[j] + read_next * share_next[j])


@_kernel
def _find_jump(ramp: Array, pixel: Array, size: int, one: float, two: float) -> None:
    """Find the omission that improves the fit most beyond its threshold.

    A difference that may have any value improves chi-squared by u_i**2 / f_i; two
    neighbours likewise with a 2 x 2 matrix.  Only values above the fit count, for
    a hit adds charge.  ``_GAIN`` becomes the largest improvement beyond its
    threshold, ``_WHICH`` its place, half-integer for two neighbours.
    """
    gain, which, count, unit = pixel[_GAIN], pixel[_WHICH], pixel[_COUNT], pixel[_PER_VARIANCE]
    for j in range(size):
        gain[j], which[j] = -_ONE, _ZERO
    for i in range(ramp.shape[1]):
        place, f, u = np.float32(i), ramp[_WEIGHT, i], ramp[_RESIDUAL, i]
        for j in range(size):
            found, best, at = u[j] * u[j] / f[j] * unit[j] - one, gain[j], which[j]
            better = (u[j] > _ZERO) & (found > best) & (count[j] > _ONE)
            gain[j] = found if better else best
            which[j] = place if better else at
    for i in range(ramp.shape[1] - 1):
        place, cross = np.float32(i + 0.5), ramp[_CROSS, i]
        f, u, f_next, u_next = (
            ramp[_WEIGHT, i],
            ramp[_RESIDUAL, i],
            ramp[_WEIGHT, i + 1],
            ramp[_RESIDUAL, i + 1],
        )
        for j in range(size):
            rise = f_next[j] * u[j] - cross[j] * u_next[j]
            rise_next = f[j] * u_next[j] - cross[j] * u[j]
            determinant = f[j] * f_next[j] - cross[j] * cross[j]
            found = (u[j] * rise + u_next[j] * rise_next) / determinant * unit[j] - two
            best, at = gain[j], which[j]
            better = (rise > _ZERO) & (rise_next > _ZERO) & (found > best) & (count[j] > _TWO)
            gain[j] = found if better else best
            which[j] = place if better else at


@_kernel
def _fit(
    pattern: Differences, ramp: Array, pixel: Array, size: int, one: float, two: float
) -> None:
    """Fit twice, the second time with the covariance of the first rate (section 5)."""
    _guess(pattern.intervals, ramp, pixel, size)
    _sweep_up(pattern, ramp, pixel, size)
    _sweep_up(pattern, ramp, pixel, size)
    _sweep_down(pattern, ramp, pixel, size)
    _split_variance(pattern, ramp, pixel, size)
    _find_jump(ramp, pixel, size, one, two)


@_kernel
def _store(pixel: Array, size: int, out: Array, row: int, start: int) -> None:
    """Write rate, variances, chi-squared and the difference to uniform weights.

    The photon noise is that of one electron more than was counted: the variance
    of the rate that counted them when all rates are equally likely beforehand,
    since a count that is low by chance claims too small an error.
    """
    for j in range(size):
        rate = pixel[_GUESS, j] + pixel[_EXCESS_RATE, j]
        per_electron = pixel[_PER_GAIN, j] * pixel[_PHOTON, j]
        level = max(rate + per_electron, _ZERO)
        uniform = pixel[_UNIFORM, j]
        out[0, row, start + j] = rate
        out[1, row, start + j] = level * per_electron
        out[2, row, start + j] = pixel[_VARIANCE, j] * pixel[_READ, j]
        out[3, row, start + j] = max(pixel[_CHISQ, j], _ZERO)
        out[4, row, start + j] = uniform - rate if abs(uniform) < _LARGEST else _ZERO


@_kernel
def _set_flags(pixel: Array, seen: Array, dq: Array) -> None:
    """Flag what could not be fitted and what was flagged as a jump before."""
    for j in range(dq.shape[0]):
        flag = _HIT if seen[j] & _JUMP else np.uint32(0)
        failed = _NO_FIT_SATURATED if seen[j] & _SATURATED else _NO_FIT
        flag |= failed if pixel[_COUNT, j] == 0 else np.uint32(0)
        flag |= _NO_GAIN if pixel[_PER_GAIN, j] == 0 else np.uint32(0)
        flag |= np.uint32(0) if abs(pixel[_UNIFORM, j]) < _LARGEST else _NOT_A_NUMBER
        dq[j] = flag


@_kernel
def _queue(ramp: Array, pixel: Array, size: int, row: int, start: int, waiting: Any) -> int:
    """Copy the pixels of a block that would fit better with an omission; return how many wait."""
    ramps, pixels, where, waits = waiting
    for j in range(size):
        if pixel[_GAIN, j] > 0:
            ramps[:_WEIGHT, :, waits] = ramp[:_WEIGHT, :, j]
            pixels[:, waits] = pixel[:, j]
            where[0, waits], where[1, waits] = row, start + j
            waits += 1
    return waits


@_kernel
def _omit(ramps: Array, pixels: Array, where: Array, size: int, jumps: Any) -> Any:
    """Drop the differences found in each waiting pixel and note them as jumps."""
    found, n_found = jumps
    if n_found + 2 * size > found.shape[0]:
        larger = np.empty((2 * found.shape[0] + 2 * size, 3), np.int16)
        larger[:n_found] = found[:n_found]
        found = larger
    for j in range(size):
        first = int(pixels[_WHICH, j])
        for i in range(first, first + 1 + int(pixels[_WHICH, j] > first)):
            ramps[_USED, i, j] = ramps[_DIFFERENCE, i, j] = _ZERO
            pixels[_COUNT, j] -= _ONE
            found[n_found, 0] = i + 1
            found[n_found, 1], found[n_found, 2] = where[0, j], where[1, j]
            n_found += 1
    return found, n_found


@_kernel
def _search(
    pattern: Differences, waiting: Any, one: float, two: float, out: Array, jumps: Any
) -> Any:
    """Omit and fit until no waiting pixel improves; return the jumps found so far."""
    ramps, pixels, where, size = waiting
    while size > 0:
        jumps = _omit(ramps, pixels, where, size, jumps)
        _fit(pattern, ramps, pixels, size, one, two)
        left = 0
        for j in range(size):
            _store(pixels[:, j : j + 1], 1, out, where[0, j], where[1, j])
            if pixels[_GAIN, j] > 0:
                ramps[:_WEIGHT, :, left] = ramps[:_WEIGHT, :, j]
                pixels[:, left] = pixels[:, j]
                where[:, left] = where[:, j]
                left += 1
        size = left
    return jumps


@_kernel
def fit_tile(
    data: Array,
    flags: Array,
    gain: Array,
    read_noise: Array,
    pattern: Differences,
    one: float,
    two: float,
) -> Any:
    """Fit all pixels of a tile.

    Parameters
    ----------
    data, flags
        Resultants, float32 [DN], and their flags, uint8, shape (n, rows, columns), n > 1.
    gain, read_noise
        Shape (rows, columns), float32 [electron/DN] and [DN].
    pattern
        The differences of the read pattern.
    one, two
        Improvements of chi-squared above which one difference, or two neighbours,
        are left out; infinite for no search.

    Returns
    -------
    out
        Rate, photon variance, read variance, chi-squared, and uniform minus optimal
        rate, float32, shape (5, rows, columns).
    dq
        Flags for the pixels, uint32.
    jumps
        (resultant, row, column) of each difference left out, int16, shape (N, 3).
    """
    n, rows, columns = data.shape
    out = np.empty((5, rows, columns), np.float32)
    dq = np.empty((rows, columns), np.uint32)
    ramp, pixel = (
        np.empty((_N_RAMP, n - 1, BLOCK), np.float32),
        np.empty((_N_PIXEL, BLOCK), np.float32),
    )
    seen = np.empty(BLOCK, np.uint8)
    # A full block may join a queue that is just not worth a search yet.
    ramps = np.empty((_N_RAMP, n - 1, 2 * BLOCK), np.float32)
    pixels, where = np.empty((_N_PIXEL, 2 * BLOCK), np.float32), np.empty((2, 2 * BLOCK), np.int32)
    jumps, waits = (np.empty((2 * BLOCK, 3), np.int16), 0), 0
    for row in range(rows):
        for start in range(0, columns, BLOCK):
            size = min(BLOCK, columns - start)
            block = slice(start, start + size)
            _take(data[:, row, block], flags[:, row, block], pattern.uniform, ramp, pixel, seen)
            _set_noise(gain[row, block], read_noise[row, block], pixel)
            _forget_noiseless(read_noise[row, block], ramp, pixel)
            _fit(pattern, ramp, pixel, size, one, two)
            _store(pixel, size, out, row, start)
            _set_flags(pixel, seen, dq[row, block])
            waits = _queue(ramp, pixel, size, row, start, (ramps, pixels, where, waits))
            if waits > BLOCK:
                jumps = _search(pattern, (ramps, pixels, where, waits), one, two, out, jumps)
                waits = 0
    jumps = _search(pattern, (ramps, pixels, where, waits), one, two, out, jumps)
    found = jumps[0][: jumps[1]]
    for k in range(found.shape[0]):
        dq[found[k, 1], found[k, 2]] |= _HIT
    return out, dq, found
