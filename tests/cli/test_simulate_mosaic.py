"""The command ``rdms simulate mosaic``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner, Result

from roman_dms.cli.simulate.mosaic import command
from roman_dms.errors import FileError, UsageError
from roman_dms.formats.products import read_mosaic
from roman_dms.formats.tables import read_table, write_table
from roman_dms.formats.validation import validate_file


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    table = Table({"ra": [270.0], "dec": [66.0], "type": ["PSF"], "F158": [1e-8], "id": [7]})
    write_table(table, tmp_path / "scene.ecsv")
    return tmp_path / "scene.ecsv"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def test_a_field_and_its_truth_are_written(scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.asdf"
    arguments = (scene, "--ra", 270, "--dec", 66, "--size", 64, "--exposures", 3, "-o", output)
    result = run(*arguments, "--filter", "f158", "--seed", 5)
    assert result.output.split() == [str(output), str(tmp_path / "m_truth.parquet")]
    assert validate_file(output) == []
    mosaic = read_mosaic(output)
    assert mosaic.shape == (64, 64)
    assert mosaic.meta["resample.pointings"] == 3
    assert np.unravel_index(np.argmax(mosaic.data), mosaic.shape) in {
        (y, x) for x in (31, 32) for y in (31, 32)
    }
    assert read_table(tmp_path / "m_truth.parquet")["x"][0] == pytest.approx(31.5, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "was not said"),
        (("--cell", "270p65x50y50", "--ra", 1, "--dec", 2), "twice"),
        (("--ra", 1), "was not said"),
        (("--ra", 1, "--dec", 95, "--size", 10), "dec = 95"),
        (("--cell", "270p65x50y50", "--size", 10), "its own size"),
        (("--cell", "270p65x00y50"), "270p65x00y50"),
        (("--ra", 1, "--dec", 9, "--size", 10, "--filter", "F999"), "F999"),
        (("--ra", 1, "--dec", 9, "--size", 10, "--start", "soon"), "soon"),
    ],
)
def test_what_cannot_be_is_named(scene: Path, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(scene, *arguments)


def test_a_missing_scene_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nothing\.ecsv"):
        run(tmp_path / "nothing.ecsv", "--ra", 1, "--dec", 2, "--size", 10)
