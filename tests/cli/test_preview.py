"""The command ``rdms preview``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from roman_dms.cli.preview import command
from roman_dms.errors import FormatError
from roman_dms.formats.writing import write_tree
from tests.formats.test_writing import gain_tree


def test_a_picture_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")
    for arguments, name in [(["-o", "x.png"], "x.png"), ([], "gain.png")]:
        result = CliRunner().invoke(command, ["gain.asdf", *arguments], catch_exceptions=False)
        assert result.output == f"{name}\n"
        assert Path(name).read_bytes().startswith(b"\x89PNG")


def test_a_raw_file_beside_what_is_no_image_raises(tmp_path: Path) -> None:
    path = tmp_path / "gain.asdf"
    write_tree("reference_files/gain", gain_tree(), path)
    with pytest.raises(FormatError):
        CliRunner().invoke(command, [str(path), "--raw", str(path)], catch_exceptions=False)
