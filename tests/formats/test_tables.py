"""Tables in files: astropy's own readers are the judge."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.tables import read_table, write_table

ASTROPY = {".parquet": "parquet", ".ecsv": "ascii.ecsv", ".fits": "fits"}


@pytest.fixture
def table():
    result = Table(
        {
            "id": np.arange(4),
            "ra": [10.0, 20.5, np.pi, -1e-12],
            "flux": np.array([1e-10, 2e-10, 0, 5], np.float32),
            "type": ["PSF", "SER", "", "a longer name"],
        }
    )
    result["ra"].unit, result["ra"].description = "deg", "right ascension"
    result.meta = {"EPOCH": 2027.5}
    return result


def _same(found, table):
    if hasattr(found["type"], "filled"):  # astropy reads empty text as missing
        found["type"] = found["type"].filled("")
    for name in table.colnames:
        assert found[name].dtype.kind == table[name].dtype.kind
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(table[name]))
    assert str(found["ra"].unit) == "deg"
    assert found.meta["EPOCH"] == 2027.5


@pytest.mark.parametrize("suffix", ASTROPY)
def test_astropy_reads_what_we_write(suffix, table, tmp_path):
    path = tmp_path / f"t{suffix}"
    write_table(table, path)
    found = Table.read(path, format=ASTROPY[suffix])
    if suffix == ".fits":
        found.convert_bytestring_to_unicode()
    _same(found, table)


@pytest.mark.parametrize("suffix", ASTROPY)
def test_we_read_what_astropy_writes(suffix, table, tmp_path):
    path = tmp_path / f"t{suffix}"
    table.write(path, format=ASTROPY[suffix])
    _same(read_table(path), table)


def test_parquet_keeps_times_and_descriptions(table, tmp_path):
    table["time"] = Time([2460000.0, 2460001, 2460002, 2460003.25], format="jd", scale="utc")
    write_table(table, tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert np.all(found["time"] == table["time"])
    assert found["ra"].description == "right ascension"


def test_parquet_of_another_program_has_nulls_and_dictionaries(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    content = pa.table(
        {
            "x": pa.array([1.0, None]),
            "name": pa.array(["a", None]),
            "kind": pa.array(["SER", "PSF"]).dictionary_encode(),
        }
    )
    parquet.write_table(content, tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert found["x"][0] == 1
    assert np.isnan(found["x"][1])
    assert list(found["name"]) == ["a", ""]
    assert list(found["kind"]) == ["SER", "PSF"]


@pytest.mark.parametrize("suffix", ASTROPY)
def test_empty_table(suffix, table, tmp_path):
    write_table(table[:0], tmp_path / f"t{suffix}")
    found = read_table(tmp_path / f"t{suffix}")
    assert len(found) == 0
    assert found.colnames == table.colnames


@pytest.mark.parametrize("suffix", ASTROPY)
def test_missing_file_is_named(suffix, tmp_path):
    with pytest.raises(FileError, match="nowhere"):
        read_table(tmp_path / f"nowhere{suffix}")


@pytest.mark.parametrize("suffix", ASTROPY)
def test_cut_file_is_an_error(suffix, table, tmp_path):
    large = Table({"ra": np.random.default_rng(1).random(5000)})
    path = tmp_path / f"t{suffix}"
    write_table(large, path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if suffix != ".ecsv" else content[:20])
    with pytest.raises((FileError, FormatError), match="t"):
        read_table(path)


@pytest.mark.parametrize("suffix", ASTROPY)
@pytest.mark.parametrize("content", [b"", b"not a table at all\n" * 500])
def test_something_else_is_an_error(suffix, content, tmp_path):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises((FileError, FormatError)):
        read_table(path)


def test_unknown_suffix_names_those_that_are_known(table, tmp_path):
    with pytest.raises(UsageError, match="parquet"):
        write_table(table, tmp_path / "t.xls")
    with pytest.raises(UsageError, match="ecsv"):
        read_table(tmp_path / "t.csv")


def test_failed_write_leaves_nothing_behind(tmp_path):
    table = Table({"x": np.array([object()], dtype=object)})
    with pytest.raises(Exception, match=r".+"):
        write_table(table, tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(table, tmp_path):
    with pytest.raises(FileError, match="folder"):
        write_table(table, tmp_path / "no" / "t.parquet")
