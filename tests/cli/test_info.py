"""The command ``rdms info``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from roman_dms.cli.info import command
from roman_dms.errors import FileError
from roman_dms.formats.writing import write_tree
from tests.formats.test_writing import gain_tree


@pytest.fixture
def gain(tmp_path: Path) -> Path:
    write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")
    return tmp_path / "gain.asdf"


def test_tables(gain: Path) -> None:
    result = CliRunner().invoke(command, [str(gain)], catch_exceptions=False)
    assert result.exit_code == 0
    for text in ("reference file: gain", "WFI01", "64 x 64", "float32", "16.4 kB", "2020-01-01"):
        assert text in result.output


def test_json_a_line_a_file(gain: Path) -> None:
    arguments = ["--json", "--no-statistics", str(gain), str(gain)]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["schema"] for line in lines] == ["reference_files/gain-2.0.0"] * 2
    assert lines[0]["statistics"] == {}


def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        CliRunner().invoke(command, [str(tmp_path / "none")], catch_exceptions=False)
