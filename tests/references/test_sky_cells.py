"""Tables of sky cells in files: written, read, from a context; footprints of images."""

from __future__ import annotations

import asdf
import numpy as np
import pytest

from roman_dms.errors import FileError, FormatError, MetadataError, ReferenceDataError, UsageError
from roman_dms.formats.validation import validate_file
from roman_dms.formats.writing import write_tree
from roman_dms.references.sky_cells import (
    footprint_of,
    read_sky_cells,
    sky_cells_of,
    write_sky_cells,
)
from roman_dms.references.store import ReferenceStore
from roman_dms.sky.tessellation import MISSION, Tessellation
from tests.formats.test_writing import gain_tree


def test_the_reference_file_of_a_context_gives_the_cells_of_the_closed_form(miniature_store):
    cells = sky_cells_of(ReferenceStore(miniature_store).context())
    assert cells.named("270p65x50y50") == MISSION.named("270p65x50y50")
    assert cells.at(270, 66) == MISSION.at(270, 66)
    with pytest.raises(UsageError, match="holds the position 100, -40"):
        cells.at(100, -40)
    with pytest.raises(UsageError, match="skycells"):
        cells.named("123m45x50y50")


def test_a_context_without_a_table_is_named():
    class Empty:
        name = "none"

        def select(self, keys, kinds):
            return dict.fromkeys(kinds)

    with pytest.raises(ReferenceDataError, match="The context none has no table"):
        sky_cells_of(Empty())


def test_a_written_table_is_a_reference_file_of_the_mission(tmp_path):
    cells = Tessellation(size=2500, border=50, scale=0.11)
    path = tmp_path / "cells.asdf"
    assert write_sky_cells(cells, (211,), path) == len(cells.cells_in(211))
    assert validate_file(path) == []
    with asdf.open(path) as file:
        meta = file["roman"]["meta"]
        assert (meta["nxy_skycell"], meta["pixel_scale"]) == (2500, 0.11)
        regions = file["roman"]["projection_regions"]
        assert regions["index"].tolist() == list(range(4058))  # each in its own row
        filled = regions["skycell_end"] > regions["skycell_start"]
        assert np.flatnonzero(filled).tolist() == [211]
    table = read_sky_cells(path)
    assert table.named("270p65x69y48") == cells.named("270p65x69y48")


def test_what_is_no_table_is_named(tmp_path):
    path = tmp_path / "gain.asdf"
    write_tree("reference_files/gain", gain_tree(), path)
    with pytest.raises(FormatError, match=r"gain\.asdf holds no table of sky cells"):
        read_sky_cells(path)
    with pytest.raises(FileError):
        read_sky_cells(tmp_path / "none.asdf")


def test_the_footprint_of_an_image_is_what_its_metadata_say(tmp_path):
    tree = gain_tree()
    path = tmp_path / "image.asdf"
    for region, corners in (
        ("POLYGON ICRS  10.5 -3.0 10.6 -3.0 10.6 -2.9", [[10.5, -3], [10.6, -3], [10.6, -2.9]]),
        ("POLYGON 1 2 3 4 5 6 7 8", [[1, 2], [3, 4], [5, 6], [7, 8]]),
    ):
        tree["meta"]["wcsinfo"] = {"s_region": region}
        write_tree("reference_files/gain", tree, path)
        assert np.array_equal(footprint_of(path), corners)
    for region in ("", "POLYGON 1 2 3", "POLYGON 1 2 3 4", "NONE"):
        tree["meta"]["wcsinfo"] = {"s_region": region}
        write_tree("reference_files/gain", tree, path)
        with pytest.raises(MetadataError, match="nothing of its place"):
            footprint_of(path)
