"""The command ``rdms convert``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from roman_dms.cli.convert import command
from roman_dms.errors import FormatError
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.writing import write_tree
from tests.formats.conftest import folder, rate_model, rate_path  # noqa: F401
from tests.formats.test_writing import gain_tree


def test_there_and_back(rate_path: Path, tmp_path: Path) -> None:  # noqa: F811
    for source, target in [(rate_path, "a.fits"), (tmp_path / "a.fits", "b.asdf")]:
        arguments = [str(source), "-o", str(tmp_path / target)]
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert result.output == f"{tmp_path / target}\n"
    there, back = open_tagged(rate_path), open_tagged(tmp_path / "b.asdf")
    assert there.roman["meta"] == back.roman["meta"]


def test_what_is_no_l2_image_raises(tmp_path: Path) -> None:
    write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")
    arguments = [str(tmp_path / "gain.asdf"), "-o", str(tmp_path / "x.fits")]
    with pytest.raises(FormatError):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
