"""``rdms stamp``: what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from roman_dms.cli.stamp import command
from roman_dms.errors import FileError, UsageError


def run(*arguments: str) -> None:
    CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_stamp_needs_images() -> None:
    with pytest.raises(UsageError, match="No images"):
        run("--at", "270", "66")


def test_a_format_that_is_not_known_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ending"):
        run("no.asdf", "--at", "270", "66", "-o", str(tmp_path / "stamp.jpg"))


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        run(str(tmp_path / "no.asdf"), "--at", "270", "66")


def test_a_target_without_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="width above zero"):
        run(str(tmp_path / "no.asdf"), "--at", "270", "66", "--target-fwhm", "0")
