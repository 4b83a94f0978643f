"""Maps of sky cells."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest

from roman_dms.errors import FileError, UsageError
from roman_dms.formats.sky_map import draw_sky_cells
from roman_dms.sky.tessellation import MISSION


def test_cells_of_two_regions_and_an_image_are_seen(tmp_path):
    cells = MISSION.touching_circle(0, 88.2, 0.2)
    image = MISSION.at(0, 88.2).corners
    path = tmp_path / "map.png"
    draw_sky_cells(cells, path)
    plain = matplotlib.image.imread(path)[..., :3]
    draw_sky_cells(cells, path, footprints=[image], title="one image")
    marked = matplotlib.image.imread(path)[..., :3]
    assert seen(plain, "1f77b4") > 100
    assert seen(plain, "2ca02c") > 100
    assert seen(plain, "d62728") == 0 < 50 < seen(marked, "d62728")


def seen(picture, colour):
    """Pixels of a colour."""
    wanted = np.array([int(colour[n : n + 2], 16) for n in (0, 2, 4)]) / 255
    return np.count_nonzero(np.abs(picture - wanted).max(axis=-1) < 0.02)


def test_what_cannot_be_drawn_is_named(tmp_path):
    with pytest.raises(UsageError, match="no sky cell to draw"):
        draw_sky_cells([], tmp_path / "map.png")
    with pytest.raises(UsageError, match="all over the sky"):
        draw_sky_cells([MISSION.at(ra, 0) for ra in (0, 100, 200)], tmp_path / "map.png")
    with pytest.raises(FileError):
        draw_sky_cells([MISSION.at(0, 0)], tmp_path / "no" / "map.png")
    assert not list(tmp_path.iterdir())
