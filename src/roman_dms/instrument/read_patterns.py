"""Which reads of the detector are averaged into which resultant.

Times follow Brandt (2024, PASP 136 045004), equations 4 and 11.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import MetadataError


@dataclass(frozen=True)
class ReadPattern:
    """The reads, counted from 1, of each resultant of an exposure.

    >>> pattern = ReadPattern([[1], [2, 3], [5]], frame_time=2.0)
    >>> pattern.mean_times
    array([ 2.,  5., 10.])
    """

    reads: tuple[tuple[int, ...], ...]
    """For each resultant the numbers of its reads, increasing."""

    frame_time: float
    """Time from one read to the next [s]."""

    def __init__(self, reads: Sequence[Sequence[int]], frame_time: float) -> None:
        try:
            frozen = tuple(tuple(_count(read) for read in resultant) for resultant in reads)
        except TypeError:
            raise _bad_pattern(reads) from None
        flat = [read for resultant in frozen for read in resultant]
        increasing = all(a < b for a, b in itertools.pairwise(flat))
        if not frozen or not all(frozen) or not increasing or flat[0] < 1:
            raise _bad_pattern(reads)
        object.__setattr__(self, "reads", frozen)
        object.__setattr__(self, "frame_time", _seconds(frame_time))

    def __len__(self) -> int:
        return len(self.reads)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter(self.reads)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of reads in each resultant."""
        return np.array([len(resultant) for resultant in self.reads])

    @cached_property
    def mean_times(self) -> NDArray[np.float64]:
        """Mean time of the reads of each resultant [s]."""
        return np.array([np.mean(resultant) for resultant in self.reads]) * self.frame_time

    @cached_property
    def variance_times(self) -> NDArray[np.float64]:
        """Variance-weighted mean time tau of each resultant [s] (Brandt 2024, eq. 11)."""
        taus = []
        for resultant in self.reads:
            n = len(resultant)
            weights = 2 * (n - np.arange(n)) - 1
            taus.append(np.sum(weights * np.array(resultant)) / n**2)
        return np.array(taus) * self.frame_time

    @property
    def exposure_time(self) -> float:
        """Time from reset to the last read [s]."""
        return self.reads[-1][-1] * self.frame_time


def _count(read: object) -> int:
    """A read number; text, truth values and fractions are none."""
    if isinstance(read, bool | np.bool_):
        raise TypeError
    return operator.index(read)  # type: ignore[arg-type]


def _seconds(frame_time: object) -> float:
    """A positive, finite time."""
    number = isinstance(frame_time, int | float | np.number) and not isinstance(frame_time, bool)
    seconds = float(frame_time) if number else math.nan  # type: ignore[arg-type]
    if not (math.isfinite(seconds) and seconds > 0):
        raise MetadataError(
            f"The time of a read, meta.exposure.frame_time, is {frame_time!r}.",
            "a positive number of seconds (about 3.16 for imaging)",
        )
    return seconds


def _bad_pattern(reads: object) -> MetadataError:
    return MetadataError(
        f"The read pattern, meta.exposure.read_pattern, is {str(reads)[:200]}.",
        "for each resultant a list of read numbers, counted from 1 and increasing, "
        "for instance [[1], [2, 3], [4, 5, 6]]",
    )
