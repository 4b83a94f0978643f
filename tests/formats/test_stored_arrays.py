"""Rows of arrays that asdf itself wrote in every way it can."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asdf
import fsspec
import numpy as np
import pytest
import yaml
from asdf.yamlutil import AsdfLoader

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.container import open_container
from roman_dms.formats.stored_arrays import FileArray, array_of
from roman_dms.products.arrays import StoredArray

CUBE = np.random.default_rng(0).integers(0, 200, (3, 700, 1000)).astype(np.uint16)
"""1.4 MB a plane: several chunks of lz4 at asdf's 4 MiB, rows across their edges."""


def written(folder: Path, array: Any, compression: str | None = None, **options: Any) -> Path:
    path = folder / "array.asdf"
    asdf.AsdfFile({"a": array}).write_to(path, all_array_compression=compression, **options)
    return path


def opened(path: Any) -> Any:
    container = open_container(path)
    return array_of(container, yaml.load(container.header, Loader=AsdfLoader)["a"])


@pytest.mark.parametrize("compression", [None, "lz4", "zlib", "bzp2"])
def test_rows_are_those_of_the_array(tmp_path: Path, compression: str | None) -> None:
    array = opened(written(tmp_path, CUBE, compression))
    assert isinstance(array, StoredArray)
    assert array.shape == CUBE.shape
    assert array.dtype == CUBE.dtype
    for start, stop in [(0, 700), (0, 1), (699, 700), (123, 456), (5, 5)]:
        rows = array.rows(start, stop)
        assert rows.flags.c_contiguous
        assert rows.flags.owndata
        np.testing.assert_array_equal(rows, CUBE[:, start:stop])
    np.testing.assert_array_equal(np.asarray(array), CUBE)


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_threads_may_share_an_array(tmp_path: Path, compression: str | None) -> None:
    array = opened(
        written(tmp_path, CUBE, compression, compression_kwargs={"compression_block_size": 50_000})
        if compression
        else written(tmp_path, CUBE)
    )
    bands = [(start, start + 20) for start in range(0, 700, 20)] * 3
    with ThreadPoolExecutor(8) as pool:
        for (start, stop), rows in zip(
            bands, pool.map(lambda band: array.rows(*band), bands), strict=True
        ):
            np.testing.assert_array_equal(rows, CUBE[:, start:stop])


@pytest.mark.parametrize("dtype", [">u2", "<f2", ">f8", "<c16", "i1"])
def test_types_become_native(tmp_path: Path, dtype: str) -> None:
    data = CUBE[0, :20, :30].astype(dtype)
    array = opened(written(tmp_path, data))
    assert array.dtype.isnative
    np.testing.assert_array_equal(array.rows(3, 9), data[3:9])


def test_other_orders_and_structures_come_into_memory(tmp_path: Path) -> None:
    fortran = np.asfortranarray(CUBE[0, :20, :30])
    np.testing.assert_array_equal(opened(written(tmp_path, fortran)), fortran)
    table = np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i4"), ("b", "<f8")])
    np.testing.assert_array_equal(opened(written(tmp_path, table)), table)
    inline = opened(written(tmp_path, np.arange(6.0).reshape(2, 3), all_array_storage="inline"))
    np.testing.assert_array_equal(inline, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(opened(written(tmp_path, np.zeros((0, 4)))), np.zeros((0, 4)))


@pytest.mark.parametrize("compression", [None, "lz4", "zlib"])
def test_a_url_of_fsspec_is_a_path(tmp_path: Path, compression: str | None) -> None:
    content = written(tmp_path, CUBE, compression).read_bytes()
    with fsspec.open("memory://formats/array.asdf", "wb") as file:
        file.write(content)
    array = opened("memory://formats/array.asdf")
    np.testing.assert_array_equal(array.rows(100, 200), CUBE[:, 100:200])
    with pytest.raises(FileError):
        opened("memory://formats/not_there.asdf")


@pytest.mark.parametrize("compression", [None, "lz4", "zlib"])
def test_an_array_travels_to_another_process(tmp_path: Path, compression: str | None) -> None:
    array = pickle.loads(pickle.dumps(opened(written(tmp_path, CUBE, compression))))
    np.testing.assert_array_equal(array.rows(10, 20), CUBE[:, 10:20])


def test_a_file_that_shrinks_while_it_is_open_is_an_error_not_a_signal(tmp_path: Path) -> None:
    path = written(tmp_path, CUBE)
    array = opened(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(FileError, match="truncated"):
        np.asarray(array)


def test_a_damaged_chunk_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, CUBE, "lz4")
    block = open_container(path).blocks[0]
    content = bytearray(path.read_bytes())
    middle = block.offset + block.used_size // 3
    content[middle : middle + 500] = b"\xff" * 500
    path.write_bytes(content)
    with pytest.raises(FileError, match="damaged"):
        np.asarray(opened(path))


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3, 700, 1001]},
        {"shape": [-1, 700]},
        {"shape": ["x"]},
        {"shape": 7},
        {"source": 5},
        {"source": "elsewhere.asdf"},
        {"datatype": "complex9"},
        {"offset": -4},
        {"strides": [10**9, 4, 2]},
    ],
)
def test_a_node_that_contradicts_its_block_is_an_error(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    container = open_container(written(tmp_path, CUBE))
    node = {"source": 0, "datatype": "uint16", "byteorder": "little", "shape": [3, 700, 1000]}
    assert isinstance(array_of(container, node), FileArray)
    with pytest.raises(FormatError):
        array_of(container, node | change)
