"""The outside of an ASDF file: a YAML header, then binary blocks.

Follows the ASDF standard 1.6, "low-level file layout" and "binary blocks"
(https://asdf-standard.readthedocs.io).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.sources import ByteSource, FilePath, open_source, truncated

MAGIC = b"\xd3BLK"
INDEX = b"#ASDF BLOCK INDEX"
HEADER = struct.Struct(">4sHI4sQQQ16s")
"""Magic, size of what follows, flags, compression, allocated, used and data size, MD5."""
HEADER_SIZE = 48
"""Size of the header behind magic and size field."""
STREAMED = 1
"""Flag of a last block that reaches to the end of the file."""

_END = re.compile(rb"\r?\n\.\.\.(\r?\n|$)")
_FIRST_READ = 64 * 1024
_LONGEST_HEADER = 64 * 1024 * 1024
_LONGEST_PADDING = 1024 * 1024


@dataclass(frozen=True)
class Block:
    """Where a binary block lies and how it is stored."""

    offset: int
    """Of the first byte of its content."""
    compression: str
    """``""``, ``lz4``, ``zlib``, ``bzp2``."""
    used_size: int
    """Bytes in the file."""
    data_size: int
    """Bytes when decompressed."""
    checksum: bytes
    """MD5 of the bytes in the file, zeros where there is none."""


@dataclass(frozen=True)
class Container:
    """An ASDF file, its header not yet parsed."""

    source: ByteSource
    header: bytes
    """The YAML document."""
    blocks: tuple[Block, ...]


def open_container(path: FilePath) -> Container:
    """Read the header and find the blocks.

    Raises
    ------
    FileError
        If the file cannot be read, is truncated or its blocks are damaged.
    FormatError
        If it is no ASDF file.
    """
    return scan(open_source(path))


def scan(source: ByteSource) -> Container:
    """Find header and blocks in an opened file."""
    header, end = _read_header(source)
    return Container(source, header, tuple(_find_blocks(source, end)))


def _read_header(source: ByteSource) -> tuple[bytes, int]:
    """The YAML header, and where it ends."""
    count = _FIRST_READ
    while True:
        content = source.read(0, count)
        if not content.startswith(b"#ASDF "):
            raise FormatError(
                f"The file {source.name} begins with {content[:8]!r}.",
                "an ASDF file, which begins with '#ASDF'",
                "check that it is the right file and that it is complete",
            )
        match = _END.search(content)
        if match and (match.group(1) or len(content) == source.size):
            return content[: match.end()], match.end()
        if len(content) >= min(source.size, _LONGEST_HEADER):
            raise truncated(source.name, len(content), len(content) + 1)
        count *= 4


def _find_blocks(source: ByteSource, end_of_header: int) -> list[Block]:
    padding = source.read(end_of_header, _LONGEST_PADDING if not source.remote else _FIRST_READ)
    start = padding.find(MAGIC)
    if start < 0:
        if padding.strip(b"\0") and not padding.startswith(INDEX):
            raise _damaged(source, 0, end_of_header)
        return []
    blocks: list[Block] = []
    position = end_of_header + start
    while position < source.size:
        head = source.read(position, HEADER.size)
        if head.startswith(INDEX[: len(head)]):
            break
        block, position = _parse_block(source, len(blocks), position, head)
        blocks.append(block)
    return blocks


def _parse_block(source: ByteSource, number: int, position: int, head: bytes) -> tuple[Block, int]:
    """A block, and where the next one begins."""
    if not head.startswith(MAGIC[: len(head)]):
        raise _damaged(source, number, position)
    if len(head) < HEADER.size:
        raise truncated(source.name, source.size, position + HEADER.size)
    _, length, flags, label, allocated, used, size, checksum = HEADER.unpack(head)
    offset = position + 6 + length
    if flags & STREAMED:
        allocated = used = size = max(source.size - offset, 0)
    compression = label.rstrip(b"\0").decode("latin-1")
    if length < HEADER_SIZE or used > allocated or (not compression and used != size):
        raise _damaged(source, number, position)
    if offset + used > source.size:
        raise truncated(source.name, source.size, offset + used)
    return Block(offset, compression, used, size, checksum), offset + allocated


def _damaged(source: ByteSource, number: int, position: int) -> FileError:
    return FileError(
        f"Block {number} of the file {source.name}, at byte {position}, is damaged.",
        "the header of an ASDF block",
        "fetch or make the file again",
    )
