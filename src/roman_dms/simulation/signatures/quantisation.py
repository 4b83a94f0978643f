"""Counts of 16 bits, and the mean of reads that is sent down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Rounding = Literal["floor", "round"]

LARGEST = 65535
"""Largest count."""


@dataclass(frozen=True)
class Quantisation:
    """How a read becomes an integer, and how the mean of reads becomes one.

    Counts that are cut, not rounded, are too small by half a DN, and a mean of N
    counts that is cut is too small by another (N - 1) / 2N DN.
    """

    reads: Rounding = "floor"
    """Of each read, by the converter."""

    means: Rounding = "floor"
    """Of the mean of the reads of a resultant, by the computer on board."""

    def __post_init__(self) -> None:
        for way in (self.reads, self.means):
            if way not in get_args(Rounding):
                raise UsageError(f"There is no rounding {way!r}.", "'floor' or 'round'")


@njit(nogil=True, cache=True)
def add_counts(total: Any, signal: Any, offset: Any) -> None:
    """Add the counts of a read, floor(signal + offset), to a sum; both ``(rows, columns)``."""
    for r in range(signal.shape[0]):
        for c in range(signal.shape[1]):
            value = min(max(signal[r, c] + offset, np.float32(0)), np.float32(LARGEST))
            total[r, c] += np.int32(value)


@njit(nogil=True, cache=True)
def take_mean(total: Any, reads: int, more: int, out: Any) -> None:
    """Write floor((total + more) / reads); 64 bits tell any two quotients apart."""
    for r in range(total.shape[0]):
        for c in range(total.shape[1]):
            out[r, c] = np.uint16(np.float64(total[r, c] + more) / reads)


@dataclass
class Averaging:
    """The sum of the reads of a resultant."""

    quantisation: Quantisation | None
    """``None``: the mean of the signals is rounded, once."""

    total: NDArray[Any]
    """``(rows, columns)``."""

    @classmethod
    def of(cls, quantisation: Quantisation | None, shape: tuple[int, int]) -> Averaging:
        """An empty sum."""
        kind = np.float64 if quantisation is None else np.int32
        return cls(quantisation, np.zeros(shape, kind))

    def add(self, signal: NDArray[np.float32]) -> None:
        """Add a read [DN]."""
        if self.quantisation is None:
            self.total += signal
        else:
            offset = np.float32(0.5 if self.quantisation.reads == "round" else 0)
            add_counts(self.total, signal, offset)

    def take(self, reads: int, out: NDArray[np.uint16]) -> None:
        """Write the mean of ``reads`` reads, and begin anew."""
        if self.quantisation is None:
            out[...] = np.clip(np.rint(self.total / reads), 0, LARGEST)
        else:
            more = reads // 2 if self.quantisation.means == "round" else 0
            take_mean(self.total, reads, more, out)
        self.total[...] = 0
