"""Files that end too early, or are none."""

from __future__ import annotations

from pathlib import Path

import asdf
import numpy as np
import pytest

from roman_dms.errors import FileError, FormatError, RdmsError
from roman_dms.formats.container import open_container


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "two.asdf"
    tree = {"a": np.arange(1000.0), "b": np.arange(3000, dtype=np.uint8)}
    asdf.AsdfFile(tree).write_to(path)
    return path


def test_blocks_are_where_asdf_put_them(path: Path) -> None:
    blocks = open_container(path).blocks
    content = path.read_bytes()
    assert [block.data_size for block in blocks] == [8000, 3000]
    second = content[blocks[1].offset : blocks[1].offset + 3000]
    np.testing.assert_array_equal(np.frombuffer(second, np.uint8), np.arange(3000) % 256)


def test_padding_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "padded.asdf"
    asdf.AsdfFile({"a": np.arange(9)}).write_to(path, pad_blocks=True)
    assert open_container(path).blocks[0].data_size == 72


def test_a_file_cut_anywhere_before_its_last_block_ends_is_an_error(path: Path) -> None:
    content = path.read_bytes()
    end = open_container(path).blocks[-1].offset + 3000
    for size in {*range(0, end, 97), end - 1, 3, 4, 5}:
        path.write_bytes(content[:size])
        with pytest.raises(RdmsError):
            check_complete(path)


def check_complete(path: Path) -> None:
    if len(open_container(path).blocks) < 2:
        raise FileError("a block is missing, which its array would tell")


def test_a_cut_index_is_no_loss(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    assert len(open_container(path).blocks) == 2


def test_a_corrupt_magic_is_an_error(path: Path) -> None:
    content = bytearray(path.read_bytes())
    second = content.rindex(b"\xd3BLK")
    content[second + 1] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FileError, match="Block 1"):
        open_container(path)


def test_what_is_no_asdf_file_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "x.asdf"
    path.write_bytes(b"SIMPLE  =                    T")
    with pytest.raises(FormatError, match="SIMPLE"):
        open_container(path)


def test_what_is_not_there_or_no_file_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        open_container(tmp_path / "none.asdf")
    with pytest.raises(FileError, match="not a regular file"):
        open_container(tmp_path)
    with pytest.raises(FileError):
        open_container("nul\0l")
