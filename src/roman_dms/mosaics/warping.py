"""An exposure laid on a block of a mosaic.

Each output pixel collects its shares (`kernels`) of the input pixels that it touches.  With the
share ``a``, the weight ``w`` and the value ``d`` of an input pixel,

    light = sum of a w d,    weight = sum of a w,    variance = sum of (a w)^2 var,

so that exposures are combined by adding planes.  A pixel's result depends on its block alone,
not on what area is asked for: halos agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area, BlockMap
from roman_dms.mosaics.images import Image, InputImage
from roman_dms.mosaics.kernels import Floats, Kernel, Shares
from roman_dms.mosaics.patches import PATCH_ROWS, RUN, Patch, Way, look_up, next_stop, patch_memory

GROUP = 3
"""Variances that are worked on together."""

Cube = NDArray[np.float32]
Corner = tuple[int, int]
Place = tuple[int, int, int, int]


@dataclass(frozen=True)
class Warped:
    """What one exposure gives to an area of a mosaic; arrays are (rows, columns) of the area."""

    area: Area

    light: Image
    """Sum of share x weight x surface brightness."""

    weight: Image
    """Sum of share x weight."""

    variances: dict[str, Image]
    """By component: sum of (share x weight)^2 x variance."""

    def part(self, area: Area) -> Warped:
        """Views of a part of it."""
        at = self.area.slices(area)
        variances = {name: plane[at] for name, plane in self.variances.items()}
        return Warped(area, self.light[at], self.weight[at], variances)


class Planes(NamedTuple):
    """Input pixels as the compiled loops take them, row by row; 0 where there is no image."""

    light: Cube
    """(pixels, 2): weight x surface brightness, weight."""

    variances: Cube
    """(groups, pixels, GROUP): weight^2 x variance."""

    stride: int
    """Pixels in a row."""


def warp(
    image: InputImage, way: BlockMap, area: Area, kernel: Kernel, *, variances: bool = True
) -> Warped:
    """Lay an exposure on an area in or around a block.

    Parameters
    ----------
    area
        A part of the block of ``way``, which may reach into the block's margin.
    variances
        Whether to carry the variances along.

    Raises
    ------
    UsageError
        If the area reaches farther from the block than its map.
    """
    names = list(image.variances) if variances else []
    planes, of_block, shares = laid_out(image, way, area, kernel, names)
    made = _empty(planes, area)
    boxes = _covered(image.window, _window(planes, of_block), way, shares, area)
    if planes.light[:, 1].any():
        _gather(planes, of_block, shares, boxes, (area.x0, area.y0), made)
    return _warped(area, made, names)


def warp_anew(
    warped: Warped,
    image: InputImage,
    way: BlockMap,
    kernel: Kernel,
    rejected: NDArray[np.signedinteger[Any]],
) -> Warped:
    """The same exposure without some of its pixels, to the last bit.

    Only output pixels that touch them are computed.

    Parameters
    ----------
    rejected
        (k, 2) rows and columns on the detector.
    """
    names = list(warped.variances)
    planes, of_block, shares = laid_out(image, way, warped.area, kernel, names)
    window = _window(planes, of_block)
    column, row = rejected[:, 1] - window.x0, rejected[:, 0] - window.y0
    seen = (column >= 0) & (column < window.columns) & (row >= 0) & (row < window.rows)
    at = row[seen] * window.columns + column[seen]
    if not planes.light[at, 1].any():
        return warped
    planes.light[at] = 0
    planes.variances[:, at] = 0
    made = _empty(planes, warped.area)
    made[0], made[1] = warped.light, warped.weight
    for k, plane in enumerate(warped.variances.values()):
        made[2 + k] = plane
    gone = rejected[seen].astype(np.float64)
    boxes = _clipped(_looking_at(gone[:, 1], gone[:, 0], way, shares.reach), warped.area)
    _gather(planes, of_block, shares, boxes, (warped.area.x0, warped.area.y0), made)
    return _warped(warped.area, made, names)


def _empty(planes: Planes, area: Area) -> Cube:
    """Output planes: light, weight, and all groups of variances, the last perhaps not full."""
    return np.zeros((2 + GROUP * len(planes.variances), *area.shape), np.float32)


def _warped(area: Area, made: Cube, names: list[str]) -> Warped:
    return Warped(area, made[0], made[1], dict(zip(names, made[2:], strict=False)))


def laid_out(
    image: InputImage, way: BlockMap, area: Area, kernel: Kernel, names: list[str]
) -> tuple[Planes, Way, Shares]:
    """What the compiled loops take, to fill an area with the variances of some names."""
    _check(area, way)
    shares = kernel.shares(way.jacobian)
    window = _footprint(area, way, shares.side)
    light = np.zeros((*window.shape, 2), np.float32)
    groups = -(-len(names) // GROUP)
    variances = np.zeros((groups, *window.shape, GROUP), np.float32)
    common = window.within(image.window)
    if common is not None:
        part, at = image.part(common), window.slices(common)
        light[(*at, 0)] = part.weight * part.data
        light[(*at, 1)] = part.weight
        for k, name in enumerate(names):
            plane = variances[k // GROUP, ..., k % GROUP]
            plane[at] = part.weight * part.weight * part.variances[name]
    pixels = window.rows * window.columns
    planes = Planes(
        light.reshape(pixels, 2), variances.reshape(groups, pixels, GROUP), window.columns
    )
    block, middle = way.block, way.block.centre
    of_block = Way(block.x0, block.y0, *middle, *way.centre, way.forward, window.x0, window.y0)
    return planes, of_block, shares


def _check(area: Area, way: BlockMap) -> None:
    farthest = way.block.grown(max(way.block.columns, way.block.rows) // 4)
    if area.within(farthest) != area:
        raise UsageError(
            f"{area} is too far from {way.block} for the map of that block.",
            "an area in the block and its margin",
        )


def _footprint(area: Area, way: BlockMap, count: int) -> Area:
    """All pixels that the output pixels of an area look at, on the image or not."""
    columns, rows = way.to_image(*_border(area))
    margin = count // 2 + 2
    x0, y0 = int(np.floor(columns.min())) - margin, int(np.floor(rows.min())) - margin
    x1, y1 = int(np.ceil(columns.max())) + margin, int(np.ceil(rows.max())) + margin
    return Area(x0, y0, x1 - x0 + 1, y1 - y0 + 1)


def _window(planes: Planes, way: Way) -> Area:
    """Where the input planes lie on the detector."""
    return Area(way.first_x, way.first_y, planes.stride, len(planes.light) // planes.stride)


def _covered(
    image: Area, window: Area, way: BlockMap, shares: Shares, area: Area
) -> NDArray[np.int64]:
    """(1 or 0, 4) box of the output pixels of an area that look at the image.

    ``window`` is what they look at, on the image or not.
    """
    common = window.within(image)
    if common == window:
        return np.array([_box(area)])
    if common is None:
        return np.empty((0, 4), np.int64)
    boxes = _looking_at(*_border(common), way, shares.reach)
    whole = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
    return _clipped(whole[np.newaxis], area)


def _border(area: Area) -> tuple[Floats, Floats]:
    """Columns and rows of the outermost pixels of an area."""
    x = np.arange(area.x0, area.x0 + area.columns, dtype=float)
    y = np.arange(area.y0, area.y0 + area.rows, dtype=float)
    return (
        np.concatenate([x, x, x[[0, -1]].repeat(y.size)]),
        np.concatenate([y[[0, -1]].repeat(x.size), y, y]),
    )


def _box(area: Area) -> tuple[int, int, int, int]:
    """First column and row, and those after the last."""
    return area.x0, area.y0, area.x0 + area.columns, area.y0 + area.rows


def _looking_at(x: Floats, y: Floats, way: BlockMap, reach: float) -> NDArray[np.int64]:
    """(k, 4) boxes of the output pixels that look at some input pixels."""
    middle = np.stack(way.to_mosaic(x, y), 1)
    half = np.abs(np.linalg.inv(way.jacobian)).sum(1) * reach * 1.05  # the shape varies a little
    return np.hstack([np.ceil(middle - half), np.floor(middle + half) + 1]).astype(np.int64)


def _clipped(boxes: NDArray[np.int64], area: Area) -> NDArray[np.int64]:
    """Boxes cut to an area, without those outside."""
    x0, y0, x1, y1 = _box(area)
    cut = np.hstack([np.maximum(boxes[:, :2], [x0, y0]), np.minimum(boxes[:, 2:], [x1, y1])])
    return np.asarray(cut[(cut[:, 0] < cut[:, 2]) & (cut[:, 1] < cut[:, 3])])


@njit(nogil=True, cache=True, error_model="numpy")
def _gather(
    planes: Planes, way: Way, kernel: Shares, boxes: NDArray[np.int64], area: Corner, made: Cube
) -> None:
    """Fill boxes of the output planes, whose first column and row are ``area``."""
    patch = patch_memory(kernel, planes.stride)
    for k in range(len(boxes)):
        y = boxes[k, 1]
        while y < boxes[k, 3]:
            stop_y = next_stop(y, way.y0, PATCH_ROWS, boxes[k, 3])
            x = boxes[k, 0]
            while x < boxes[k, 2]:
                stop_x = next_stop(x, way.x0, RUN, boxes[k, 2])
                look_up(way, kernel, x, y, stop_x, stop_y, planes.stride, patch)
                place = x - area[0], y - area[1], stop_x - x, stop_y - y
                _collect_light(planes.light, patch, place, made)
                for group in range(len(planes.variances)):
                    _collect_variances(planes.variances, group, patch, place, made)
                x = stop_x
            y = stop_y


@njit(nogil=True, cache=True, error_model="numpy")
def _collect_light(light: NDArray[np.float32], patch: Patch, place: Place, made: Cube) -> None:
    """Add up what the pixels of a patch get of light and weight."""
    x, y, columns, rows = place
    base, share, offsets = patch.base, patch.share, patch.offsets
    for row in range(rows):
        for n in range(columns):
            pixel = row * columns + n
            sum_light, sum_weight = np.float32(0), np.float32(0)
            for k in range(offsets.size):
                at, a = base[pixel] + offsets[k], share[k, pixel]
                sum_light += a * light[at, 0]
                sum_weight += a * light[at, 1]
            made[0, y + row, x + n] = sum_light
            made[1, y + row, x + n] = sum_weight


@njit(nogil=True, cache=True, error_model="numpy")
def _collect_variances(variances: Cube, group: int, patch: Patch, place: Place, made: Cube) -> None:
    """The same for a group of variances."""
    x, y, columns, rows = place
    base, share, offsets = patch.base, patch.share, patch.offsets
    first = 2 + GROUP * group
    for row in range(rows):
        for n in range(columns):
            pixel = row * columns + n
            one, two, three = np.float32(0), np.float32(0), np.float32(0)
            for k in range(offsets.size):
                at, a = base[pixel] + offsets[k], share[k, pixel]
                square = a * a
                one += square * variances[group, at, 0]
                two += square * variances[group, at, 1]
                three += square * variances[group, at, 2]
            made[first, y + row, x + n] = one
            made[first + 1, y + row, x + n] = two
            made[first + 2, y + row, x + n] = three
