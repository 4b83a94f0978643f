"""Saturation, also of single reads inside an averaged resultant.

A resultant at or above the threshold of its pixel is saturated, and so are all
later ones.  Two more tests find resultants whose mean is below the threshold
though their last reads are above it; they are not used:

- the next resultant is saturated, and this one exceeds the mean that a ramp
  reaching the threshold at its last read would have;
- the second resultant rises by more than one read at the threshold explains,
  while the first one foretells no saturation before the end of the third.

These are the criteria of the mission's pipeline and of JWST's before it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.calibration.bands import bands
from roman_dms.errors import CalibrationError
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

Flags = NDArray[np.uint8]

BAND_ROWS = 16
"""Rows that a thread treats at a time, so that they stay in the cache."""

GROWING_BAND_ROWS = 128
"""The same where flags grow, since neighbouring bands then overlap."""

_SATURATED = np.uint8(Resultant.SATURATED)
_DO_NOT_USE = np.uint8(Resultant.DO_NOT_USE)
_AT_FLOOR = np.uint8(Resultant.AD_FLOOR | Resultant.DO_NOT_USE)


class Criteria(NamedTuple):
    """What the tests need to know of a read pattern, one number a resultant."""

    partial: NDArray[np.float32]
    """Mean of a resultant whose last read is at the threshold, in thresholds;
    0 where it is a single read."""
    second: NDArray[np.float32]
    """Last read of the third resultant in mean reads of the first one, and the
    number of reads of the second one; empty with fewer than three."""


def criteria(pattern: ReadPattern) -> Criteria:
    """Saturation criteria of a read pattern."""
    partial = [np.mean(reads) / reads[-1] if len(reads) > 1 else 0.0 for reads in pattern]
    second = []
    if len(pattern) > 2:
        second = [pattern.reads[2][-1] / np.mean(pattern.reads[0]), len(pattern.reads[1])]
    return Criteria(np.array(partial, np.float32), np.array(second, np.float32))


def flag_saturation(
    rows: Callable[[int, int], NDArray[Any]],
    shape: tuple[int, int, int],
    limits: Callable[[int, int], tuple[NDArray[np.float32], NDArray[np.uint32]]],
    pattern: ReadPattern,
    resultant_dq: Flags,
    dq: NDArray[np.uint32],
    *,
    grow: int = 0,
    backup: int = 0,
    workers: int = 1,
) -> tuple[Flags, NDArray[np.uint32]]:
    """Flag saturated resultants and those at the floor of the converter.

    Parameters
    ----------
    rows
        ``rows(start, stop)`` gives the raw resultants of those rows,
        ``(n, stop - start, columns)`` [DN].
    shape
        ``(n, rows, columns)`` of all of them.
    limits
        ``limits(start, stop)`` gives the threshold of those rows [DN], NaN where
        a pixel cannot be checked, and its flags, both ``(stop - start, columns)``.
    pattern
        The reads of each resultant.
    resultant_dq, dq
        Flags so far, ``(n, rows, columns)`` and ``(rows, columns)``.
    grow
        Pixels by which saturation spreads to neighbours, in a square.
    backup
        Averaged resultants that are flagged too before a saturated one.
    workers
        Threads.

    Returns
    -------
    resultant_dq, dq
        The flags with the new ones, in new arrays.

    Raises
    ------
    CalibrationError
        Where the arrays do not fit together.
    """
    _check_shapes(shape, pattern, resultant_dq, dq)
    new_dq = np.empty(shape, np.uint8)
    new_pixel_dq = np.empty(shape[1:], np.uint32)
    tests = criteria(pattern)

    def flag_band(place: tuple[int, int]) -> None:
        start, stop = place
        # Growth carries flags over two distances: to neighbours of a saturated
        # pixel, and from there to neighbours of a partly saturated one.
        low, high = max(0, start - 2 * grow), min(shape[1], stop + 2 * grow)
        threshold, threshold_dq = limits(low, high)
        limit = _effective_threshold(threshold, threshold_dq)
        flags = resultant_dq[:, low:high].copy()
        _flag_band(rows(low, high), limit, tests, grow, flags)
        if backup:
            _back_up(flags, pattern, backup)
        inside = slice(start - low, stop - low)
        new_dq[:, start:stop] = flags[:, inside]
        unchecked = np.where(np.isinf(limit[inside]), np.uint32(Pixel.NO_SAT_CHECK), np.uint32(0))
        new_pixel_dq[start:stop] = dq[start:stop] | threshold_dq[inside] | unchecked

    step = GROWING_BAND_ROWS if grow else BAND_ROWS
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(flag_band, bands(shape[1], step, workers)))
    return new_dq, new_pixel_dq


def _check_shapes(
    shape: tuple[int, int, int],
    pattern: ReadPattern,
    resultant_dq: NDArray[Any],
    dq: NDArray[Any],
) -> None:
    if len(pattern) != shape[0] or resultant_dq.shape != shape or dq.shape != shape[1:]:
        raise CalibrationError(
            f"Saturation cannot be checked: data {shape}, {len(pattern)} resultants in the read "
            f"pattern, flags {resultant_dq.shape} and {dq.shape}.",
            "as many resultants in the read pattern as in the data, and equal rows and columns",
        )


def _effective_threshold(
    threshold: NDArray[np.float32], threshold_dq: NDArray[np.uint32]
) -> NDArray[np.float32]:
    """Threshold that no signal reaches where the pixel cannot be checked."""
    unchecked = np.isnan(threshold) | (threshold_dq & np.uint32(Pixel.NO_SAT_CHECK) != 0)
    return np.where(unchecked, np.float32(np.inf), threshold)


def _flag_band(
    raw: NDArray[Any], limit: NDArray[np.float32], tests: Criteria, grow: int, flags: Flags
) -> None:
    """Set the flags of a band of rows in ``flags``."""
    if not _flag_reached(raw, limit, flags):
        return
    if grow:
        _spread(flags, _SATURATED, grow)
    partial = np.zeros_like(flags)
    _find_partial(raw, limit, tests.partial, flags, partial)
    if grow:
        _spread(partial, _DO_NOT_USE, grow)
    flags |= partial
    if len(tests.second):
        _flag_second(raw, limit, tests.second, flags)


@njit(nogil=True, cache=True)
def _flag_reached(raw: NDArray[Any], limit: NDArray[np.float32], flags: Flags) -> bool:
    """Flag from the first resultant at the threshold on; tell whether there is any."""
    resultants, rows, columns = raw.shape
    reached = np.empty(columns, np.uint8)
    found = np.uint8(0)
    for row in range(rows):
        reached[:] = 0
        for k in range(resultants):
            for x in range(columns):
                value = np.float32(raw[k, row, x])
                over = _SATURATED if value >= limit[row, x] else np.uint8(0)
                low = _AT_FLOOR if value <= 0 else np.uint8(0)
                reached[x] |= over | (flags[k, row, x] & _SATURATED)
                flags[k, row, x] |= reached[x] | low
        for x in range(columns):
            found |= reached[x]
    return found != 0


@njit(nogil=True, cache=True)
def _find_partial(
    raw: NDArray[Any],
    limit: NDArray[np.float32],
    dilution: NDArray[np.float32],
    flags: Flags,
    partial: Flags,
) -> None:
    """Find averaged resultants that saturate in part, just before a saturated one."""
    resultants, rows, columns = raw.shape
    for k in range(resultants - 1):
        if dilution[k] == 0:
            continue
        for row in range(rows):
            for x in range(columns):
                high = np.float32(raw[k, row, x]) >= limit[row, x] * dilution[k]
                usable = flags[k, row, x] & (_SATURATED | _DO_NOT_USE) == 0
                followed = flags[k + 1, row, x] & _SATURATED != 0
                partial[k, row, x] = _DO_NOT_USE if high & usable & followed else np.uint8(0)


@njit(nogil=True, cache=True)
def _flag_second(
    raw: NDArray[Any], limit: NDArray[np.float32], second: NDArray[np.float32], flags: Flags
) -> None:
    """Flag a second resultant whose last read saturated though its mean is low."""
    _, rows, columns = raw.shape
    for row in range(rows):
        for x in range(columns):
            one, two = np.float32(raw[0, row, x]), np.float32(raw[1, row, x])
            quiet = one * second[0] < limit[row, x]
            rises = two - one > (limit[row, x] - one) / second[1]
            sudden = (flags[2, row, x] & _SATURATED != 0) & (flags[1, row, x] & _SATURATED == 0)
            flags[1, row, x] |= _DO_NOT_USE if quiet & rises & sudden else np.uint8(0)


def _spread(flags: Flags, flag: np.uint8, distance: int) -> None:
    """Set ``flag`` also within ``distance`` rows and columns of where it is set."""
    from scipy.ndimage import maximum_filter  # noqa: PLC0415 - rarely needed, slow to import

    size = 2 * distance + 1
    for plane in flags:
        np.bitwise_or(plane, maximum_filter(plane & flag, size=size, mode="constant"), out=plane)


def _back_up(flags: Flags, pattern: ReadPattern, times: int) -> None:
    """Flag averaged resultants before a saturated one, ``times`` times one more."""
    for _ in range(times):
        for k in range(len(pattern) - 1):
            if len(pattern.reads[k]) > 1:
                flags[k] |= flags[k + 1] & _SATURATED
