"""Patches of output pixels: where they look on the image, and what share they get.

A patch is small enough for the fastest cache and its pixels have one shape, that of the map in
the middle of their run.  Everything is computed pixel by pixel from the block alone, in the same
order of operations, so that results do not depend on how an area is cut into patches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.mosaics.kernels import Floats, Shares, fill_shares

RUN = 48
"""Columns and rows across which output pixels have one shape; ten to a block."""

PATCH_ROWS = 8
"""Rows of a run that are worked on together, so that it all stays in the fastest cache."""

Line = tuple[float, float, float, float]
"""Coefficients of the powers of an offset."""


class Way(NamedTuple):
    """A `BlockMap` as the compiled loops take it, and where their input begins."""

    x0: int
    y0: int
    """First column and row of the block on the mosaic."""

    middle_x: float
    middle_y: float
    centre_x: float
    centre_y: float
    forward: Floats

    first_x: int
    first_y: int
    """Column and row on the detector of the first pixel of the input planes."""


class Patch(NamedTuple):
    """Memory for a few rows of a run, and what `look_up` finds for them: pixels row by row."""

    base: NDArray[np.uint64]
    """Where in the input planes the first of the input pixels of each lies."""

    offsets: NDArray[np.uint64]
    """(side^2,) how much farther the others lie, row by row."""

    share: NDArray[np.float32]
    """(side^2, pixels) of each of these."""

    s: Floats
    t: Floats
    cumulative: Floats


@njit(nogil=True, cache=True, error_model="numpy")
def patch_memory(kernel: Shares, stride: int) -> Patch:
    """Memory for one patch at a time, with input planes of so many columns."""
    size, edges = RUN * PATCH_ROWS, kernel.edges.size
    offsets = np.empty(kernel.side**2, np.uint64)
    for j in range(kernel.side):
        for i in range(kernel.side):
            offsets[j * kernel.side + i] = j * stride + i
    share = np.empty((offsets.size, size), np.float32)
    s, t, cumulative = np.empty(size), np.empty(size), np.empty((edges, edges, size))
    return Patch(np.empty(size, np.uint64), offsets, share, s, t, cumulative)


@njit(nogil=True, cache=True, error_model="numpy")
def next_stop(at: int, origin: int, size: int, end: int) -> int:
    """Where the patch that begins at a column or row ends."""
    return min(end, origin + ((at - origin) // size + 1) * size)


@njit(nogil=True, cache=True, error_model="numpy")
def look_up(
    way: Way, kernel: Shares, x: int, y: int, stop_x: int, stop_y: int, stride: int, patch: Patch
) -> None:
    """Find, for a patch of output pixels, their input pixels and their shares of them.

    Parameters
    ----------
    x, y, stop_x, stop_y
        First column and row, and those after the last, in one patch of the block.
    stride
        Columns of the input planes.
    """
    columns = stop_x - x
    places = way.centre_x, way.centre_y, float(way.first_x), float(way.first_y), float(stride)
    for row in range(stop_y - y):
        dy = y + row - way.middle_y
        lines = _in_row(way.forward[0], dy), _in_row(way.forward[1], dy)
        first = row * columns
        _place(lines, x - way.middle_x, places, kernel.side, first, columns, patch)
    size = columns * (stop_y - y)
    fill_shares(kernel, _shape(way, x, y), size, patch.s, patch.t, patch.share, patch.cumulative)


@njit(nogil=True, cache=True, error_model="numpy")
def _place(
    lines: tuple[Line, Line],
    x: float,
    places: tuple[float, ...],
    count: int,
    start: int,
    columns: int,
    patch: Patch,
) -> None:
    """Find the input pixels of one row of a patch, which begins at ``start``."""
    (x0, x1, x2, x3), (y0, y1, y2, y3) = lines
    centre_x, centre_y, first_x, first_y, stride = places
    base, s, t = patch.base, patch.s, patch.t
    half = (count - 1) / 2 - 0.5
    for n in range(columns):
        dx = x + n
        column = centre_x + (x0 + dx * (x1 + dx * (x2 + dx * x3)))
        row = centre_y + (y0 + dx * (y1 + dx * (y2 + dx * y3)))
        first, lowest = np.floor(column - half), np.floor(row - half)
        s[start + n], t[start + n] = first - column, lowest - row
        base[start + n] = np.uint64((lowest - first_y) * stride + (first - first_x))


@njit(nogil=True, cache=True, error_model="numpy")
def _in_row(c: Floats, dy: float) -> Line:
    """Coefficients of the powers of dx in one row."""
    one, two, three = c[1], c[2], c[3]
    constant = c[0, 0] + dy * (c[0, 1] + dy * (c[0, 2] + dy * c[0, 3]))
    linear = one[0] + dy * (one[1] + dy * one[2])
    return constant, linear, two[0] + dy * two[1], three[0]


@njit(nogil=True, cache=True, error_model="numpy")
def _shape(way: Way, x: int, y: int) -> tuple[float, float, float, float]:
    """Sides of output pixels in the middle of the run and row of runs that (x, y) lies in."""
    dx = way.x0 + ((x - way.x0) // RUN) * RUN + (RUN - 1) / 2 - way.middle_x
    dy = way.y0 + ((y - way.y0) // RUN) * RUN + (RUN - 1) / 2 - way.middle_y
    along, across = np.zeros(2), np.zeros(2)
    for k in range(2):
        c = way.forward[k]
        along[k] = (
            c[1, 0] + dy * (c[1, 1] + dy * c[1, 2]) + dx * (2 * (c[2, 0] + dy * c[2, 1]))
        ) + 3 * dx * dx * c[3, 0]
        across[k] = (
            c[0, 1] + dx * (c[1, 1] + dx * c[2, 1]) + dy * (2 * (c[0, 2] + dx * c[1, 2]))
        ) + 3 * dy * dy * c[0, 3]
    return along[0], along[1], across[0], across[1]
