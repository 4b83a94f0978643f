"""Which squares of a grid on a plane does a polygon touch?

Great circles are straight on a tangent plane, so that a footprint whose sides are great
circles is met by a cell exactly where the two polygons meet on the cell's plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def touched_squares(
    x: Values, y: Values, pitch: float, half: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Squares around the points (pitch p, pitch q) that share area with a polygon.

    Parameters
    ----------
    x, y
        Corners of a polygon in order, convex or not (n,).
    pitch
        Distance of the middles of neighbouring squares.
    half
        Half the side of a square.

    Returns
    -------
    tuple
        p and q of the squares, row by row.
    """
    low_p, high_p = _range(x, pitch, half)
    low_q, high_q = _range(y, pitch, half)
    columns, rows = np.arange(low_p, high_p + 1), np.arange(low_q, high_q + 1)
    p, q = (axis.ravel() for axis in np.meshgrid(columns, rows))
    middle_x, middle_y = np.multiply(pitch, p, dtype=float), np.multiply(pitch, q, dtype=float)
    met = _crossed(x, y, middle_x, middle_y, half) | _inside(middle_x, middle_y, x, y)
    return p[met], q[met]


def _range(x: Values, pitch: float, half: float) -> tuple[int, int]:
    """First and last square that reaches into the extent of x."""
    return (
        int(np.floor((x.min() - half) / pitch)) + 1,
        int(np.ceil((x.max() + half) / pitch)) - 1,
    )


def _crossed(
    x: Values, y: Values, centre_x: Values, centre_y: Values, half: float
) -> NDArray[np.bool_]:
    """Whether a side of the polygon has a part inside of a square (clipped by slabs)."""
    enter, leave = np.zeros((centre_x.size, x.size)), np.ones((centre_x.size, x.size))
    for start, centre in ((x, centre_x), (y, centre_y)):
        run = np.roll(start, -1) - start
        offset = start - centre[:, np.newaxis]
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = (-half - offset) / run, (half - offset) / run
        along = (run == 0) & (np.abs(offset) < half)
        beside = (run == 0) & ~along
        first, last = np.minimum(one, other), np.maximum(one, other)
        first, last = np.where(along, 0.0, first), np.where(along, 1.0, last)
        enter = np.maximum(enter, np.where(beside, 2.0, first))
        leave = np.minimum(leave, np.where(beside, -1.0, last))
    return np.asarray((enter < leave).any(axis=1))


def _inside(at_x: Values, at_y: Values, x: Values, y: Values) -> NDArray[np.bool_]:
    """Whether points lie inside of a polygon: a ray crosses its sides an odd number of times."""
    below = y > at_y[:, np.newaxis]
    straddles = below != np.roll(below, -1, axis=1)
    run, rise = np.roll(x, -1) - x, np.roll(y, -1) - y
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = x + (at_y[:, np.newaxis] - y) * run / rise
    return np.asarray((straddles & (at_x[:, np.newaxis] < meets)).sum(axis=1) % 2 == 1)
