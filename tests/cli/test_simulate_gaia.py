"""``rdms simulate gaia``."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from roman_dms.cli.simulate.gaia import command
from roman_dms.cli.simulate.scene import command as scene_command
from roman_dms.formats.tables import read_table


@pytest.mark.parametrize("suffix", ["parquet", "ecsv", "fits"])
def test_a_catalogue_is_written(tmp_path, suffix):
    scene, gaia = tmp_path / "scene.parquet", tmp_path / f"gaia.{suffix}"
    runner = CliRunner()
    drawn = runner.invoke(
        scene_command, ["--radius", "0.05", "--no-galaxies", "--limit", "21", "-o", str(scene)]
    )
    assert drawn.exit_code == 0, drawn.output
    result = runner.invoke(command, [str(scene), "-o", str(gaia), "--limit", "20"])
    assert result.exit_code == 0, result.output
    stars = read_table(gaia)
    assert f"{len(stars):,} stars" in result.output
    assert 5 < len(stars) < len(read_table(scene))
    assert str(stars["pmra"].unit) == "mas / yr"
