"""Violations are those that the mission's library finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from roman_dms.errors import FileError
from roman_dms.formats.container import open_container
from roman_dms.formats.validation import validate_file
from roman_dms.formats.writing import write_tree
from tests.formats.test_exposures import changed, set_branch, set_meta
from tests.formats.test_writing import gain_tree

pytestmark = pytest.mark.filterwarnings("ignore::asdf.exceptions.AsdfPackageVersionWarning")


def test_files_of_the_missions_library_are_valid(raw_path: Path, rate_path: Path) -> None:
    assert validate_file(raw_path) == []
    assert validate_file(rate_path) == []


def test_each_violation_is_told(raw_path: Path, tmp_path: Path) -> None:
    path = changed(raw_path, tmp_path / "a.asdf", set_meta("exposure.type", "HOLIDAY"))
    path = changed(path, tmp_path / "b.asdf", set_meta("visit", None))
    path = changed(path, tmp_path / "c.asdf", set_branch("data", np.zeros((2, 2), "i4")))
    found = {violation.path: violation for violation in validate_file(path)}
    assert found["meta.exposure.type"].found == "HOLIDAY"
    assert "WFI_IMAGE" in found["meta.exposure.type"].expected
    assert found["meta.visit"].found == "nothing"
    assert {v.found for v in validate_file(path) if v.path == "data"} == {
        "datatype int32",
        "ndim 2",
    }


def test_what_the_schema_cannot_see_is_told(raw_path: Path, tmp_path: Path) -> None:
    path = changed(raw_path, tmp_path / "a.asdf", set_meta("exposure.nresultants", 9))
    (violation,) = validate_file(path)
    assert "4 resultants" in violation.found


def test_a_changed_byte_is_told_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "gain.asdf"
    write_tree("reference_files/gain", gain_tree(), path)
    assert validate_file(path) == []
    content = bytearray(path.read_bytes())
    content[open_container(path).blocks[0].offset + 100] ^= 1
    path.write_bytes(content)
    (violation,) = validate_file(path)
    assert violation.path == "block 0"


def test_an_unknown_tag_is_told(raw_path: Path, tmp_path: Path) -> None:
    content = raw_path.read_bytes().replace(b"wfi_science_raw-2.1.0", b"wfi_science_raw-9.9.9")
    (tmp_path / "new.asdf").write_bytes(content)
    (violation,) = validate_file(tmp_path / "new.asdf")
    assert "wfi_science_raw-9.9.9" in violation.found


def test_a_truncated_file_is_a_file_error(raw_path: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.asdf").write_bytes(raw_path.read_bytes()[:-40_000])
    with pytest.raises(FileError, match="truncated"):
        validate_file(tmp_path / "cut.asdf")
