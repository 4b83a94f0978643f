"""The commands ``rdms skycells``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from click.testing import CliRunner, Result

from roman_dms.cli.skycells import command
from roman_dms.errors import UsageError
from roman_dms.formats.validation import validate_file
from roman_dms.formats.writing import write_tree
from roman_dms.sky.tessellation import MISSION
from tests.formats.test_writing import gain_tree


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file with the footprint of cell 270p65x69y48."""
    corners = " ".join(f"{value:.9f}" for value in MISSION.named("270p65x69y48").corners.ravel())
    tree = gain_tree()
    tree["meta"]["wcsinfo"] = {"s_region": f"POLYGON ICRS  {corners}"}
    write_tree("reference_files/gain", tree, tmp_path / "image.asdf")
    return tmp_path / "image.asdf"


def test_the_cell_of_a_position() -> None:
    assert run("at", 269.64, 65.995).output == "270p65x69y48\n"
    assert run("at", 10, -43.9).output.startswith("011m46x")


def test_all_cells_that_hold_a_position_and_its_pixel_in_each() -> None:
    cell = MISSION.named("270p65x69y48")
    ra, dec = (float(axis) for axis in cell.plane.sky(150.0, 2000.0))
    held = json.loads(run("at", ra, dec, "--json").output)
    assert [(one["name"], one["primary"]) for one in held] == [
        ("270p65x69y48", True),
        ("270p65x69y47", False),
    ]
    assert (held[1]["x"], held[1]["y"]) == pytest.approx((4950.0, 2000.0), abs=1e-5)


def test_the_cells_that_images_touch(image: Path) -> None:
    lines = run("list", image, image).output.splitlines()
    assert len(lines) == 9
    assert "270p65x69y48  269.639582 +65.995010  1" in lines
    rows = json.loads(run("list", image, "--name", "000p00x50y50", "--json").output)
    assert {row["name"]: row["files"] for row in rows}["270p65x68y47"] == [str(image)]
    assert {row["name"]: row["files"] for row in rows}["000p00x50y50"] == []


def test_the_cells_around_a_place() -> None:
    assert run("list", "--around", 0, -89.99, 0.01).output.startswith("225m90x50y50")


def test_a_cell_and_its_wcs() -> None:
    assert "CRPIX2   = -88699.5" in run("show", "270p65x69y48").output
    facts = json.loads(run("show", "270p65x69y48", "--json").output)
    assert len(facts["neighbours"]) == 8
    wcs = WCS(fits.Header(facts["wcs"]))
    found = wcs.pixel_to_world_values([-0.5, 4999.5], [-0.5, 4999.5])
    assert np.allclose(np.transpose(found), np.array(facts["corners"])[[0, 2]], rtol=0, atol=1e-9)


def test_a_picture(image: Path, tmp_path: Path) -> None:
    output = tmp_path / "map.png"
    assert run("plot", image, "-o", output).output == f"{output}\n"
    assert output.read_bytes().startswith(b"\x89PNG")


def test_a_table_that_the_other_commands_read(tmp_path: Path) -> None:
    output = tmp_path / "cells.asdf"
    coarse = ("--size", 2500, "--border", 50, "--scale", 0.11)
    found = run("table", "--name", "270p65x69y48", *coarse, "-o", output)
    assert found.output == f"{output}: 1 regions, 1983 cells\n"
    assert validate_file(output) == []
    facts = json.loads(run("show", "270p65x69y48", "--table", output, "--json").output)
    assert facts["shape"] == [2500, 2500]


def test_the_table_of_a_context(miniature_store: Path) -> None:
    assert run("at", 270, 66, "--store", miniature_store).output == "270p65x69y50\n"
    with pytest.raises(UsageError, match="holds the position 100, -40"):
        run("at", 100, -40, "--store", miniature_store)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("at", 0, 95), "dec = 95"),
        (("list",), "No cells were asked for"),
        (("show", "270p65x01y01"), "for instance 270p65x"),
        (("at", 0, 0, "--size", 100), "100 pixels"),
        (("at", 0, 0, "--size", 2500, "--table", "t.asdf"), "chosen twice"),
        (("at", 0, 0, "--context", "a", "--table", "t.asdf"), "chosen twice"),
        (("list", "--around", 0, 0, 40), "radius of 40"),
    ],
)
def test_what_cannot_be_is_named(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*arguments)
