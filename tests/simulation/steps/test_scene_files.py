"""Scenes in files, ours and romanisim's."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.instrument import throughput
from roman_dms.simulation.scenes.field import Population, draw_scene
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.steps.scene_files import read_scene, write_preview, write_scene


@pytest.fixture(scope="module")
def scene():
    population = Population(limit=22.0, variables=3, supernovae=2, moving=1)
    return draw_scene(Region(270, 66, 0.05), population, seed=2)


@pytest.mark.parametrize("suffix", [".parquet", ".ecsv", ".fits"])
def test_files_keep_all(suffix, scene, tmp_path):
    path = tmp_path / f"scene{suffix}"
    write_scene(scene, path)
    found = read_scene(path)
    assert found.table.colnames == scene.table.colnames
    for name in scene.table.colnames:
        np.testing.assert_array_equal(found[name] if name in found.table.colnames else 0,
                                      np.asarray(scene.table[name]))  # fmt: skip
    assert found["epoch"][0] == pytest.approx(scene["epoch"][0])
    np.testing.assert_array_equal(
        found.count_rates("WFI01", "F158", 61557.0), scene.count_rates("WFI01", "F158", 61557.0)
    )


def test_catalogue_of_romanisim(tmp_path):
    catalog = pytest.importorskip("romanisim.catalog")
    table = catalog.make_dummy_table_catalog(
        SkyCoord(270 * u.deg, 66 * u.deg), radius=0.05, nobj=200, bandpasses=["F158"]
    )
    table["mag"] = -2.5 * np.log10(table["F158"])
    table.write(tmp_path / "c.ecsv", format="ascii.ecsv")
    found = read_scene(tmp_path / "c.ecsv")
    assert len(found) == len(table)
    np.testing.assert_allclose(found.table["mag"], table["mag"])
    expected = (
        np.asarray(table["F158"], float) * 3631 * throughput.electrons_per_jansky("WFI04", "F158")
    )
    np.testing.assert_allclose(found.count_rates("WFI04", "F158", 61557.0), expected, rtol=1e-6)


def test_errors_name_the_file(tmp_path):
    table = Table({"ra": [1.0], "dec": [99.0], "type": ["PSF"], "F158": [1e-9]})
    table.write(tmp_path / "bad.ecsv", format="ascii.ecsv")
    with pytest.raises(FormatError, match=r"bad\.ecsv.*Row 0.*dec"):
        read_scene(tmp_path / "bad.ecsv")
    with pytest.raises(FileError):
        read_scene(tmp_path / "nowhere.parquet")


def test_preview(scene, tmp_path):
    write_preview(scene, tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError):
        write_preview(scene.select(slice(0, 0)), tmp_path / "empty.png")
    assert not (tmp_path / "empty.png").exists()
