"""Sky cells against the part of the mission's table and the code that ``romancal`` carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import romancal
from astropy.coordinates import SkyCoord
from romancal.skycell import skymap

from roman_dms.errors import UsageError
from roman_dms.references.store import ReferenceStore
from roman_dms.simulation.steps.sky_cells import (
    free_field,
    sky_cell,
    sky_cell_at,
    sky_cells_of,
)

TABLE = Path(romancal.__file__).parent / "skycell/tests/data/skymap_subset.asdf"
CORNERS = np.array([[0.0, 0.0], [4999, 0], [4999, 4999], [0, 4999], [2499.5, 2499.5]]).T


@pytest.mark.parametrize("name", ["135p90x25y50", "135p90x60y31", "000p86x40y44"])
def test_the_plane_of_a_cell_is_that_of_the_mission(name):
    expected = skymap.SkyCells.from_names([name], skymap=skymap.SkyMap(TABLE)).wcs[0](*CORNERS)
    cell = sky_cell(name)
    assert cell.shape == (5000, 5000)
    apart = SkyCoord(*cell.plane.sky(*CORNERS), unit="deg").separation(
        SkyCoord(*expected, unit="deg")
    )
    assert apart.arcsec.max() < 1e-6


def test_a_position_is_in_the_cell_that_is_found_for_it():
    for ra, dec in ((270, 66), (-5, -30), (359.99, 0.01), (12.3, -89.95), (200, 89.99)):
        cell = sky_cell_at(ra, dec)
        assert cell == sky_cell(cell.name)
        x, y = cell.plane.wcs(cell.shape).invert(ra % 360, dec, with_bounding_box=False)
        assert 98 < x < 4901, (ra, dec)
        assert 98 < y < 4901, (ra, dec)


def test_a_reference_file_gives_the_same_cells(miniature_store):
    cells = sky_cells_of(ReferenceStore(miniature_store).context())
    assert cells.named("270p65x50y50") == sky_cell("270p65x50y50")
    assert cells.at(270, 66) == sky_cell_at(270, 66)
    with pytest.raises(UsageError, match="holds the position 100, -40"):
        cells.at(100, -40)
    with pytest.raises(UsageError, match="skycells"):
        cells.named("123m45x50y50")


def test_an_unknown_cell_is_named_with_near_ones():
    with pytest.raises(UsageError, match=r"270p65x01y01.*\n.*for instance 270p65x"):
        sky_cell("270p65x01y01")
    with pytest.raises(UsageError, match="nowhere"):
        sky_cell("nowhere")


def test_a_free_field_has_its_middle_where_it_was_asked_for():
    cell = free_field(-10, 20, (300, 201), scale=0.11, position_angle=30)
    assert cell.shape == (300, 201)
    assert cell.centre == pytest.approx((350, 20))
    assert cell.plane.position_angle(100, 149.5) == pytest.approx(30)


@pytest.mark.parametrize(
    ("ra", "dec", "size", "scale", "message"),
    [
        (0, 95, 100, 0.055, "dec = 95"),
        (float("nan"), 0, 100, 0.055, "ra = nan"),
        (0, 0, 0, 0.055, "0 x 0 pixels"),
        (0, 0, 100, -1, "-1 arcsec"),
    ],
)
def test_an_impossible_field_is_named(ra, dec, size, scale, message):
    with pytest.raises(UsageError, match=message):
        free_field(ra, dec, size, scale=scale)
