"""Kernel of the likelihood fit of ramps with its search for jumps, over a tile.

Each block of pixels is fitted once.  Those that would fit better without a
difference, or two, of resultants wait until they fill a block of their own, which
is fitted without them, again and again until no pixel of it improves any more
(Brandt 2024, PASP 136 045005, section 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from roman_dms.calibration.ramp_covariance import Differences
from roman_dms.calibration.ramp_sweeps import (
    BLOCK,
    COUNT,
    DIFFERENCE,
    GAIN,
    JUMP,
    LARGEST,
    PER_GAIN,
    PIXEL,
    RAMP,
    RESULTS,
    STEP,
    UNIFORM,
    USED,
    WHICH,
    Array,
    fit,
    kernel,
    set_noise,
    take,
)
from roman_dms.instrument.quality import Pixel, Resultant

_SATURATED = np.uint8(Resultant.SATURATED)
_NO_FLAG = np.uint32(0)
_HIT = np.uint32(Pixel.JUMP_DET)
_NO_FIT = np.uint32(Pixel.DO_NOT_USE)
_FULL = np.uint32(Pixel.SATURATED)
_NO_GAIN = np.uint32(Pixel.DO_NOT_USE | Pixel.NO_GAIN_VALUE)
_NOT_A_NUMBER = np.uint32(Pixel.OTHER_BAD_PIXEL)
_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel
def _set_flags(pixel: Array, seen: Array, dq: Array) -> None:
    """Flag what could not be fitted and what was flagged as saturated or a jump before."""
    for j in range(dq.shape[0]):
        flag = _HIT if seen[j] & JUMP else _NO_FLAG
        flag |= _FULL if seen[j] & _SATURATED else _NO_FLAG
        flag |= _NO_FIT if pixel[COUNT + j] == _ZERO else _NO_FLAG
        flag |= _NO_GAIN if pixel[PER_GAIN + j] == _ZERO else _NO_FLAG
        flag |= _NO_FLAG if abs(pixel[UNIFORM + j]) < LARGEST else _NOT_A_NUMBER
        dq[j] = flag


@kernel
def _move(ramp: Array, pixel: Array, j: int, ramps: Array, pixels: Array, place: int) -> None:
    """Copy what a fit starts from, and the omission found, to another place."""
    for i in range(ramp.shape[0]):
        ramps[i, DIFFERENCE + place] = ramp[i, DIFFERENCE + j]
        ramps[i, USED + place] = ramp[i, USED + j]
    for quantity in range(0, PIXEL, STEP):
        pixels[quantity + place] = pixel[quantity + j]


@kernel
def _omit(ramps: Array, pixels: Array, where: Array, size: int, jumps: Any) -> Any:
    """Drop the differences found in each waiting pixel and note them as jumps."""
    found, n_found = jumps
    if n_found + 2 * size > found.shape[0]:
        larger = np.empty((2 * found.shape[0] + 2 * size, 3), np.int16)
        larger[:n_found] = found[:n_found]
        found = larger
    for j in range(size):
        first = int(pixels[WHICH + j])
        for i in range(first, first + 1 + int(pixels[WHICH + j] > first)):
            ramps[i, USED + j] = ramps[i, DIFFERENCE + j] = _ZERO
            pixels[COUNT + j] -= _ONE
            found[n_found, 0] = i + 1
            found[n_found, 1], found[n_found, 2] = where[0, j], where[1, j]
            n_found += 1
    return found, n_found


@kernel
def _search(
    pattern: Differences, waiting: Any, one: float, two: float, out: Array, jumps: Any
) -> Any:
    """Omit and fit until no waiting pixel improves; return the jumps found so far."""
    ramps, pixels, where, size = waiting
    while size > 0:
        jumps = _omit(ramps, pixels, where, size, jumps)
        fit(pattern, ramps, pixels, size, one, two)
        left = 0
        for j in range(size):
            for k in range(out.shape[0]):
                out[k, where[0, j], where[1, j]] = pixels[RESULTS + k * STEP + j]
            if pixels[GAIN + j] > _ZERO:
                _move(ramps, pixels, j, ramps, pixels, left)
                where[0, left], where[1, left] = where[0, j], where[1, j]
                left += 1
        size = left
    return jumps


@kernel
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
    out, dq = np.empty((5, rows, columns), np.float32), np.empty((rows, columns), np.uint32)
    ramp, pixel = np.empty((n - 1, RAMP), np.float32), np.empty(PIXEL, np.float32)
    ramps, pixels = np.empty((n - 1, RAMP), np.float32), np.empty(PIXEL, np.float32)
    seen, where, waits = np.empty(BLOCK, np.uint8), np.empty((2, BLOCK), np.int64), 0
    jumps = np.empty((2 * BLOCK, 3), np.int16), 0
    for row in range(rows):
        for start in range(0, columns, BLOCK):
            size = min(BLOCK, columns - start)
            block = slice(start, start + size)
            take(data, flags, row, block, pattern.uniform, ramp, pixel, seen)
            set_noise(gain[row, block], read_noise[row, block], ramp, pixel)
            fit(pattern, ramp, pixel, size, one, two)
            _set_flags(pixel, seen, dq[row, block])
            for k in range(out.shape[0]):
                first = RESULTS + k * STEP
                out[k, row, block] = pixel[first : first + size]
            for j in range(size):
                if pixel[GAIN + j] > _ZERO:
                    _move(ramp, pixel, j, ramps, pixels, waits)
                    where[0, waits], where[1, waits] = row, start + j
                    waits += 1
                    if waits == BLOCK:
                        waiting = ramps, pixels, where, waits
                        jumps = _search(pattern, waiting, one, two, out, jumps)
                        waits = 0
    jumps = _search(pattern, (ramps, pixels, where, waits), one, two, out, jumps)
    found = jumps[0][: jumps[1]]
    for k in range(found.shape[0]):
        dq[found[k, 1], found[k, 2]] |= _HIT
    return out, dq, found
