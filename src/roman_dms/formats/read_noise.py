"""The variance of read noise of an L2 file, which RAD leaves optional and romancal leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.products.arrays import PixelArray, rows_of

OTHERS = ("var_poisson", "var_flat")
"""What else an error holds."""


class ReadNoise:
    """What remains of ``err`` squared, computed by rows where it is asked for (``StoredArray``)."""

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, arrays: Mapping[str, PixelArray]) -> None:
        """Take it from ``err`` and the variances that there are."""
        self._err = arrays["err"]
        self._others = [arrays[key] for key in OTHERS if key in arrays]

    @property
    def shape(self) -> tuple[int, ...]:
        """As of ``err``."""
        return self._err.shape

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return ``array[start:stop]``; never negative, which rounding could make it."""
        rest = rows_of(self._err, start, stop).astype(np.float32) ** 2
        for other in self._others:
            rest -= rows_of(other, start, stop)
        return np.maximum(rest, np.float32(0))

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return self.rows(0, self.shape[0]).astype(dtype or self.dtype, copy=False)
