"""Tables of sky cells against the mission's rows, and cells of tables against the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from roman_dms.errors import FormatError, UsageError
from roman_dms.sky.tessellation import MISSION, Tessellation
from roman_dms.sky.tessellation.table import TabledSkyCells, tables_of
from tests.sky.tessellation.support import MISSION_CELLS, random_positions

REGIONS = (0, 1, 2, 211, 4057)


def tabled(cells, regions, **changes):
    region_rows, cell_rows = tables_of(cells, regions)
    for name, values in changes.items():
        region_rows[name] = values
    return TabledSkyCells(
        region_rows, cell_rows,
        size=cells.size, border=cells.border, scale=cells.scale, source="a table",
    )  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return tabled(MISSION, REGIONS)


def test_rows_of_cells_are_those_of_the_mission():
    _, rows = tables_of(MISSION, (0, 1, 2))
    rows = np.sort(rows, order="name")
    found = rows[np.searchsorted(rows["name"], MISSION_CELLS["name"])]
    for name in MISSION_CELLS.dtype.names[1:]:
        apart = found[name] - MISSION_CELLS[name]
        angle = name.startswith(("ra", "dec"))
        apart = (apart + 180) % 360 - 180 if angle else apart
        assert np.abs(apart).max() < (1e-9 if angle else 1e-5), name


def test_rows_of_regions_are_those_of_the_mission():
    rows, _ = tables_of(MISSION, (0, 1))
    expected = [
        (0, 135.0, 90.0, 0.0, 360.0, 88.20062574551088, 90.0, 0.0, 117776.5, 117776.5,
         235554, 235554, 0, 1985),
        (1, 0.0, 86.40080763030687, 337.5, 22.5, 84.60010080729602, 88.20062574551088, 0.0,
         138592.5, 117834.5, 277186, 235670, 1985, 3986),
    ]  # fmt: skip
    assert len(rows) == 4058
    for row, values in zip(rows[:2], expected, strict=True):
        assert row.tolist() == pytest.approx(values, abs=1e-12)


def test_a_table_gives_the_same_cells_as_the_closed_form(table):
    for name in ("135p90x50y50", "270p65x69y48", "045p86x25y47", "225m90x46y40"):
        cell = table.named(name)
        assert cell == MISSION.named(name)
        if name[3:6] != "p86":
            assert table.at(*cell.centre) == cell
        assert table.touching_footprint(cell.corners) == [
            other
            for other in MISSION.touching_footprint(cell.corners)
            if other.plane.ra in table.regions.ra and other.plane.dec in table.regions.dec
        ]


def test_positions_in_no_region_of_a_table_have_no_cell(table):
    ra, dec = random_positions(20_000, seed=1)
    places, whole = table.locate(ra, dec), MISSION.locate(ra, dec)
    there = np.isin(whole.region, REGIONS)
    assert 10 < there.sum() < 200
    assert (places.region[~there] == -1).all()
    assert (table.names(places)[there] == MISSION.names(whole)[there]).all()
    assert (table.names(places)[~there] == "").all()
    with pytest.raises(
        UsageError, match=r"a table holds the position 100, -40.*\n.*around 225, -90"
    ):
        table.at(100, -40)


def test_planes_that_are_turned_lie_as_their_keywords_say():
    table = tabled(MISSION, (211,), orientat=30.0)
    cell = table.named("270p65x52y49")
    x, y = WCS(cell.plane.header()).world_to_pixel_values(*cell.centre)
    assert (x, y) == pytest.approx((2499.5, 2499.5), abs=1e-6)
    places = table.locate(*(np.array([value]) for value in cell.centre))
    assert table.names(places)[0] == cell.name
    assert len(table.neighbours(cell)) == 8


def test_tables_of_other_cells():
    cells = Tessellation(size=2000, border=60, scale=0.2)
    table = tabled(cells, (300, 301))
    name = cells.at(float(cells.regions.ra[300]), float(cells.regions.dec[300])).name
    assert table.named(name) == cells.named(name)


def test_unknown_names_are_told_with_near_ones(table):
    with pytest.raises(UsageError, match=r"270p65x50y99.*\n.*for instance 270p65x"):
        table.named("270p65x50y99")
    with pytest.raises(UsageError, match="one of its"):
        table.named("nowhere")


def test_what_is_no_table_is_named():
    regions, cells = tables_of(MISSION, (0,))
    numbers = {"size": 5000, "border": 100, "scale": 0.055, "source": "t.asdf"}
    with pytest.raises(FormatError, match=r"t\.asdf has 1985 cells and no dec_center, "):
        TabledSkyCells(regions, cells[["name", "ra_center"]], **numbers)
    with pytest.raises(FormatError, match=r"t\.asdf has 0 cells"):
        TabledSkyCells(regions, cells[:0], **numbers)
    cells["x_tangent"][7] += 11
    with pytest.raises(FormatError, match="not on one grid"):
        TabledSkyCells(regions, cells, **numbers)
    regions["skycell_start"][1:], regions["skycell_end"][1] = 5000, 5001
    with pytest.raises(FormatError, match=r"Region 1 of .* has 0 cells"):
        TabledSkyCells(regions, tables_of(MISSION, (0,))[1], **numbers)
