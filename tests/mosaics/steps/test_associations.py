"""Which images make which mosaics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.time import Time

from roman_dms.errors import UsageError
from roman_dms.mosaics.steps.associations import (
    Selection,
    associations,
    cells_of,
    group_of,
    product_name,
)
from roman_dms.products.association import Association
from roman_dms.products.metadata import Metadata
from roman_dms.sky.tessellation import MISSION, free_field

CELL = MISSION.named("270p65x69y48")


@dataclass
class Image:
    """What associations look at of an image: a square of 20 arcsec in the middle of a cell."""

    path: str
    meta: Metadata
    cell: object = CELL

    @property
    def footprint(self):
        plane, middle = self.cell.plane, 2499.5
        x = np.array([-180, 180, 180, -180]) + middle
        return np.stack(plane.sky(x, np.array([-180, -180, 180, 180]) + middle), axis=1)


def image(number, *, visit=1, pass_=1, element="F158", program=1, good=0.99, day=1, cell=CELL):
    meta = Metadata(
        {
            "observation": {
                "program": program, "execution_plan": 1, "pass": pass_, "segment": 1,
                "observation": 1, "visit": visit,
            },
            "instrument": {"optical_element": element},
            "exposure": {"start_time": Time(f"2027-06-{day:02d}T00:00:00")},
            "statistics": {"good_pixel_fraction": good},
        }
    )  # fmt: skip
    return Image(f"l2/{number}_cal.asdf", meta, cell)


def test_visits_filters_and_cells_are_kept_apart():
    other = MISSION.named("270p65x69y49")
    images = [
        image(1), image(2), image(3, visit=2), image(4, element="F106"), image(5, cell=other),
    ]  # fmt: skip
    found = {one.name: one for one in associations(images, MISSION)}
    assert set(found) == {
        "r00001_p_v01001001001001_270p65x69y48_f158",
        "r00001_p_v01001001001002_270p65x69y48_f158",
        "r00001_p_v01001001001001_270p65x69y48_f106",
        "r00001_p_v01001001001001_270p65x69y49_f158",
    }
    one = found["r00001_p_v01001001001001_270p65x69y48_f158"]
    assert one.members == ("l2/1_cal.asdf", "l2/2_cal.asdf")
    assert (one.target, one.kind, one.program) == ("270p65x69y48", "visit", "00001")
    assert one.cell["x0_projection"] == CELL.plane.x


def test_passes_and_full_depth_and_rules_of_ones_own():
    images = [image(1), image(2, visit=2), image(3, pass_=2), image(4, program=2)]
    by_pass = [one.name for one in associations(images, MISSION, "pass")]
    assert by_pass == [
        "r00001_p_p01001_270p65x69y48_f158",
        "r00001_p_p01002_270p65x69y48_f158",
        "r00002_p_p01001_270p65x69y48_f158",
    ]
    full = list(associations(images, MISSION, "full", release="r1"))
    assert [len(one.members) for one in full] == [3, 1]
    assert full[0].name == "r00001_r1_full_270p65x69y48_f158"
    own = associations(images, MISSION, lambda meta: f"odd{meta['observation.visit'] % 2}")
    assert [one.kind for one in own] == ["user"] * 3
    with pytest.raises(UsageError, match="visit, pass, full"):
        list(associations(images, MISSION, "week"))


def test_images_are_selected_by_date_program_and_quality():
    images = [image(1), image(2, day=3), image(3, day=5), image(4, program=2), image(5, good=0.5)]
    chosen = Selection("2027-06-01", "2027-06-04", 1, 0.9)
    assert [one.path for one in images if chosen.takes(one)] == ["l2/1_cal.asdf", "l2/2_cal.asdf"]
    with pytest.raises(UsageError, match="date"):
        Selection("last week")


def test_names_of_mosaics_follow_their_images():
    same, passes = [image(1), image(2)], [image(1), image(2, visit=2)]
    assert group_of(same) == ("visit", "v01001001001001")
    assert group_of(passes) == ("pass", "p01001")
    assert group_of([image(1), image(2, pass_=2)]) == ("full", "full")
    field = free_field(10.0, -5.0, 100)
    assert product_name(same, "full", field, "p") == "r00001_p_full_10.0000m5.0000_f158"


def test_an_association_names_its_cell():
    association = Association("a", ("b",), target="270p65x69y48")
    (found,) = cells_of(association, MISSION)
    assert found == CELL
    assert cells_of(association, [CELL]) == [CELL]
    assert cells_of(Association("a", ("b",)), MISSION) is MISSION
