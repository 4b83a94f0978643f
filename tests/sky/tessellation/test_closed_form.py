"""The closed form of the tessellation against the mission's table and products, and HEALPix."""

from __future__ import annotations

import numpy as np
import pytest
from cdshealpix import ring as healpix

from roman_dms.errors import UsageError
from roman_dms.sky.tessellation import MISSION, Tessellation
from tests.sky.tessellation.support import MISSION_CELLS, pixels, random_positions

BOXES = {
    "135p90": (135.0, 88.20062574551088, 90.1, 360.0),
    "000p86": (0.0, 84.60010080729602, 88.20062574551088, 45.0),
    "045p86": (45.0, 84.60010080729602, 88.20062574551088, 45.0),
}
"""Right ascension, bounds in declination, width of the mission's regions of the sample [deg]."""

ALIKE = Tessellation(size=2500, border=50, scale=0.11)
SMALL = Tessellation(size=1000, border=20)
COARSE = Tessellation(n_side=6, size=9000, border=0)
FINE = Tessellation(n_side=63)


def ring_starts(cells):
    """The first region of each ring."""
    return np.unique(cells.regions.dec, return_index=True)[1]


@pytest.mark.parametrize("row", MISSION_CELLS[::5], ids=lambda row: row["name"])
def test_a_cell_is_that_of_the_mission(row):
    cell = MISSION.named(row["name"])
    assert (cell.plane.x, cell.plane.y) == (row["x_tangent"], row["y_tangent"])
    apart = [cell.centre, *cell.corners] - np.array(
        [(row["ra_center"], row["dec_center"])]
        + [(row[f"ra_corn{n}"], row[f"dec_corn{n}"]) for n in range(1, 5)]
    )
    assert np.abs((apart + 180) % 360 - 180).max() < 1e-9


def test_all_cells_of_the_sample_are_found_at_their_middles():
    places = MISSION.locate(MISSION_CELLS["ra_center"], MISSION_CELLS["dec_center"])
    names = MISSION.names(places)
    alike = names == MISSION_CELLS["name"]
    assert np.mean(alike) > 0.9
    for row in MISSION_CELLS[~alike]:  # the middle of a cell may lie in the next region
        ra0, low, high, width = BOXES[row["name"][:6]]
        apart = (row["ra_center"] - ra0 + 180) % 360 - 180
        assert abs(apart) > width / 2 or not low <= row["dec_center"] < high


def test_a_mosaic_of_the_mission_lies_where_its_name_says():
    """crpix, crval and the middle of r00001_p_v01001001001001_270p65x69y48_f158_coadd (B22)."""
    cell = MISSION.named("270p65x69y48")
    assert (cell.plane.x, cell.plane.y) == (12099.5, -88700.5)
    assert (cell.plane.ra, cell.plane.dec) == pytest.approx((270, 64.60237300651187), abs=1e-12)
    assert cell.centre == pytest.approx((269.6395821835357, 65.99501049470986), abs=1e-12)


def test_regions_lie_on_rings_of_healpix():
    """4058 of them, on every other ring, from north to south, the first at RA 0 but for poles."""
    count = [4 * min(k, 26, 104 - k) for k in range(1, 104)]
    first = np.cumsum([0, *count[:-1]]).astype(np.uint64)
    _, lat = healpix.healpix_to_lonlat(first, 26)
    rings = lat.deg[1::2]
    expected = np.concatenate([[90.0], np.repeat(rings, count[1::2]), [-90.0]])
    assert np.abs(MISSION.regions.dec - expected).max() < 1e-12
    bounds = np.concatenate([[90.0], np.repeat(lat.deg[:-2:2], count[1::2]), [lat.deg[-1]]])
    assert np.abs(MISSION.regions.dec_max - bounds).max() < 1e-12
    assert MISSION.regions.ra.size == 4058
    assert (MISSION.regions.ra[[0, -1]] == (135, 225)).all()
    assert (MISSION.regions.ra[ring_starts(MISSION)[1:-1]] == 0).all()


def test_cells_are_those_with_a_corner_of_their_core_in_the_region_but_for_128():
    """The rule of the mission's generator; more are needed for the cores to cover the sky."""
    more = {}
    for region in ring_starts(MISSION):
        places, plane, of = MISSION.cells_in(region), MISSION.plane(region), MISSION.regions
        held = np.zeros(len(places), bool)
        for a, b in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            ra, dec = plane.sky(4800 * places.column + 2400.0 * a, 4800 * places.row + 2400.0 * b)
            east = (ra - of.ra_min[region]) % 360 < (of.ra_max - of.ra_min)[region] % 360
            pole = abs(of.dec[region]) == 90
            held |= (pole | east) & (dec >= of.dec_min[region]) & (dec < of.dec_max[region])
        if not held.all():
            more[round(of.dec[region])] = MISSION.names(places)[~held].tolist()
    assert more == {
        76: ["000p76x76y33", "000p76x76y67"],
        -76: ["000m76x24y33", "000m76x24y67"],
    }


def test_counts_of_cells_near_the_pole_are_those_of_the_mission():
    assert [len(MISSION.cells_in(region)) for region in (0, 1)] == [1985, 2001]


@pytest.mark.parametrize("cells", [MISSION, ALIKE, SMALL, COARSE, FINE])
def test_each_position_lies_in_the_core_of_one_cell_and_in_one_region(cells):
    count = 100_000 if cells is MISSION else 5_000
    ra, dec = random_positions(count, seed=3)
    places, of = cells.locate(ra, dec), cells.regions
    some = slice(None, 300)
    held = [
        of.holds(np.arange(of.ra.size), *position)
        for position in zip(ra[some], dec[some], strict=True)
    ]
    assert (np.sum(held, axis=1) == 1).all()
    assert (np.argmax(held, axis=1) == places.region[some]).all()
    assert of.holds(places.region, ra, dec).all()
    for region in np.unique(places.region):
        here = places.region == region
        middle = cells.cell(region, 0, 0)
        x, y = pixels(middle, ra[here], dec[here])
        for pixel, place in ((x, places.column), (y, places.row)):
            inner = pixel - cells.pitch * place[here] - cells.border + 0.5
            assert inner.min() > -1e-6
            assert inner.max() < cells.pitch + 1e-6
        assert cells.exists(region, places.column[here], places.row[here]).all()


def test_poles_and_right_ascension_zero():
    assert MISSION.at(17, 90).name == "135p90x50y50"
    assert MISSION.at(17, -90).name == "225m90x50y50"
    assert MISSION.at(0, 0).name == MISSION.at(360, 0).name == "000p00x50y50"
    assert MISSION.at(-1e-9, 0) == MISSION.at(360 - 1e-9, 0)
    assert MISSION.at(359.9, 10).plane.ra == 0


@pytest.mark.parametrize("n_side", range(6, 65))
def test_no_two_regions_have_the_same_name(n_side):
    stems = Tessellation(n_side=n_side).regions.stems
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize("cells", [MISSION, SMALL])
def test_names_lead_back_to_their_cells(cells):
    for region in (0, 500, cells.regions.ra.size - 1):
        places = cells.cells_in(region)
        names = cells.names(places)
        assert len(set(names)) == len(names)
        for place, name in list(zip(places, names, strict=True))[::97]:
            assert cells.named(name) == cells.cell(*place)


def test_coarser_pixels_make_the_same_cells():
    for name in ("270p65x69y48", "000m76x24y33", "135p90x25y49"):
        cell, coarse = MISSION.named(name), ALIKE.named(name)
        assert coarse.centre == pytest.approx(cell.centre, abs=1e-10)
        assert np.abs(coarse.corners - cell.corners).max() < 1e-10
        assert coarse.shape == (2500, 2500)


def test_unknown_names_are_told_with_near_ones():
    with pytest.raises(UsageError, match=r"270p65x01y01.*\n.*for instance 270p65x25y30"):
        MISSION.named("270p65x01y01")
    with pytest.raises(UsageError, match=r"271p65x50y50.*\n.*near names: .*270p65"):
        MISSION.named("271p65x50y50")
    for name in ("nowhere", "", "270p65x050y050", "270p65x50y50 "):
        with pytest.raises(UsageError, match="There is no sky cell"):
            MISSION.named(name)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"n_side": 2}, "n_side = 2"),
        ({"scale": float("nan")}, "nan arcsec"),
        ({"size": 200}, "200 pixels"),
        ({"border": -1}, "border of -1"),
    ],
)
def test_numbers_that_make_no_tessellation_are_named(numbers, message):
    with pytest.raises(UsageError, match=message):
        Tessellation(**numbers)
