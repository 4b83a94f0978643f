"""Arrays of a product, and how a product is cut into tiles of rows.

A field that holds pixels says so once, with :func:`pixels`; everything that
slices, checks or documents products derives from that declaration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Frame = Literal["detector", "science"]
"""``detector``: with the reference-pixel border; ``science``: without it."""


@runtime_checkable
class StoredArray(Protocol):
    """An array that lives in a file and is read by rows.

    Attributes
    ----------
    shape, dtype
        As of a numpy array; the last two axes are (row, column).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a numpy array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of a numpy array."""
        ...

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return ``array[..., start:stop, :]`` as a new C-contiguous array."""
        ...

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]: ...


PixelArray = NDArray[Any] | StoredArray
"""One value a pixel, in memory or in a file."""


@dataclasses.dataclass(frozen=True)
class PixelField:
    """The declaration of a field that holds one value a pixel.

    The last two axes of the array are (row, column).
    """

    frame: Frame
    unit: str
    description: str


def pixels(frame: Frame, unit: str, description: str, *, optional: bool = False) -> Any:
    """Declare a dataclass field that holds pixels (see :class:`PixelField`)."""
    metadata = {"pixels": PixelField(frame, unit, description)}
    if optional:
        return dataclasses.field(default=None, metadata=metadata)
    return dataclasses.field(metadata=metadata)


def pixel_fields(product: Any) -> Iterator[tuple[str, PixelField]]:
    """Name and declaration of each field of ``product`` (or its class) that holds pixels."""
    for field in dataclasses.fields(product):
        if "pixels" in field.metadata:
            yield field.name, field.metadata["pixels"]


def rows_of(array: PixelArray, start: int, stop: int) -> NDArray[Any]:
    """Rows ``start:stop`` of an array in memory or in a file."""
    if isinstance(array, np.ndarray):
        return array[..., start:stop, :]
    return array.rows(start, stop)
