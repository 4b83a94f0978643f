"""Whatever bytes a file holds, only our own errors come out, and soon."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roman_dms.errors import RdmsError
from roman_dms.formats import products, validation
from roman_dms.formats.summary import summarise
from roman_dms.products.arrays import StoredArray

MANY = settings(
    max_examples=150,
    deadline=10_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def attempt(path: Path, reader: Callable[[Path], Any] = products.read_product) -> None:
    """Read everything; a typed error is an answer, too."""
    with contextlib.suppress(RdmsError):
        product = reader(path)
        for value in vars(product or object).values():
            if isinstance(value, StoredArray):
                np.asarray(value)


@pytest.fixture(scope="session", params=["raw", "rate", "lz4"])
def content(request: pytest.FixtureRequest, folder: Path) -> bytes:
    if request.param != "lz4":
        path: Path = request.getfixturevalue(f"{request.param}_path")
        return path.read_bytes()
    model = request.getfixturevalue("raw_model").copy()
    model.to_asdf(folder / "packed.asdf", all_array_compression="lz4")
    return (folder / "packed.asdf").read_bytes()


def test_any_truncation(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cut.asdf"
    for size in range(0, len(content), len(content) // 97):
        path.write_bytes(content[:size])
        attempt(path)


@MANY
@given(data=st.data())
def test_bytes_that_change_anywhere(data: st.DataObject, content: bytes, tmp_path: Path) -> None:
    damaged = bytearray(content)
    where = st.integers(0, len(content) - 1)
    for place in data.draw(st.lists(where, min_size=1, max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.asdf"
    path.write_bytes(damaged)
    attempt(path)


@MANY
@given(data=st.data())
def test_bytes_that_change_where_it_hurts(
    data: st.DataObject, content: bytes, tmp_path: Path
) -> None:
    """In the header, or in the head of a block."""
    damaged = bytearray(content)
    end = content.index(b"\n...\n")
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, end))
        piece = data.draw(st.binary(min_size=1, max_size=6) | st.sampled_from(
            [b"&a", b"*a", b"!!", b": ", b"- ", b"[", b"{", b"'", b"-1", b"1e999", b".nan", b"~"]
        ))  # fmt: skip
    else:
        heads = [at for at in range(len(content)) if content.startswith(b"\xd3BLK", at)]
        place = data.draw(st.sampled_from(heads)) + data.draw(st.integers(0, 70))
        piece = data.draw(st.binary(min_size=1, max_size=8))
    damaged[place : place + len(piece)] = piece
    path = tmp_path / "damaged.asdf"
    path.write_bytes(damaged)
    attempt(path)


@MANY
@given(junk=st.binary(max_size=300))
def test_junk(junk: bytes, tmp_path: Path) -> None:
    path = tmp_path / "junk.asdf"
    for start in (b"", b"#ASDF 1.0.0\n", b"#ASDF 1.0.0\n%YAML 1.1\n--- \nroman: "):
        path.write_bytes(start + junk + b"\n...\n")
        attempt(path)


@settings(MANY, max_examples=40)
@given(data=st.data())
def test_info_and_validate_too(data: st.DataObject, content: bytes, tmp_path: Path) -> None:
    damaged = bytearray(content)
    end = content.index(b"\n...\n")
    damaged[data.draw(st.integers(0, end))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.asdf"
    path.write_bytes(damaged)
    attempt(path, summarise)
    attempt(path, lambda path: validation.validate_file(path) and None)
