"""Write a tree of the mission to an ASDF file.

The tree is validated before a byte is written; the file is written beside its
place, synchronised to the disk and renamed, so that a file under its final name
is always complete.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import yaml
from asdf.tagged import TaggedDict
from asdf.yamlutil import AsdfDumper
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.errors import FileError, FormatError
from roman_dms.formats import rad
from roman_dms.formats.container import HEADER, HEADER_SIZE, INDEX, MAGIC
from roman_dms.formats.trees import Lowering
from roman_dms.formats.under_way import begin, clear_leftovers
from roman_dms.products.arrays import PixelArray

Compression = Literal["lz4", "zlib", "bzp2"] | None

_CHUNK = 1 << 20
"""Bytes that are compressed at a time."""
_WORTH = 0.95
"""An array that compresses less than this is stored as it is, to be read faster."""
_THREADS = 2
_BEHIND = 16
"""Chunks that may wait for their checksum."""


def write_tree(
    tag: str,
    tree: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    compression: Compression = "lz4",
) -> None:
    """Write the ``roman`` branch of an ASDF file and nothing else.

    Parameters
    ----------
    tag
        A tag of RAD, or a schema's name (``reference_files/gain``) for its newest tag.
    tree
        ``meta`` and arrays (in memory or in another file); astropy times, models,
        units and tables and gwcs objects are stored as such.
    compression
        Of the arrays.  An array that would not shrink is stored as it is.

    Raises
    ------
    ValidationError
        If the tree violates RAD; nothing is written then.
    FormatError
        If it holds an object that ASDF cannot store.
    FileError
        If the file cannot be written; nothing is left behind then.
    """
    path = Path(path)
    lowering = Lowering()
    root = root_of(tag, lowering.lower(tree))
    rad.check(root, path.name)
    with replacing(path) as file:
        write_asdf(file, root, lowering.arrays, compression)


def write_plain(
    tree: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    compression: Compression = "lz4",
) -> None:
    """Write a tree that is no product of RAD to an ASDF file.

    Raises
    ------
    FormatError
        If it holds an object that ASDF cannot store.
    FileError
        If the file cannot be written; nothing is left behind then.
    """
    lowering = Lowering()
    root = TaggedDict(lowering.lower(tree), "tag:stsci.edu:asdf/core/asdf-1.1.0")
    with replacing(Path(path)) as file:
        write_asdf(file, root, lowering.arrays, compression)


def root_of(tag: str, tree: Mapping[str, Any]) -> TaggedDict:
    """The whole tagged tree of a file, around the tagged tree of its product."""
    roman = TaggedDict(tree, rad.newest_tag(tag))
    return TaggedDict({**_provenance(), "roman": roman}, "tag:stsci.edu:asdf/core/asdf-1.1.0")


def write_asdf(
    file: BinaryIO, root: TaggedDict, arrays: Sequence[PixelArray], compression: Compression
) -> None:
    """Write header, blocks and index to an open file."""
    file.write(header_of(root))
    _write_blocks(file, arrays, compression)


def _provenance() -> dict[str, Any]:
    software = "tag:stsci.edu:asdf/core/software-1.0.0"
    extension = {
        "extension_class": "asdf.extension.ManifestExtension",
        "extension_uri": f"asdf://stsci.edu/datamodels/roman/extensions/{rad.MANIFEST}",
        "software": TaggedDict({"name": "roman_dms", "version": __version__}, software),
    }
    tagged = TaggedDict(extension, "tag:stsci.edu:asdf/core/extension_metadata-1.0.0")
    return {
        "asdf_library": TaggedDict({"name": "roman_dms", "version": __version__}, software),
        "history": {"extensions": [tagged]},
    }


def header_of(root: TaggedDict) -> bytes:
    """The YAML header of a file.

    Raises
    ------
    FormatError
        If the tree cannot be written as YAML.
    """
    start = f"#ASDF 1.0.0\n#ASDF_STANDARD {rad.ASDF_STANDARD}\n".encode()
    try:
        text: bytes = yaml.dump_all(
            [root],
            Dumper=AsdfDumper,
            explicit_start=True,
            explicit_end=True,
            version=(1, 1),
            allow_unicode=True,
            encoding="utf-8",
            tags={"!": "tag:stsci.edu:asdf/"},
            sort_keys=False,
        )
    except yaml.YAMLError as error:
        raise FormatError(f"The header cannot be written as YAML: {error}.") from error
    return start + text


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file beside ``path`` that takes its place once all is on the disk.

    What writers of the same path have left that were killed is removed.
    """
    try:
        clear_leftovers(path)
        beside, descriptor = begin(path)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            try:
                yield file
                os.fsync(descriptor)
                beside.replace(path)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
        _synchronise(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _synchronise(folder: Path) -> None:
    """Make the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_REMEDIES = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a disk that is not read-only",
    errno.ENOENT: "make the folder first",
}


def _unwritable(path: Path, error: OSError) -> FileError:
    return FileError(
        f"The file {path} cannot be written: {error.strerror or error}.",
        "a folder that can be written to, with enough space",
        _REMEDIES.get(error.errno or 0, "check the path"),
    )


def _write_blocks(file: BinaryIO, arrays: Sequence[PixelArray], compression: Compression) -> None:
    offsets, ends = [], []
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        ThreadPoolExecutor(1) as hasher,
        ThreadPoolExecutor(_THREADS) as wholes,
    ):
        for array in arrays:
            offsets.append(file.tell())
            ends.append(_write_block(file, array, compression, (pool, hasher, wholes)))
        for end in ends:
            end()
    if offsets:
        index = "".join(f"- {offset}\n" for offset in offsets)
        file.write(INDEX + f"\n%YAML 1.1\n---\n{index}...\n".encode())


def _write_block(
    file: BinaryIO,
    array: PixelArray,
    compression: Compression,
    pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor, ThreadPoolExecutor],
) -> Callable[[], None]:
    """The content of one array; what is returned writes its header, checksum and all.

    Chunks are encoded in the threads of the first pool, and written there too where their
    places are known beforehand; one thread, the second, takes the checksum meanwhile.  That of
    an array in memory is taken by itself, by the third, while the next arrays are written.
    """
    pool, hasher, wholes = pools
    chunks = _Chunks(array)
    label = compression if compression and chunks.shrinks() else None
    start = file.tell()
    at = start + HEADER.size
    file.seek(at)
    direct = label is None and isinstance(file, io.FileIO)
    contents = _placed(chunks, file.fileno(), at, pool) if direct else _encoded(chunks, label, pool)
    digest: Callable[[], bytes]
    if direct and chunks.as_it_is:
        digest = wholes.submit(_digest, chunks).result
        used = sum(map(len, contents))
    else:
        taken = hashlib.md5(usedforsecurity=False)
        used, digest = _write_in_order(file, contents, taken, hasher, direct), taken.digest
    file.seek(at + used)

    def end() -> None:
        head = HEADER.pack(
            MAGIC, HEADER_SIZE, 0, (label or "").encode(), used, used, chunks.size, digest()
        )
        file.seek(start)
        file.write(head)
        file.seek(0, os.SEEK_END)

    return end


def _write_in_order(
    file: BinaryIO,
    contents: Iterable[bytes | memoryview],
    digest: Any,
    hasher: ThreadPoolExecutor,
    direct: bool,
) -> int:
    """Write chunks, unless they are in their places already, and take their checksum."""
    hashing: deque[Future[None]] = deque()
    used = 0
    for content in contents:
        hashing.append(hasher.submit(digest.update, content))
        if not direct:
            _write_all(file, content)
        used += len(content)
        if len(hashing) > _BEHIND:
            hashing.popleft().result()
    while hashing:
        hashing.popleft().result()
    return used


def _digest(chunks: _Chunks) -> bytes:
    """Checksum of an array that is stored as it is."""
    digest = hashlib.md5(usedforsecurity=False)
    for number in range(len(chunks)):
        digest.update(chunks.content(number).data)
    return digest.digest()


def _write_all(file: BinaryIO, content: bytes | memoryview) -> None:
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _encoded(
    chunks: _Chunks, label: Compression, pool: ThreadPoolExecutor
) -> Iterator[bytes | memoryview]:
    """The content of a block in order, a few chunks ahead of the disk."""
    if label in {"zlib", "bzp2"}:
        yield from _encoded_stream(chunks, label)
        return
    encode: Callable[[memoryview], bytes | memoryview] = _lz4_chunk if label else memoryview
    yield from _ahead(lambda number: encode(chunks.content(number).data), len(chunks), pool)


def _placed(
    chunks: _Chunks, descriptor: int, start: int, pool: ThreadPoolExecutor
) -> Iterator[memoryview]:
    """The content of a block as it is, in order, each chunk once it is in its place."""

    def put(number: int) -> memoryview:
        content = chunks.content(number).data
        place, rest = start + chunks.offset(number), content
        while rest:
            written = os.pwrite(descriptor, rest, place)
            place, rest = place + written, rest[written:]
        return content

    yield from _ahead(put, len(chunks), pool)


def _ahead(make: Callable[[int], Any], count: int, pool: ThreadPoolExecutor) -> Iterator[Any]:
    """``make(0)``, ``make(1)``, ..., a few of them made ahead."""
    waiting: deque[Future[Any]] = deque()
    for number in range(count):
        waiting.append(pool.submit(make, number))
        if len(waiting) > 2 * _THREADS:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _encoded_stream(chunks: _Chunks, label: Compression) -> Iterator[bytes]:
    import bz2  # noqa: PLC0415 - rarely asked for
    import zlib  # noqa: PLC0415

    encoder: Any = zlib.compressobj(1) if label == "zlib" else bz2.BZ2Compressor(1)
    for number in range(len(chunks)):
        yield encoder.compress(chunks.content(number).data)
    yield encoder.flush()


def _lz4_chunk(content: memoryview) -> bytes:
    import lz4.block  # noqa: PLC0415 - loaded when first needed

    packed: bytes = lz4.block.compress(content)
    return len(packed).to_bytes(4, "big") + packed


class _Chunks:
    """The bytes of an array, in the order of the file, about a MiB at a time."""

    def __init__(self, array: PixelArray) -> None:
        if len(array.shape) != 2:  # an image is made contiguous chunk by chunk
            array = np.ascontiguousarray(array)
        if isinstance(array, np.ndarray):
            array = array.reshape(-1, 1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])
        self._array = array
        height, width = array.shape
        self._dtype = array.dtype.newbyteorder("<")
        line = max(width * self._dtype.itemsize, 1)
        self._step = max(_CHUNK // line, 1)
        self.size = height * width * self._dtype.itemsize

    def __len__(self) -> int:
        return -(-self._array.shape[0] // self._step) if self.size else 0

    @property
    def as_it_is(self) -> bool:
        """Whether chunks are views of an array in memory."""
        return isinstance(self._array, np.ndarray) and self._array.dtype == self._dtype

    def offset(self, number: int) -> int:
        """Where a chunk begins in the block [byte]."""
        return number * self._step * self._array.shape[1] * self._dtype.itemsize

    def content(self, number: int) -> NDArray[np.uint8]:
        start = number * self._step
        stop = min(start + self._step, self._array.shape[0])
        if isinstance(self._array, np.ndarray):
            part = self._array[start:stop]
        else:
            part = self._array.rows(start, stop)
        return part.astype(self._dtype, copy=False).reshape(-1).view(np.uint8)

    def shrinks(self) -> bool:
        """Whether compression is worth its time, judged by a chunk in the middle."""
        if not self.size:
            return False
        sample = self.content(len(self) // 2)
        return len(_lz4_chunk(sample.data)) < _WORTH * sample.size
