"""How the light of an input pixel is shared out among the pixels of a mosaic.

Drizzle (Fruchter & Hook 2002, PASP 114, 144) shrinks an input pixel to a drop and gives each
output pixel the part of the drop that falls on it.  Here an output pixel collects its parts: it
is a parallelogram among the pixels of the image, and

    share = area of parallelogram and drop / area of the drop,

so that the shares of one input pixel add up to 1.  All areas follow from one function in closed
form: how much of a parallelogram lies left of ``s`` and below ``t``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

STEP = 1 / 1024
"""Between the tabulated values of a profile [output pixel]."""

SMALLEST_PIXFRAC = 0.01
"""Drops smaller than this are points: their area drowns in rounding errors."""

_NEGLIGIBLE = 1e-6
"""Part of an output pixel below which a share is a rounding error; also the least component of
its sides [image pixel], so that the closed forms can divide by it."""


class Shares(NamedTuple):
    """A kernel made ready for one block."""

    side: int
    """Rows and columns of image pixels that an output pixel may touch."""

    reach: float
    """How far from an output pixel's centre, along columns or rows, the centres of these image
    pixels are at most [image pixel]."""

    pixfrac: float
    """Side of the square drop [image pixel]."""

    lower: Indices
    """(side,) which edge begins each drop, for drops in a row."""

    upper: Indices
    """(side,) which edge ends it."""

    edges: Floats
    """Edges of the drops from the centre of the first pixel [image pixel], ascending; infinite
    where they are always outside the output pixel."""

    table: Floats
    """Profile along an axis of the mosaic in steps of ``STEP``; empty for a square drop."""


class Kernel(Protocol):
    """What shares out light."""

    def shares(self, jacobian: Floats) -> Shares:
        """Made ready for output pixels of a shape.

        Parameters
        ----------
        jacobian
            (2, 2) offset (x, y) on the image = matrix @ offset on the mosaic.
        """


@dataclass(frozen=True)
class Square:
    """Drops that are squares on the image: drizzle proper."""

    pixfrac: float = 1.0
    """Side of the drop [image pixel]."""

    def shares(self, jacobian: Floats) -> Shares:
        """Made ready for output pixels of a shape; see `Kernel.shares`."""
        span = _span(jacobian)
        count = int(np.ceil(span + self.pixfrac))
        first = np.arange(count)
        half = self.pixfrac / 2
        edges: Floats
        if self.pixfrac == 1:  # neighbours share their edge
            edges, lower = np.arange(count + 1, dtype=np.float64) - half, first
        else:
            edges, lower = np.stack([first - half, first + half], 1).ravel(), 2 * first
        if count >= span + 2 - self.pixfrac:
            edges[[0, -1]] = -np.inf, np.inf
        reach = (span + self.pixfrac) / 2
        return Shares(count, reach, float(self.pixfrac), lower, lower + 1, edges, np.empty(0))


@dataclass(frozen=True)
class Separable:
    """Shares that are a product of profiles along the axes of the mosaic."""

    profile: Callable[[Floats, float], Floats]
    """(offsets from an output pixel's centre [output pixel], side of an output pixel [image
    pixel]) -> shares, in any unit; even in the offset."""

    reach: Callable[[float], float]
    """Side of an output pixel [image pixel] -> offset at which the profile ends [output pixel]."""

    def shares(self, jacobian: Floats) -> Shares:
        """Made ready for output pixels of a shape; see `Kernel.shares`."""
        side = float(np.sqrt(abs(np.linalg.det(jacobian))))
        reach = self.reach(side)
        offsets = np.arange(np.ceil(reach / STEP) + 1, dtype=np.float64) * STEP
        table: Floats = np.where(offsets <= reach, self.profile(offsets, side), 0.0)
        table /= (2 * table.sum() - table[0]) * STEP
        span = 2 * reach * _span(jacobian)
        nothing = np.empty(0, np.int64)
        ended = np.concatenate([table, np.zeros(2)])
        count = int(np.ceil(span))
        return Shares(count, span / 2, 0.0, nothing, nothing, np.empty(0), ended)


def _span(jacobian: Floats) -> float:
    """Widest extent of an output pixel [image pixel], whose shape varies a little in a block."""
    return float(np.abs(jacobian).sum(1).max()) * 1.05


def square(pixfrac: float = 1.0) -> Kernel:
    """Square drops of a side [image pixel]; 0 makes points of them.

    Raises
    ------
    UsageError
        If the side is not from 0 to 1.
    """
    _check(pixfrac)
    return Square(pixfrac) if pixfrac >= SMALLEST_PIXFRAC else point()


def point() -> Kernel:
    """All light of a pixel goes where its centre falls (interlacing)."""
    return turbo(0.0)


def turbo(pixfrac: float = 1.0) -> Kernel:
    """Square drops as `square`, but turned to the axes of the mosaic.

    Raises
    ------
    UsageError
        If the side is not from 0 to 1.
    """
    _check(pixfrac)

    def width(side: float) -> float:
        return max(pixfrac / side, STEP)

    def overlap(offset: Floats, side: float) -> Floats:
        half = width(side) / 2
        right, left = np.minimum(offset + half, 0.5), np.maximum(offset - half, -0.5)
        return np.asarray(np.maximum(right - left, 0), float)

    return Separable(overlap, lambda side: (1 + width(side)) / 2)


def gaussian(pixfrac: float = 1.0) -> Kernel:
    """Gaussian drops; ``pixfrac`` is their full width at half maximum [image pixel].

    Raises
    ------
    UsageError
        If the width is not from 0.01 to 1.
    """
    _check(pixfrac, SMALLEST_PIXFRAC)
    return Separable(
        lambda offset, side: np.exp(-4 * np.log(2) * (offset * side / pixfrac) ** 2),
        lambda side: max(2.5 * pixfrac / 2.3548, 1.2) / side + 0.5,
    )


def lanczos3() -> Kernel:
    """Lanczos' windowed sinc with three lobes; its shares may be negative."""
    return Separable(
        lambda offset, side: np.sinc(offset * side) * np.sinc(offset * side / 3),
        lambda side: 3 / side,
    )


def _check(pixfrac: float, least: float = 0.0) -> None:
    if not least <= pixfrac <= 1:
        raise UsageError(
            f"A drop has a side of {pixfrac:g} pixel.", f"a pixfrac from {least:g} to 1"
        )


@njit(nogil=True, cache=True, error_model="numpy")
def fill_shares(
    kernel: Shares,
    shape: tuple[float, float, float, float],
    size: int,
    s: Floats,
    t: Floats,
    share: NDArray[np.float32],
    cumulative: Floats,
) -> None:
    """What some output pixels get of each of the ``side`` x ``side`` input pixels around them.

    Parameters
    ----------
    shape
        Sides of an output pixel, (x, y) of the one along columns and of the one along rows
        [image pixel].
    size
        How many output pixels there are in the arrays.
    s, t
        (n,) column and row of the first input pixel, from the output pixel's centre.
    share
        (side^2, n) results, row by row.
    cumulative
        (edges, edges, n) memory to work in.
    """
    if kernel.table.size:
        _fill_separable(kernel, shape, size, s, t, share)
    else:
        _fill_square(kernel, shape, size, s, t, share, cumulative)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_separable(
    kernel: Shares,
    shape: tuple[float, float, float, float],
    size: int,
    s: Floats,
    t: Floats,
    share: NDArray[np.float32],
) -> None:
    """Products of the profiles at the input pixels' centres."""
    a, c, b, d = shape
    determinant = a * d - b * c
    table = kernel.table
    last = table.size - 2
    for j in range(kernel.side):
        for i in range(kernel.side):
            for n in range(size):
                x, y = s[n] + i, t[n] + j
                along = abs(d * x - b * y) / (abs(determinant) * STEP)
                across = abs(a * y - c * x) / (abs(determinant) * STEP)
                u, v = min(int(along), last), min(int(across), last)
                p = table[u] + (table[u + 1] - table[u]) * (along - u)
                q = table[v] + (table[v + 1] - table[v]) * (across - v)
                share[j * kernel.side + i, n] = p * q


@njit(nogil=True, cache=True, error_model="numpy")
def _fill_square(
    kernel: Shares,
    shape: tuple[float, float, float, float],
    size: int,
    s: Floats,
    t: Floats,
    share: NDArray[np.float32],
    cumulative: Floats,
) -> None:
    """Corner differences of the area left of and below the edges of the drops."""
    ux, uy, vx, vy = _oriented(shape)
    sides = (ux, uy, vx, vy, ux / uy, vx / vy, uy / (2 * ux), vy / (2 * vx))
    area = ux * vy - uy * vx
    per_x, per_y = area / (2 * ux * vx), area / (2 * uy * vy)
    x0, y0 = (ux + vx) / 2, (uy + vy) / 2  # from the lowest corner to the centre
    edges = kernel.edges
    for j in range(edges.size):
        for i in range(edges.size):
            x, y = edges[i] + x0, edges[j] + y0
            if x == -np.inf or y == -np.inf:
                cumulative[j, i, :size] = 0.0
            elif x == np.inf and y == np.inf:
                cumulative[j, i, :size] = area
            elif y == np.inf:
                for n in range(size):
                    cumulative[j, i, n] = per_x * _below(s[n] + x, ux, vx)
            elif x == np.inf:
                for n in range(size):
                    cumulative[j, i, n] = per_y * _below(t[n] + y, uy, vy)
            else:
                for n in range(size):
                    cumulative[j, i, n] = _corner(s[n] + x, t[n] + y, sides)
    _difference(kernel, cumulative, area * _NEGLIGIBLE, size, share)


@njit(nogil=True, cache=True, error_model="numpy")
def _difference(
    kernel: Shares, cumulative: Floats, least: float, size: int, share: NDArray[np.float32]
) -> None:
    """From areas left of and below edges to those between them."""
    scale = 1 / kernel.pixfrac**2
    for j in range(kernel.side):
        below, above = kernel.lower[j], kernel.upper[j]
        for i in range(kernel.side):
            left, right = kernel.lower[i], kernel.upper[i]
            for n in range(size):
                part = (cumulative[above, right, n] - cumulative[above, left, n]) - (
                    cumulative[below, right, n] - cumulative[below, left, n]
                )
                share[j * kernel.side + i, n] = part * scale if part > least else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _oriented(shape: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """The sides turned to go up from the lowest corner, the right one first."""
    ux, uy = _sloping(shape[0]), _sloping(shape[1])
    vx, vy = _sloping(shape[2]), _sloping(shape[3])
    if uy < 0:
        ux, uy = -ux, -uy
    if vy < 0:
        vx, vy = -vx, -vy
    return (ux, uy, vx, vy) if ux * vy > uy * vx else (vx, vy, ux, uy)


@njit(nogil=True, cache=True, error_model="numpy")
def _sloping(component: float) -> float:
    """Not quite parallel to an axis."""
    return component if abs(component) > _NEGLIGIBLE else np.copysign(_NEGLIGIBLE, component)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _squared(x: float) -> float:
    """Of the positive part."""
    positive = max(x, 0.0)
    return positive * positive


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _below(s: float, u: float, v: float) -> float:
    """Area of a parallelogram with x < s, times 2 u v / its area: a trapezium, integrated.

    ``s`` counts from the lowest corner; u and v are the sides along x.  The same along y.
    """
    return _squared(s) - _squared(s - u) - _squared(s - v) + _squared(s - u - v)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _corner(s: float, t: float, sides: tuple[float, ...]) -> float:
    """Area of the parallelogram with x < s and y < t, from the lowest corner.

    It is the integral over y of min(x, s) on its right sides (u, then v above it) less that on
    its left ones (v, then u); what is constant cancels.
    """
    ux, uy, vx, vy, u, v, per_u, per_v = sides
    along_u = _side(s, t, u, uy) - _side(s - vx, t - vy, u, uy)
    along_v = _side(s - ux, t - uy, v, vy) - _side(s, t, v, vy)
    return along_u * per_u + along_v * per_v


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _side(s: float, t: float, slope: float, height: float) -> float:
    """- 2 slope times the integral of max(s - slope y, 0) over 0 < y < min(t, height)."""
    top = min(max(t, 0.0), height)
    return _squared(s - slope * top) - _squared(s)
