"""The command ``rdms validate``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from roman_dms.cli.validate import command
from roman_dms.errors import FileError, ValidationError
from roman_dms.formats.writing import write_tree
from tests.formats.test_writing import gain_tree


@pytest.fixture
def gain(tmp_path: Path) -> Path:
    write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")
    return tmp_path / "gain.asdf"


@pytest.fixture
def broken(gain: Path, tmp_path: Path) -> Path:
    content = gain.read_bytes().replace(b"reftype: GAIN", b"reftype: PAIN")
    (tmp_path / "broken.asdf").write_bytes(content)
    return tmp_path / "broken.asdf"


def test_a_valid_file(gain: Path) -> None:
    result = CliRunner().invoke(command, [str(gain)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output == f"{gain}: valid\n"


def test_a_violation_has_place_found_and_expected(broken: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        CliRunner().invoke(command, [str(broken)], catch_exceptions=False)
    text = str(caught.value)
    assert "1 violation" in text
    assert "meta.reftype" in text
    assert "found:    PAIN" in text
    assert "['GAIN']" in text


def test_all_files_are_checked_though_one_fails(gain: Path, broken: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    names = [str(broken), str(tmp_path / "none"), str(gain)]
    result = runner.invoke(command, names)
    assert isinstance(result.exception, ValidationError)
    assert "2 of 3 files" in str(result.exception)
    assert f"{gain}: valid" in result.output
    with pytest.raises(FileError):
        runner.invoke(command, names[1:2], catch_exceptions=False)
