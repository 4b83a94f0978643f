"""Areas, blocks, and the polynomials that stand for a WCS."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import FormatError
from roman_dms.mosaics.geometry import (
    BLOCK,
    TOLERANCE,
    Area,
    block_map,
    block_maps,
    blocks_of,
)


def distorted(x, y):
    """A turned, stretched image with a distortion of the size of a detector's."""
    u, v = (x - 3000) / 2000, (y + 500) / 2000
    column = 1000 + 480 * u - 210 * v + 3 * u * u - 2 * u * v + 0.3 * v**3
    row = 900 + 205 * u + 490 * v - 2 * v * v + 1.5 * u * v + 0.2 * u**3
    return column, row


def test_blocks_cover_an_area_once_and_do_not_depend_on_it():
    area = Area(-100, 37, 5000, 1203)
    seen = np.zeros(area.shape, int)
    for block in blocks_of(area):
        assert (block.x0 % BLOCK, block.y0 % BLOCK) == (0, 0)
        part = block.within(area)
        assert part is not None
        seen[area.slices(part)] += 1
    assert (seen == 1).all()
    other = set(blocks_of(Area(400, 0, 3000, 600)))
    assert other <= set(blocks_of(area)) | set(blocks_of(Area(400, 0, 3000, 36)))


def test_areas_that_do_not_meet_share_nothing():
    assert Area(0, 0, 10, 10).within(Area(10, 0, 5, 5)) is None
    assert Area(0, 0, 10, 10).within(Area(-5, -5, 6, 7)) == Area(0, 0, 1, 2)
    assert Area(3, 4, 2, 2).grown(1) == Area(2, 3, 4, 4)


def test_maps_follow_a_distorted_image_both_ways():
    rng = np.random.default_rng(1)
    blocks = list(blocks_of(Area(2000, -1500, 3000, 2000)))
    for way, block in zip(block_maps(distorted, blocks), blocks, strict=True):
        assert way is not None
        x = block.x0 - 16 + rng.random(200) * (block.columns + 32)
        y = block.y0 - 16 + rng.random(200) * (block.rows + 32)
        exact = distorted(x, y)
        assert np.abs(np.subtract(way.to_image(x, y), exact)).max() < 1e-5
        assert np.abs(np.subtract(way.to_mosaic(*exact), (x, y))).max() < 5e-5
        assert way.error < 1e-5


def test_the_jacobian_is_that_of_the_image():
    way = block_map(distorted, Area(0, 0, BLOCK, BLOCK))
    assert way is not None
    x, y = way.block.centre
    ahead = np.array(distorted(x + 0.5, y)) - distorted(x - 0.5, y)
    above = np.array(distorted(x, y + 0.5)) - distorted(x, y - 0.5)
    assert np.abs(way.jacobian - np.stack([ahead, above], axis=1)).max() < 1e-7


def test_a_block_far_from_the_image_has_no_map():
    def halved(x, y):
        return np.where(x > 900, np.nan, x), y * 1.0

    ways = block_maps(halved, [Area(0, 0, BLOCK, BLOCK), Area(BLOCK, 0, BLOCK, BLOCK)])
    assert ways[0] is not None
    assert ways[1] is None
    assert block_maps(halved, []) == []


def test_a_wcs_that_is_not_smooth_is_refused():
    def rippled(x, y):
        return x + 0.01 * np.sin(x / 9), y * 1.0

    with pytest.raises(FormatError, match=f"{TOLERANCE:g} pixel"):
        block_map(rippled, Area(0, 0, BLOCK, BLOCK))


def test_the_window_of_an_area_holds_all_its_pixels():
    block = Area(2880, -480, BLOCK, BLOCK)
    way = block_map(distorted, block)
    assert way is not None
    window = way.window(block, (4088, 4088), 2)
    y, x = np.indices(block.shape)
    column, row = distorted(x + block.x0, y + block.y0)
    assert window is not None
    assert window.x0 <= column.min() - 1
    assert window.x0 + window.columns >= column.max() + 1
    assert window.y0 <= row.min() - 1
    assert window.y0 + window.rows >= row.max() + 1
    assert way.window(block, (10, 10), 2) is None
