"""From counts to counts that are linear in the charge.

Two effects are undone: the integral non-linearity of the converters, a table
for each readout channel, and the response of the pixel, a polynomial.  Both
act on single reads, while a resultant holds the mean of several.  The reads of
a resultant are therefore predicted from the slope of the ramp, moved together
so that their mean is the resultant, corrected one by one, and averaged again:

1. a first and a last good resultant, made linear as if they were single reads,
   give a line through the ramp;
2. the inverse polynomial takes the line at each read to counts;
3. the difference of the resultant and the mean of these counts is added to each;
4. table and polynomial are applied to each read.

The scheme, and the choice of the last good resultant, are those of the
mission's pipeline.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

Cube = NDArray[np.float32]

CONVERTER_VALUES = 65536
"""Values of the 16-bit converters; the correction is tabulated at each."""

PLAUSIBLE = np.float32(1e6)
"""Greatest signal that a polynomial may give [DN]; full well is about 65000."""

_SATURATED = np.uint8(Resultant.SATURATED)
_DO_NOT_USE = np.uint8(Resultant.DO_NOT_USE)
_NO_LIN_CORR = np.uint32(Pixel.NO_LIN_CORR)


class Linearized(NamedTuple):
    """Linear ramps and what they are worth."""

    data: Cube
    """(n, rows, columns) [DN]."""
    flags: NDArray[np.uint32]
    """(rows, columns), flags to add to those of the pixels."""
    resultant_dq: NDArray[np.uint8]
    """(n, rows, columns), all flags of the resultants."""


class _Reads(NamedTuple):
    """The read pattern as the kernel wants it."""

    counts: NDArray[np.int64]
    """Number of reads of each resultant."""
    since_first: NDArray[np.float32]
    """Each read, one after the other, less the mean of the first resultant."""
    means: NDArray[np.float32]
    """Mean read of each resultant, less that of the first."""


def linearize(
    data: Cube,
    resultant_dq: NDArray[np.uint8],
    coeffs: Cube,
    lin_dq: NDArray[np.uint32],
    inverse_coeffs: Cube,
    inl_value: NDArray[Any] | None,
    inl_corrections: NDArray[np.floating[Any]] | None,
    pattern: ReadPattern,
    channel_width: int,
) -> Linearized:
    """Make a tile of ramps linear, read by read.

    Saturated resultants stay as they are.  Pixels without a usable polynomial
    keep their response and get ``NO_LIN_CORR``; resultants that end outside
    +-1e6 DN are cut there and get ``DO_NOT_USE``.

    Parameters
    ----------
    data
        ``(n, rows, columns)``, resultants [DN].
    resultant_dq
        ``(n, rows, columns)``, their flags.
    coeffs, inverse_coeffs
        ``(terms, rows, columns)``: polynomials from counts to linear counts and
        back, constant term first.
    lin_dq
        ``(rows, columns)``, flags of the polynomials.
    inl_value
        ``(m,)``, counts of the table, increasing [DN].
    inl_corrections
        ``(channels, m)``: what to add to these counts [DN];
        ``None`` where the converters are perfect.
    pattern
        The reads of each resultant.
    channel_width
        Columns of a readout channel.

    Returns
    -------
    Linearized
        In new arrays.

    Raises
    ------
    ReferenceDataError
        Where a reference does not fit the data.
    """
    _check(data, coeffs, inverse_coeffs, lin_dq)
    channels = -(-data.shape[2] // channel_width)
    tables = _tables_of_each_count(inl_value, inl_corrections, channels)
    linear = np.empty_like(data)
    flags = lin_dq.copy()
    new_dq = resultant_dq.copy()
    # Tuples, so that the compiler knows the number of terms and unrolls them.
    terms, inverse_terms = (0,) * len(coeffs), (0,) * len(inverse_coeffs)
    _linearize(
        data, coeffs, inverse_coeffs, terms, inverse_terms, tables, _reads(pattern),
        channel_width, linear, flags, new_dq,
    )  # fmt: skip
    return Linearized(linear, flags, new_dq)


def _check(data: Cube, coeffs: Cube, inverse_coeffs: Cube, lin_dq: NDArray[np.uint32]) -> None:
    frames = {coeffs.shape[1:], inverse_coeffs.shape[1:], lin_dq.shape}
    if frames != {data.shape[1:]} or min(len(coeffs), len(inverse_coeffs)) < 2:
        raise ReferenceDataError(
            f"Linearity polynomials of shape {coeffs.shape} and {inverse_coeffs.shape}, with flags "
            f"{lin_dq.shape}, were found for data of shape {data.shape}.",
            "(terms, rows, columns) with at least two terms, rows and columns as the data",
        )


def _tables_of_each_count(
    value: NDArray[Any] | None, corrections: NDArray[Any] | None, channels: int
) -> NDArray[Any]:
    """Corrections at each count of the converter, (channels, 65536); empty for none.

    Between integer counts the table is linear, so that tabulating it at every
    integer is exact.
    """
    if value is None or corrections is None:
        return np.empty((0, 0), np.float32)
    if corrections.ndim != 2 or len(corrections) < channels or corrections.shape[1] != value.size:
        raise ReferenceDataError(
            f"The integral non-linearity has {value.size} values and corrections of shape "
            f"{corrections.shape}.",
            f"a correction for each value in each of {channels} channels",
        )
    if value.size == CONVERTER_VALUES and value[0] == 0 and value[-1] == CONVERTER_VALUES - 1:
        return corrections
    counts = np.arange(CONVERTER_VALUES)
    return np.array([np.interp(counts, value, row) for row in corrections], np.float32)


def _reads(pattern: ReadPattern) -> _Reads:
    means = np.array([np.mean(reads) for reads in pattern])
    every = np.concatenate([np.array(reads) for reads in pattern])
    return _Reads(
        pattern.counts, (every - means[0]).astype(np.float32), (means - means[0]).astype(np.float32)
    )


@njit(nogil=True, cache=True, fastmath={"contract"})
def _linearize(
    data: Cube,
    coeffs: Cube,
    inverse_coeffs: Cube,
    terms: tuple[int, ...],
    inverse_terms: tuple[int, ...],
    tables: NDArray[Any],
    reads: _Reads,
    width: int,
    linear: Cube,
    flags: NDArray[np.uint32],
    new_dq: NDArray[np.uint8],
) -> None:
    """Linearise the pixels of a row that share a channel, one resultant after the other."""
    resultants, rows, columns = data.shape
    forward = np.empty((len(terms), width), np.float32)
    inverse = np.empty((len(inverse_terms), width), np.float32)
    counts = np.empty((max(reads.counts), width), np.float32)
    line = np.empty((2, width), np.float32)
    total, last = np.empty(width, np.float32), np.empty(width, np.int32)
    places, steps = np.empty(width, np.uint16), np.empty((3, width), np.float32)
    for row in range(rows):
        for start in range(0, columns, width):
            stop = min(start + width, columns)
            _take_polynomials(
                coeffs, inverse_coeffs, row, start, stop, forward, inverse, total, flags
            )
            _fit_line(data, new_dq, terms, forward, reads.means, row, start, stop, last, line)
            first = 0
            for k in range(resultants):
                here = reads.since_first[first : first + reads.counts[k]]
                first += reads.counts[k]
                measured = data[k, row, start:stop]
                _predict(measured, line, inverse_terms, inverse, here, counts, total)
                if len(tables):
                    table = tables[start // width]
                    _add_converter_correction(table, len(here), places, steps, counts)
                _average(
                    counts, total, len(here), terms, forward, measured,
                    linear[k, row, start:stop], new_dq[k, row, start:stop],
                )  # fmt: skip


@njit(nogil=True, cache=True)
def _take_polynomials(
    coeffs: Cube,
    inverse_coeffs: Cube,
    row: int,
    start: int,
    stop: int,
    forward: NDArray[np.float32],
    inverse: NDArray[np.float32],
    check: NDArray[np.float32],
    flags: NDArray[np.uint32],
) -> None:
    """Copy the polynomials of some pixels of a row; identities where they are bad."""
    for x in range(stop - start):
        check[x] = 0
    for source, target in ((coeffs, forward), (inverse_coeffs, inverse)):
        for term in range(len(source)):
            for x in range(stop - start):
                value = source[term, row, start + x]
                target[term, x] = value
                check[x] += value * 0  # stays 0 unless a value is not finite
    for x in range(stop - start):
        usable = (check[x] == 0) & (forward[1, x] != 0) & (inverse[1, x] != 0)
        if not usable or flags[row, start + x] & _NO_LIN_CORR:
            flags[row, start + x] |= _NO_LIN_CORR
            forward[:, x] = 0
            inverse[:, x] = 0
            forward[1, x] = 1
            inverse[1, x] = 1


@njit(nogil=True, cache=True, fastmath={"contract"})
def _fit_line(
    data: Cube,
    resultant_dq: NDArray[np.uint8],
    terms: tuple[int, ...],
    forward: NDArray[np.float32],
    means: NDArray[np.float32],
    row: int,
    start: int,
    stop: int,
    last: NDArray[np.int32],
    line: NDArray[np.float32],
) -> None:
    """Linear signal at the first resultant [DN] and its rise [DN/read] into ``line``."""
    resultants, columns = len(data), stop - start
    last[:] = -2
    for k in range(resultants):
        for x in range(columns):
            last[x] += (resultant_dq[k, row, start + x] & _SATURATED) == 0
    # The last good resultant may be touched by saturation: the one before it.
    for k in range(resultants):
        for x in range(columns):
            chosen = k == min(max(last[x], 1), resultants - 1)
            line[1, x] = data[k, row, start + x] if chosen else line[1, x]
    for x in range(columns):
        one, two = data[0, row, start + x], line[1, x]
        linear_one, linear_two = np.float32(0), np.float32(0)
        for i in range(len(terms)):
            coefficient = forward[len(terms) - 1 - i, x]
            linear_one = linear_one * one + coefficient
            linear_two = linear_two * two + coefficient
        # Fewer than two good ones: a saturated one stays as it is.
        linear_one = one if last[x] < -1 else linear_one
        linear_two = two if last[x] < 0 else linear_two
        line[0, x] = linear_one
        line[1, x] = linear_two - linear_one
    if resultants > 1:
        for x in range(columns):
            line[1, x] /= means[min(max(last[x], 1), resultants - 1)]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _predict(
    measured: NDArray[np.float32],
    line: NDArray[np.float32],
    inverse_terms: tuple[int, ...],
    inverse: NDArray[np.float32],
    reads: NDArray[np.float32],
    counts: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:
    """Predict the counts of each read of a resultant; their mean is ``measured``."""
    columns = len(measured)
    if len(reads) == 1:
        counts[0, :columns] = measured
        return
    total[:] = 0
    for r in range(len(reads)):
        for x in range(columns):
            signal = line[0, x] + line[1, x] * reads[r]
            value = np.float32(0)
            for i in range(len(inverse_terms)):
                value = value * signal + inverse[len(inverse_terms) - 1 - i, x]
            counts[r, x] = value
            total[x] += value
    scale = np.float32(1) / np.float32(len(reads))
    for x in range(columns):
        total[x] = measured[x] - total[x] * scale
    for r in range(len(reads)):
        for x in range(columns):
            counts[r, x] += total[x]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add_converter_correction(
    table: NDArray[Any],
    reads: int,
    places: NDArray[np.uint16],
    steps: NDArray[np.float32],
    counts: NDArray[np.float32],
) -> None:
    """Add the correction of the converter, linear between integer counts.

    In three loops, because a compiler makes vectors only of those that do not
    look up the table.
    """
    highest = np.float32(CONVERTER_VALUES - 1)
    columns = len(places)
    low, high, part = steps[0], steps[1], steps[2]
    for r in range(reads):
        for x in range(columns):
            value = counts[r, x]
            inside = min(value if value > 0 else np.float32(0), highest)
            place = min(np.int32(inside), np.int32(CONVERTER_VALUES - 2))
            places[x] = np.uint16(place)
            part[x] = inside - np.float32(place)
        for x in range(columns):
            low[x] = table[places[x]]
            high[x] = table[places[x] + 1]
        for x in range(columns):
            counts[r, x] += low[x] + (high[x] - low[x]) * part[x]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _average(
    counts: NDArray[np.float32],
    total: NDArray[np.float32],
    reads: int,
    terms: tuple[int, ...],
    forward: NDArray[np.float32],
    measured: NDArray[np.float32],
    linear: NDArray[np.float32],
    resultant_dq: NDArray[np.uint8],
) -> None:
    """Average the linear signal of the reads; cut and flag what cannot be."""
    columns = len(measured)
    total[:] = 0
    for r in range(reads):
        for x in range(columns):
            signal = np.float32(0)
            for i in range(len(terms)):
                signal = signal * counts[r, x] + forward[len(terms) - 1 - i, x]
            total[x] += signal
    scale = np.float32(1) / np.float32(reads)
    for x in range(columns):
        saturated = resultant_dq[x] & _SATURATED != 0
        linear[x] = measured[x] if saturated else total[x] * scale
    implausible = 0
    for x in range(columns):
        implausible += not abs(linear[x]) <= PLAUSIBLE
    if implausible:
        for x in range(columns):
            if not abs(linear[x]) <= PLAUSIBLE:
                linear[x] = PLAUSIBLE if linear[x] > 0 else -PLAUSIBLE
                resultant_dq[x] |= _DO_NOT_USE
