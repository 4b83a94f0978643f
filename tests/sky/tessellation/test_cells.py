"""Cells that a footprint touches, against cones in space; positions that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.sky.tangent import TangentPlane, north_up
from roman_dms.sky.tessellation import MISSION, Tessellation, free_field
from tests.sky.tessellation.support import random_positions, share_area, vectors

BOUND = float(MISSION.regions.dec_max[1000])
PLACES = [
    (0.0, 0.0), (359.98, 33.0), (12.3, 89.99), (300.0, -89.97), (45.0, 88.2), (22.5, 86.0),
    (40.0, BOUND), (3.4615384 / 2, 0.5), (200.0, -88.2),
    *zip(*random_positions(12, 8), strict=True),
]  # fmt: skip


def footprint(ra, dec, side, angle):
    """Corners of a square with a side in degrees."""
    plane = TangentPlane(ra % 360, dec, 0, 0, 3600 * side, north_up(angle))
    return np.stack(
        plane.sky(np.array([-0.5, 0.5, 0.5, -0.5]), np.array([-0.5, -0.5, 0.5, 0.5])), 1
    )


def all_cells_around(ra, dec, radius):
    """Names and corners of all cells of all regions near a place."""
    near = MISSION.regions.vectors @ vectors(ra, dec) > np.cos(np.deg2rad(radius))
    names, corners = [], []
    half = np.array([[-2500.0, -2500], [2500, -2500], [2500, 2500], [-2500, 2500]])
    for region in np.flatnonzero(near):
        places, plane = MISSION.cells_in(region), MISSION.plane(region)
        x, y = (
            4800 * axis[:, np.newaxis] + half[:, n]
            for n, axis in enumerate((places.column, places.row))
        )
        corners.append(np.stack(plane.sky(x, y), axis=-1))
        names += MISSION.names(places).tolist()
    return np.array(names), np.concatenate(corners)


@pytest.mark.parametrize("place", PLACES)
def test_the_cells_that_a_detector_touches_are_those_whose_cones_meet(place):
    names, corners = all_cells_around(*place, 5)
    for side, angle in ((0.125, 0), (0.125, 33), (0.01, 60), (0.6, 20)):
        image = footprint(*place, side, angle)
        expected = set(names[share_area(image, corners)])
        found = [cell.name for cell in MISSION.touching_footprint(image)]
        assert set(found) == expected
        assert len(found) == len(expected)


def test_a_footprint_that_is_not_convex_leaves_out_the_cells_in_its_bay():
    cell = MISSION.named("270p65x50y50")
    right, left = 3 * 4800, -3 * 4800
    x = np.array([left, right, right, right - 100, right - 100, left + 100, left + 100, left])
    y = np.array([0, 0, 14400, 14400, 100, 100, 14400, 14400])
    bay = np.stack(cell.plane.sky(x + cell.plane.x, y + cell.plane.y), axis=-1)
    found = {cell.name for cell in MISSION.touching_footprint(bay)}
    assert "270p65x50y50" in found
    assert "270p65x53y53" in found
    assert "270p65x52y50" not in found


def test_a_circle_touches_the_cells_whose_nearest_point_is_within_it():
    ra, dec, radius = 40.0, BOUND, 0.3
    names, corners = all_cells_around(ra, dec, 5)
    middle, xyz = vectors(ra, dec), vectors(corners[..., 0], corners[..., 1])
    close = (xyz @ middle).max(axis=1) > np.cos(np.deg2rad(1))
    names, xyz = names[close], xyz[close, :, np.newaxis]
    along = np.linspace(0, 1, 200)[:, np.newaxis]
    sides = xyz + along * (np.roll(xyz, -1, axis=1) - xyz)
    cosines = (sides @ middle) / np.linalg.norm(sides, axis=-1)
    apart = np.rad2deg(np.arccos(cosines))
    nearest, farthest = apart.min(axis=(1, 2)), apart.max(axis=(1, 2))
    found = np.isin(names, [cell.name for cell in MISSION.touching_circle(ra, dec, radius)])
    assert found[nearest < radius].all()
    assert not found[(nearest > 1.002 * radius) & (farthest > radius)].any()
    assert 30 < found.sum() < 200


def test_neighbours_share_pixels_of_one_grid():
    cell = MISSION.named("270p65x69y48")
    around = MISSION.neighbours(cell)
    assert len(around) == 8
    x0, y0 = cell.grid_origin
    for other in around:
        assert other.grid_plane == cell.grid_plane
        steps = other.grid_origin[0] - x0, other.grid_origin[1] - y0
        assert max(map(abs, steps)) == 4800
        assert steps[0] % 4800 == steps[1] % 4800 == 0
        place = cell.plane.sky(np.array([100.25]), np.array([4900.5]))
        x, y = other.plane.pixels(*place)
        assert x + other.grid_origin[0] == pytest.approx(100.25 + x0, abs=1e-6)
        assert y + other.grid_origin[1] == pytest.approx(4900.5 + y0, abs=1e-6)


@pytest.mark.parametrize(("scale", "size", "border"), [(0.11, 2500, 50), (0.05, 5500, 110)])
def test_a_cell_in_other_pixels_is_that_of_a_tessellation_in_such_pixels(scale, size, border):
    cell = MISSION.named("270p65x69y48").rescaled(scale)
    expected = Tessellation(size=size, border=border, scale=scale).named("270p65x69y48")
    assert (cell.name, cell.shape) == (expected.name, expected.shape)
    assert np.abs(cell.corners - expected.corners).max() < 1e-10
    assert cell.grid_origin == expected.grid_origin


def test_neighbours_lie_beyond_the_bounds_of_a_region_too():
    around = MISSION.neighbours(MISSION.at(0, 88.201))
    assert {cell.plane.dec > 89 for cell in around} == {True, False}


def test_a_free_field_has_its_middle_where_it_was_asked_for():
    cell = free_field(-10, 20, (300, 201), scale=0.11, position_angle=30)
    assert cell.shape == (300, 201)
    assert cell.centre == pytest.approx((350, 20))
    assert cell.plane.position_angle(100, 149.5) == pytest.approx(30)
    x0, y0 = cell.grid_origin
    assert (x0, y0) == (-100, -149)
    assert cell.grid_plane.sky(7 + x0, 9 + y0) == pytest.approx(cell.plane.sky(7, 9), abs=1e-12)


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


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([[0, 0], [1, 1]], "footprint of"),
        ([[0, 0], [1, 1], [1, float("nan")]], "nan"),
        ([[0, 0], [1, 1], [1, 91]], "91"),
        ([[0, 0], [90, 0], [0, 80]], "degrees from its middle"),
        ([[0, 0], [180, 0], [0, 0], [180, 0]], "degrees from its middle"),
    ],
)
def test_what_is_no_footprint_is_named(corners, message):
    with pytest.raises(UsageError, match=message):
        MISSION.touching_footprint(corners)


def test_positions_and_circles_that_cannot_be_are_named():
    with pytest.raises(UsageError, match="not on the sky"):
        MISSION.locate([0, 1], [0, 91])
    with pytest.raises(UsageError, match="dec = -91"):
        MISSION.at(0, -91)
    with pytest.raises(UsageError, match="radius of 0"):
        MISSION.touching_circle(0, 0, 0)
