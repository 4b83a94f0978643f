"""Arrays that stay in their ASDF file and are read by rows."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.formats.blocks import BlockReader, block_reader
from roman_dms.formats.container import Container


class FileArray:
    """An array of an ASDF block, C-contiguous there (see ``StoredArray``)."""

    def __init__(
        self, reader: BlockReader, shape: tuple[int, ...], stored: np.dtype[Any], offset: int = 0
    ) -> None:
        self._reader = reader
        self._stored = stored
        self._offset = offset
        self.shape = shape
        self.dtype = stored.newbyteorder("=")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return ``array[..., start:stop, :]`` as a new C-contiguous array."""
        *planes, height, width = self.shape
        start, stop, _ = slice(start, stop).indices(height)
        out = np.empty((*planes, max(stop - start, 0), width), self._stored)
        line = width * self._stored.itemsize
        for number, plane in enumerate(out.reshape(math.prod(planes), -1)):
            self._fill((number * height + start) * line, plane)
        return out.astype(self.dtype, copy=False)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        out = np.empty(self.shape, self._stored)
        self._fill(0, out.reshape(-1))
        return out.astype(dtype or self.dtype, copy=False)

    def _fill(self, offset: int, out: NDArray[Any]) -> None:
        if out.size:
            self._reader.read_into(self._offset + offset, out.view(np.uint8))

    def __repr__(self) -> str:
        return f"FileArray(shape={self.shape}, dtype={self.dtype})"


def array_of(container: Container, node: Any) -> NDArray[Any] | FileArray:
    """The array that an ``ndarray`` node of the header stands for.

    Raises
    ------
    FormatError
        If the node contradicts itself or its block.
    FileError
        If the block is damaged.
    """
    try:
        if not isinstance(node, Mapping) or "data" in node:
            return _inline(node)
        return _in_block(container, node)
    except (TypeError, ValueError, LookupError, ArithmeticError, MemoryError) as error:
        raise FormatError(
            f"An array of {container.source.name} cannot be read ({error}): "
            f"{reprlib.repr(dict(node) if isinstance(node, Mapping) else node)}.",
            "an ndarray node of the ASDF standard that agrees with its block",
        ) from error


def _inline(node: Any) -> NDArray[Any]:
    from asdf.tags.core.ndarray import (  # noqa: PLC0415 - not for headers alone
        asdf_datatype_to_numpy_dtype,
        inline_data_asarray,
    )

    if not isinstance(node, Mapping):
        return np.asarray(inline_data_asarray(list(node)))
    dtype = asdf_datatype_to_numpy_dtype(node["datatype"]) if "datatype" in node else None
    array = np.asarray(inline_data_asarray(node["data"], dtype))
    return array.reshape(_shape(node["shape"])) if "shape" in node else array


def _in_block(container: Container, node: Mapping[str, Any]) -> NDArray[Any] | FileArray:
    from asdf.tags.core.ndarray import asdf_datatype_to_numpy_dtype  # noqa: PLC0415

    number = node["source"]
    if not isinstance(number, int) or not -1 <= number < len(container.blocks):
        raise ValueError(f"its source is {number!r}, the file has {len(container.blocks)} blocks")
    block = container.blocks[number]
    dtype = asdf_datatype_to_numpy_dtype(node["datatype"], node.get("byteorder", "big"))
    offset = int(node.get("offset", 0))
    sizes = list(node["shape"])
    if sizes and sizes[0] == "*":  # as many as the streamed block holds
        sizes[0] = (block.data_size - offset) // (math.prod(_shape(sizes[1:])) * dtype.itemsize)
    shape = _shape(sizes)
    planes = math.prod(shape[:-2]) if len(shape) > 2 else 1
    reader = block_reader(container.source, block, planes)
    if "strides" in node or dtype.names:
        return _strided(reader, shape, dtype, offset, node.get("strides"))
    needed = math.prod(shape) * dtype.itemsize
    if offset < 0 or offset + needed > reader.size:
        raise ValueError(f"it needs {offset + needed} bytes, its block has {reader.size}")
    return FileArray(reader, shape, dtype, offset)


def _strided(
    reader: BlockReader,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    offset: int,
    strides: Any,
) -> NDArray[Any]:
    """An array that is not C-contiguous or has fields, in memory."""
    whole = FileArray(reader, (reader.size,), np.dtype(np.uint8))
    array: NDArray[Any] = np.ndarray(shape, dtype, np.asarray(whole).data, offset, strides)
    return array.astype(dtype.newbyteorder("="), order="C")


def _shape(sizes: Any) -> tuple[int, ...]:
    shape = tuple(sizes)
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"its shape is {list(shape)}")
    return shape
