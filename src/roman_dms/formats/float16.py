"""RAD keeps errors as float16 on disk; this is how they get there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = np.float32(np.finfo(np.float16).max)
"""65504; larger values and infinities are stored as it."""
SMALLEST = np.finfo(np.float16).smallest_subnormal
"""6e-8; smaller positive values are stored as it, since 0 would mean no error at all."""

_MAGNITUDE = np.uint16(0x7FFF)
_INFINITY = np.uint16(0x7C00)


class AsFloat16:
    """A float32 image that is narrowed row by row when it is written (``StoredArray``)."""

    dtype: np.dtype[Any] = np.dtype(np.float16)

    def __init__(self, array: NDArray[np.float32]) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array itself."""
        return self._array.shape

    def rows(self, start: int, stop: int) -> NDArray[np.float16]:
        """Return ``array[..., start:stop, :]`` as float16."""
        return narrowed(self._array[..., start:stop, :])

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return narrowed(self._array).astype(dtype or self.dtype, copy=False)


def narrowed(array: NDArray[np.float32]) -> NDArray[np.float16]:
    """Float16 of an array: never infinite, NaN kept, positive kept positive."""
    with np.errstate(over="ignore"):
        out = array.astype(np.float16)
    magnitude = out.view(np.uint16) & _MAGNITUDE  # integers, since float16 has no fast arithmetic
    infinite = magnitude == _INFINITY
    if infinite.any():
        out[infinite] = np.copysign(LARGEST, array[infinite])
    lost = magnitude == 0
    if lost.any():
        out[lost & (array > 0)] = SMALLEST
    return out
