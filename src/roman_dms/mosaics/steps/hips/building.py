"""FITS tiles: the deepest order out of mosaics, each order before it out of the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.mosaics.hips import sampling, tiles
from roman_dms.mosaics.steps.hips.files import Folder, made_of, read_tile, write_tile
from roman_dms.mosaics.steps.hips.sources import Plan, digest

Image = NDArray[np.float32]
Numbers = NDArray[np.int64]
Advance = Callable[[int], None]
"""Told how many tiles are done."""

_GROUP = 3
"""Tiles of this many orders, 64, are made together: those that a mosaic of a sky cell touches."""

_KEPT = 2
"""Mosaics in memory."""


def build_deepest(
    folder: Folder, plan: Plan, numbers: Numbers, pool: ThreadPoolExecutor, advance: Advance
) -> None:
    """Make those of the tiles that are not there, or not of the mosaics that they should be of."""

    @lru_cache(_KEPT)
    def read(number: int) -> tuple[Image, Image]:
        return plan.sources[number].read(plan.order)

    for group in _groups(numbers):
        stale = [
            tile
            for tile in group.tolist()
            if made_of(folder.tile(plan.order, tile)) != plan.content(tile)
        ]
        _build_group(folder, plan, stale, read, pool)
        advance(group.size)


def _groups(numbers: Numbers) -> Iterator[Numbers]:
    """Tiles in the same tile a few orders before."""
    if numbers.size:
        yield from np.split(numbers, np.flatnonzero(np.diff(numbers >> 2 * _GROUP)) + 1)


def _build_group(
    folder: Folder, plan: Plan, group: list[int],
    read: Callable[[int], tuple[Image, Image]], pool: ThreadPoolExecutor,
) -> None:  # fmt: skip
    """Make some tiles: one mosaic after the other, in the order of their names."""
    shape = (tiles.WIDTH, tiles.WIDTH)
    sums = {tile: (np.zeros(shape, np.float32), np.zeros(shape, np.float32)) for tile in group}
    members = {tile: plan.of(tile) for tile in group}
    for number in sorted({number for tile in group for number in members[tile]}):
        image, weight = read(number)
        source = plan.sources[number]
        project, border = source.projection(plan.order), sampling.RAMP / source.binning(plan.order)

        def add(tile: int) -> None:
            places = tiles.places(plan.order, tile, project)  # noqa: B023  used up in the loop
            sampling.add_image(image, weight, places, *sums[tile], border)  # noqa: B023

        list(pool.map(add, [tile for tile in group if number in members[tile]]))

    def write(tile: int) -> None:
        path, (total, weights) = folder.tile(plan.order, tile), sums.pop(tile)
        if not weights.any():
            path.unlink(missing_ok=True)
            return
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: nothing there
            write_tile(path, total / weights, plan.order, tile, plan.content(tile))

    list(pool.map(write, group))


def build_parents(
    folder: Folder, order: int, numbers: Numbers, pool: ThreadPoolExecutor, advance: Advance
) -> None:
    """Make those tiles of an order that are not there, or whose children have changed."""

    def build(tile: int) -> None:
        build_parent(folder, order, tile)
        advance(1)

    list(pool.map(build, numbers.tolist()))


def build_parent(folder: Folder, order: int, tile: int) -> None:
    """Make a tile of its four children, unless it is made of them already."""
    path, own_share = folder.tile(order, tile), folder.coverage(order, tile)
    children = range(4 * tile, 4 * tile + 4)
    contents = {child: made_of(folder.tile(order + 1, child)) for child in children}
    if not any(contents.values()):
        path.unlink(missing_ok=True)
        return
    content = digest(*contents.values())
    if made_of(path) == content:
        return
    value = np.full((tiles.WIDTH, tiles.WIDTH), np.nan, np.float32)
    share = np.zeros((tiles.WIDTH, tiles.WIDTH), np.float32)
    for child in children:
        if contents[child]:
            pixels, covered = covered_tile(folder, order + 1, child)
            half = np.empty((2, tiles.WIDTH // 2, tiles.WIDTH // 2), np.float32)
            sampling.halve(pixels, covered, half[0], half[1])
            value[tiles.quadrant(child)], share[tiles.quadrant(child)] = half
    _write_coverage(own_share, share, order, tile, content)
    write_tile(path, value, order, tile, content)


def _write_coverage(path: Path, share: Image, order: int, tile: int, content: str) -> None:
    """Before the tile itself, so that a tile is never newer than its coverage."""
    if np.isin(share, (0, 1)).all():
        path.unlink(missing_ok=True)
    else:
        write_tile(path, share, order, tile, content)


def covered_tile(folder: Folder, order: int, tile: int) -> tuple[Image, Image]:
    """The pixels of a tile, and the share of the area of each that is covered."""
    pixels, path = read_tile(folder.tile(order, tile)), folder.coverage(order, tile)
    if path.exists():
        return pixels, read_tile(path)
    return pixels, np.isfinite(pixels).astype(np.float32)


def allsky(folder: Folder, side: int = 64) -> Image:
    """The tiles of order 3, averaged down, in rows of 27 from the upper left.

    The first row of the image is the lowest, as in FITS.
    """
    order = tiles.ALLSKY_ORDER
    count = 12 * 4**order
    columns = int(np.sqrt(count))
    rows = -(-count // columns)
    whole = np.full((rows * side, columns * side), np.nan, np.float32)
    for tile in folder.tiles(order).tolist():
        row, column = divmod(tile, columns)
        place = np.s_[(rows - 1 - row) * side :, column * side :]
        whole[place][:side, :side] = _reduced(*covered_tile(folder, order, tile), side)
    return whole


def _reduced(pixels: Image, covered: Image, side: int) -> Image:
    """A tile averaged down to a side."""
    while pixels.shape[0] > side:
        half = np.empty((2, pixels.shape[0] // 2, pixels.shape[0] // 2), np.float32)
        sampling.halve(pixels, covered, half[0], half[1])
        pixels, covered = half
    return pixels
