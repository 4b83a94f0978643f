"""New metadata for a file whose arrays stay as they are.

The header of an ASDF file is written anew; the binary blocks behind it are copied
by the kernel as they lie, compressed, with their checksums, and on file systems
that share extents (XFS, Btrfs) they are not even copied.  The new file takes the
place of the old one once it is whole, so that a reader finds either the one or
the other.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from asdf.tagged import TaggedDict, get_tag

from roman_dms.errors import FileError, FormatError
from roman_dms.formats import rad
from roman_dms.formats.container import HEADER, INDEX, MAGIC, Container
from roman_dms.formats.trees import Lowering, TaggedFile, open_tagged
from roman_dms.formats.writing import header_of, replacing

_EXTENT = 4096
"""Blocks move by a multiple of this, as file systems ask that share extents [byte]."""
_LONGEST_BLOCK_HEADER = 6 + 0xFFFF
_AT_A_TIME = 1 << 23
_NO_KERNEL_COPY = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}
"""What a file system says that cannot copy within the kernel."""


def update_metadata(
    path: str | os.PathLike[str], changes: Mapping[str, Any], *, keep_date: bool = False
) -> None:
    """Change metadata of a product in its file; every array stays bit for bit.

    Parameters
    ----------
    path
        File to change.  A link stays a link.
    changes
        New values by dotted key below ``meta``; branches are made as needed.
        Astropy times and gwcs objects are stored as such.
    keep_date
        Leave ``meta.file_date`` as it is.

    Raises
    ------
    ValidationError
        If the tree would violate RAD; the file is then as it was.
    FormatError
        If it is no product of the mission, or a value is an array.
    FileError
        If it cannot be read or written; it is then as it was.
    """
    path = Path(path).resolve()
    file = open_tagged(path)
    now = {} if keep_date else {"file_date": _now()}
    root = changed_tree(file, {**changes, **now})
    rad.check(root, path.name)
    starts = _starts_of_blocks(file.container)
    header = header_of(root)
    shift = _shift(len(header), starts)
    with path.open("rb") as source, replacing(path) as target:
        _require_same(source, file.container, path)
        os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o7777)
        target.write(header)
        if starts:
            end = _end_of_blocks(file.container, starts)
            target.write(bytes(starts[0] + shift - len(header)))
            _copy(source, target, starts[0], end)
            if _has_index(file.container, end):
                target.write(_index([start + shift for start in starts]))


def changed_tree(file: TaggedFile, changes: Mapping[str, Any]) -> TaggedDict:
    """The tagged tree of a file with values below ``meta`` set by dotted key."""
    lowering = Lowering()
    root: Any = file.root
    for key, value in changes.items():
        lowered = lowering.lower(value)
        if lowering.arrays:
            raise FormatError(
                f"The new value of meta.{key} in {file.name} holds an array.",
                "metadata without arrays",
                "write the product anew",
            )
        root = _with(root, ["roman", "meta", *key.split(".")], lowered)
    return root


def _with(node: Any, keys: Sequence[str], value: Any) -> Any:
    """A tree with a value set; tags of the branches on the way are kept."""
    if not keys:
        return value
    items = dict(node) if isinstance(node, Mapping) else {}
    items[keys[0]] = _with(items.get(keys[0]), keys[1:], value)
    tag = get_tag(node)
    return TaggedDict(items, tag) if tag else items


def _now() -> Any:
    from astropy.time import Time  # noqa: PLC0415 - slow to import

    return Time(Time.now(), format="isot")


def _shift(header: int, starts: Sequence[int]) -> int:
    """How far the blocks move behind a header of a length [byte]."""
    if not starts:
        return 0
    return -((starts[0] - header) // _EXTENT) * _EXTENT


def _starts_of_blocks(container: Container) -> list[int]:
    """Where the header of each block begins."""
    starts = []
    for number, block in enumerate(container.blocks):
        low = max(block.offset - _LONGEST_BLOCK_HEADER, 0)
        before = container.source.read(low, block.offset - low)
        place = before.rfind(MAGIC)
        while place >= 0 and place + 6 + int.from_bytes(before[place + 4 : place + 6]) < len(
            before
        ):
            place = before.rfind(MAGIC, 0, place)
        if place < 0:
            raise FileError(
                f"The header of block {number} of {container.source.name} cannot be found.",
                "an ASDF file that nothing else is writing",
            )
        starts.append(low + place)
    return starts


def _end_of_blocks(container: Container, starts: Sequence[int]) -> int:
    last = container.blocks[-1]
    allocated = HEADER.unpack(container.source.read(starts[-1], HEADER.size))[4]
    return max(last.offset + allocated, last.offset + last.used_size)


def _has_index(container: Container, end: int) -> bool:
    return container.source.read(end, len(INDEX)) == INDEX


def _index(starts: Sequence[int]) -> bytes:
    lines = "".join(f"- {start}\n" for start in starts)
    return INDEX + f"\n%YAML 1.1\n---\n{lines}...\n".encode()


def _require_same(source: BinaryIO, container: Container, path: Path) -> None:
    """Raise a FileError where another process replaced the file since its header was read."""
    found = os.pread(source.fileno(), len(container.header), 0)
    if found != container.header or os.fstat(source.fileno()).st_size != container.source.size:
        raise FileError(
            f"The file {path} was changed while its metadata were being updated.",
            "a file that nothing else is writing",
            "try again",
        )


def _copy(source: BinaryIO, target: BinaryIO, start: int, end: int) -> None:
    """Copy bytes to the end of a file; what begins a file-system block goes as a whole."""
    aligned = min(-(-start // _EXTENT) * _EXTENT, end)
    for low, high in ((start, aligned), (aligned, end)):
        while low < high:
            count = _copied(source.fileno(), target.fileno(), low, high - low)
            if count == 0:
                raise FileError(f"The file {source.name} ends at byte {low}.", f"{end} bytes")
            low += count  # noqa: PLW2901 - goes on where the kernel stopped


def _copied(source: int, target: int, offset: int, count: int) -> int:
    """Copy up to ``count`` bytes to where the target stands; how many were copied."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, count, offset_src=offset)
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
    return os.write(target, os.pread(source, min(count, _AT_A_TIME), offset))
