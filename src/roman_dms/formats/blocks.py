"""Content of ASDF blocks: read as it is asked for, or decoded once.

An lz4 block is a sequence of chunks, each a big-endian length and an
``lz4.block`` with its little-endian size in front, so that a part of an array
needs only the chunks that it touches.
"""

from __future__ import annotations

import bisect
import bz2
import struct
import threading
import zlib
from collections import OrderedDict
from concurrent.futures import Future
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.container import Block
from roman_dms.formats.sources import ByteSource, MemorySource, truncated

_CHUNK_HEAD = struct.Struct(">I")
_CHUNK_SIZE = struct.Struct("<I")
_BEST_RATIO = {"lz4": 256, "zlib": 1100, "bzp2": 100_000}
"""No block compresses better, so that a larger size is a damaged one."""


class BlockReader(Protocol):
    """Random access to the decompressed content of a block."""

    size: int
    """Decompressed size [byte]."""

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the content from ``offset`` on."""
        ...


def block_reader(source: ByteSource, block: Block, planes: int = 1) -> BlockReader:
    """The cheapest reader for a block.

    Parameters
    ----------
    planes
        In how many places at a time the block will be read: one a plane of a cube.

    Raises
    ------
    FileError
        If the block is damaged.
    FormatError
        If its compression is unknown.
    """
    if not block.compression:
        return WholeBlock(source, block) if source.remote else PlainBlock(source, block)
    if block.compression not in _BEST_RATIO:
        raise FormatError(
            f"A block of {source.name} has the compression {block.compression!r}.",
            "none, lz4, zlib or bzp2",
        )
    if block.data_size > _BEST_RATIO[block.compression] * block.used_size:
        raise _damaged(source, f"{block.data_size} bytes announced")
    if source.remote or block.compression != "lz4":
        return WholeBlock(source, block)
    return Lz4Block(source, block, planes)


class PlainBlock:
    """A block without compression."""

    def __init__(self, source: ByteSource, block: Block) -> None:
        self._source = source
        self._start = block.offset
        self.size = block.data_size

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the content from ``offset`` on."""
        self._source.read_into(self._start + offset, out)


class Lz4Block:
    """A block of lz4 chunks; the last decoded chunks are kept.

    Threads that read neighbouring rows need the same chunk: the first decodes
    it, the others wait for its result.
    """

    def __init__(self, source: ByteSource, block: Block, planes: int = 1) -> None:
        self._source = source
        self._block = block
        self._kept = 2 * planes + 2
        self._planes = planes
        self._starts, self._places = _index_chunks(source, block)
        self.size = block.data_size
        self._cache: OrderedDict[int, Future[NDArray[np.uint8]]] = OrderedDict()
        self._lock = threading.Lock()

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the content from ``offset`` on."""
        done = 0
        number = bisect.bisect_right(self._starts, offset) - 1
        while done < out.size:
            skip = offset + done - self._starts[number]
            part = self._chunk(number)[skip : skip + out.size - done]
            out[done : done + part.size] = part
            done += part.size
            number += 1

    def _chunk(self, number: int) -> NDArray[np.uint8]:
        with self._lock:
            future = self._cache.get(number)
            mine = future is None
            if future is None:
                future = self._cache[number] = Future()
                if len(self._cache) > self._kept:
                    self._cache.popitem(last=False)
            else:
                self._cache.move_to_end(number)
        if mine:
            try:
                future.set_result(self._decode(number))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _decode(self, number: int) -> NDArray[np.uint8]:
        import lz4.block  # noqa: PLC0415 - only for compressed files

        offset, length = self._places[number]
        packed = self._source.read(offset, length)
        if len(packed) < length:
            raise truncated(self._source.name, offset + len(packed), offset + length)
        try:
            return np.frombuffer(lz4.block.decompress(packed), np.uint8)
        except (lz4.block.LZ4BlockError, ValueError) as error:
            raise _damaged(self._source, error) from error

    def __reduce__(self) -> tuple[type[Lz4Block], tuple[Any, ...]]:
        return Lz4Block, (self._source, self._block, self._planes)


def _index_chunks(source: ByteSource, block: Block) -> tuple[list[int], list[tuple[int, int]]]:
    """Where each chunk begins in the content, and its (offset, length) in the file."""
    starts: list[int] = []
    places: list[tuple[int, int]] = []
    content = position = 0
    while position < block.used_size:
        head = source.read(block.offset + position, 8)
        if len(head) < 8:
            raise truncated(source.name, source.size, block.offset + position + 8)
        length = _CHUNK_HEAD.unpack_from(head)[0]
        size = _CHUNK_SIZE.unpack_from(head, 4)[0]
        if length < 5 or not 0 < size <= _BEST_RATIO["lz4"] * length:
            raise _damaged(source, f"a chunk of {length} bytes that unpacks to {size}")
        starts.append(content)
        places.append((block.offset + position + 4, length))
        content += size
        position += 4 + length
    if position != block.used_size or content != block.data_size:
        raise _damaged(source, f"{content} bytes found, {block.data_size} announced")
    return starts, places


class WholeBlock:
    """A block that can only be decoded as a whole, or comes over a network."""

    def __init__(self, source: ByteSource, block: Block) -> None:
        self._source = source
        self._block = block
        self.size = block.data_size
        self._lock = threading.Lock()

    def read_into(self, offset: int, out: NDArray[np.uint8]) -> None:
        """Fill ``out`` with the content from ``offset`` on."""
        with self._lock:
            content = self._content
        out[:] = content[offset : offset + out.size]

    @cached_property
    def _content(self) -> NDArray[np.uint8]:
        block = self._block
        packed = self._source.read(block.offset, block.used_size)
        if len(packed) < block.used_size:
            raise truncated(self._source.name, block.offset + len(packed), block.used_size)
        try:
            content = _unpack(packed, block)
        except (OSError, ValueError, EOFError, zlib.error, RuntimeError) as error:
            raise _damaged(self._source, error) from error
        if len(content) != block.data_size:
            raise _damaged(self._source, f"{len(content)} bytes, {block.data_size} announced")
        return np.frombuffer(content, np.uint8)

    def __reduce__(self) -> tuple[type[WholeBlock], tuple[Any, ...]]:
        return WholeBlock, (self._source, self._block)


def _unpack(packed: bytes, block: Block) -> bytes:
    if block.compression == "zlib":
        return zlib.decompressobj().decompress(packed, block.data_size)
    if block.compression == "bzp2":
        return bz2.BZ2Decompressor().decompress(packed, block.data_size)
    if block.compression == "lz4":
        reader = Lz4Block(
            MemorySource("a remote block", packed),
            Block(0, "lz4", len(packed), block.data_size, b""),
        )
        content = np.empty(block.data_size, np.uint8)
        reader.read_into(0, content)
        return content.tobytes()
    return packed


def _damaged(source: ByteSource, reason: object) -> FileError:
    return FileError(
        f"A block of {source.name} is damaged: {reason}.",
        "an intact binary block",
        "fetch or make the file again",
    )
