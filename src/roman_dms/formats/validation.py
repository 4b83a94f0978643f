"""Whether a file is what the mission says it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from roman_dms.errors import FormatError, MetadataError
from roman_dms.formats import rad
from roman_dms.formats.container import Container
from roman_dms.formats.exposures import RATE, RAW
from roman_dms.formats.mosaics import MOSAIC
from roman_dms.formats.products import read_product
from roman_dms.formats.rad import Violation
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import open_tagged

_AT_A_TIME = 1 << 24


def validate_file(path: FilePath) -> list[Violation]:
    """All that is wrong with a file: its schema, its checksums, its consistency.

    Raises
    ------
    FileError, FormatError
        If the file cannot be read as a product of the mission at all.
    """
    file = open_tagged(path)
    if not rad.is_known(file.tag):
        return [Violation("roman", f"the tag {file.tag}", f"a tag of rad {rad.release()}")]
    found = [*rad.violations(file.root), *_damaged_blocks(file.container)]
    if not found and file.schema in {RAW, RATE, MOSAIC}:
        try:
            read_product(path)
        except (FormatError, MetadataError) as error:
            found = [Violation("roman", error.found, error.expected)]
    return list(dict.fromkeys(found))


def _damaged_blocks(container: Container) -> Iterator[Violation]:
    """Blocks whose content does not have the checksum that it had when written."""
    for number, block in enumerate(container.blocks):
        if not any(block.checksum):
            continue
        digest = hashlib.md5(usedforsecurity=False)
        for start in range(0, block.used_size, _AT_A_TIME):
            count = min(_AT_A_TIME, block.used_size - start)
            digest.update(container.source.read(block.offset + start, count))
        if digest.digest() != block.checksum:
            yield Violation(
                f"block {number}",
                f"the checksum {digest.hexdigest()}",
                f"{block.checksum.hex()}, as when it was written",
            )
