"""Electrons that arrive in few pixels at known reads: particles, afterglow, moving light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError


@dataclass(frozen=True)
class Deposits:
    """Electrons in pixels, one entry each in every array."""

    read: NDArray[np.int32]
    """Read, from 1, before which they arrive."""

    row: NDArray[np.int32]
    """Row of the science frame."""

    column: NDArray[np.int32]
    """Column of the science frame."""

    electrons: NDArray[np.float32]

    def __len__(self) -> int:
        return self.read.size

    def __getitem__(self, chosen: Any) -> Deposits:
        """Some of them, by a mask, a slice or indices."""
        return Deposits(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def of(cls, read: Any, row: Any, column: Any, electrons: Any) -> Deposits:
        """Deposits of anything that makes arrays."""
        reads, rows, columns = (np.asarray(part, np.int32) for part in (read, row, column))
        return cls(reads, rows, columns, np.asarray(electrons, np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Deposits]) -> Deposits:
        """All deposits of several tables."""
        if not parts:
            return cls.of([], [], [], [])
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def within(self, rows: int, columns: int) -> Deposits:
        """Those that fall on a science frame of so many rows and columns.

        Raises
        ------
        UsageError
            Where electrons are negative or not a number; the first entry is named.
        """
        bad = np.flatnonzero(~((self.electrons >= 0) & (self.electrons < np.inf)))
        if bad.size:
            first = self[bad[0]]
            raise UsageError(
                f"{first.electrons} electrons arrive at row {first.row}, column {first.column}, "
                f"read {first.read}.",
                "a finite number, 0 or more",
            )
        on_rows = (self.row >= 0) & (self.row < rows)
        return self[on_rows & (self.column >= 0) & (self.column < columns)]


class SortedDeposits:
    """Deposits as bands of rows ask for them.

    Parameters
    ----------
    deposits
        In any order.
    """

    def __init__(self, deposits: Deposits) -> None:
        order = np.lexsort((deposits.column, deposits.read, deposits.row))
        self._all = deposits[order]

    def among(self, first: int, last: int) -> dict[int, Deposits]:
        """Deposits in rows ``first:last``, by read; rows count from ``first``."""
        start, stop = np.searchsorted(self._all.row, [first, last])
        here = self._all[start:stop]
        here = here[np.argsort(here.read, kind="stable")]
        reads = np.unique(here.read)
        edges = np.searchsorted(here.read, [reads, reads + 1])
        parts = [here[begin:end] for begin, end in edges.T]
        return {
            int(read): Deposits(part.read, part.row - first, part.column, part.electrons)
            for read, part in zip(reads, parts, strict=True)
        }
