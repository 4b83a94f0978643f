"""Slow functions of the place on an image: a mesh of cells, and from it every pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

OUTLIER = 5.0
"""A cell further above the median of its neighbours, in robust standard deviations of all
such differences, lies under a source as large as itself and takes their median instead."""


def cell_edges(size: int, box: int) -> NDArray[np.int64]:
    """Where the cells along an axis begin, and the last one ends."""
    count = max(1, round(size / box))
    return np.round(np.linspace(0, size, count + 1)).astype(np.int64)


def filled(mesh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cells without a value, from those with one, nearest most (inverse fourth power)."""
    places = np.argwhere(np.isfinite(mesh))
    values = mesh[np.isfinite(mesh)]
    whole = mesh.copy()
    for cell in np.argwhere(~np.isfinite(mesh)):
        weights = 1.0 / np.sum((places - cell) ** 2, axis=1) ** 2
        whole[tuple(cell)] = np.average(values, weights=weights)
    return whole


def without_outliers(mesh: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mesh without cells that stand out from their neighbours as a large source does."""
    padded = _padded(mesh, 1)
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*mesh.shape, 9)
    median = np.median(around, axis=-1)
    excess = mesh - median
    spread = 1.4826 * np.median(np.abs(excess))
    return np.where(excess > OUTLIER * spread, median, mesh)


def _padded(mesh: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The mesh continued beyond its edges, slopes included."""
    padded = mesh
    for axis in (0, 1):
        around = [(width, width) if axis == other else (0, 0) for other in (0, 1)]
        if mesh.shape[axis] > 1:
            padded = np.pad(padded, around, mode="reflect", reflect_type="odd")
        else:
            padded = np.pad(padded, around, mode="edge")
    return padded


class Surface(NamedTuple):
    """A slow function of the place on an image, from a mesh of cells; kernels may take it.

    Between the cells' centres it is a cubic convolution (Keys 1981, IEEE Trans. ASSP 29, 1153).
    """

    lines: NDArray[np.float32]
    """(cells + 4, columns) the lines of the mesh, padded by two, at all columns."""

    first: NDArray[np.int64]
    """(rows,) first of the four lines between which a row lies."""

    weights: NDArray[np.float32]
    """(rows, 4) what each of the four counts."""

    @classmethod
    def of(cls, mesh: NDArray[np.float64], shape: tuple[int, int]) -> Surface:
        """The surface through the cells of a mesh that covers an image of some shape."""
        first, row_weights = _cubic_convolution(shape[0], mesh.shape[0])
        first_column, weights = _cubic_convolution(shape[1], mesh.shape[1])
        padded = _padded(mesh, 2)
        lines = sum(padded[:, first_column + tap] * weights[:, tap] for tap in range(4))
        return cls(np.ascontiguousarray(lines, np.float32), first, row_weights)

    def at(self, rows: slice) -> Surface:
        """Some of its rows."""
        return Surface(self.lines, self.first[rows], self.weights[rows])

    def values(self) -> NDArray[np.float32]:
        """(row, column) at every pixel."""
        field = np.empty((len(self.first), self.lines.shape[1]), np.float32)
        _fill(self, field)
        return field


def _cubic_convolution(size: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """First of the four cells, counted in a mesh padded by two, and their weights, by pixel."""
    place = (np.arange(size) + 0.5) * cells / size - 0.5
    first = np.floor(place).astype(np.int64)
    t = place - first
    weights = [
        -t * (1 - t) ** 2 / 2,
        1 + t * t * (1.5 * t - 2.5),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (t - 1) / 2,
    ]
    return first + 1, np.stack(weights, axis=-1).astype(np.float32)


@njit(nogil=True, cache=True)
def surface_row(surface, row, values):  # type: ignore[no-untyped-def]
    """Fill (columns,) values of one row of a surface."""
    one, two, three, four = surface.lines[surface.first[row] : surface.first[row] + 4]
    a, b, c, d = surface.weights[row]
    for column in range(values.size):
        values[column] = a * one[column] + b * two[column] + c * three[column] + d * four[column]


@njit(nogil=True, cache=True)
def _fill(surface, field):  # type: ignore[no-untyped-def]
    for row in range(field.shape[0]):
        surface_row(surface, row, field[row])
