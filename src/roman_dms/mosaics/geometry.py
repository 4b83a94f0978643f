"""Pixels of a mosaic: areas, blocks that are worked on at a time, and the way to an image.

A mosaic is a rectangle on a grid of pixels that a whole tangent plane shares.  The grid is
cut into blocks whose borders do not depend on the rectangle, so that neighbouring mosaics
agree in their overlap to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray

from roman_dms.errors import FormatError

Values = NDArray[np.float64]
ToImage = Callable[[Values, Values], tuple[Values, Values]]
"""Takes columns and rows of a grid (any shape) to columns and rows of an image [pixel]; NaN
where there is no way."""

BLOCK = 480
"""Rows and columns of a block of pixels of 0.055 arcsec [pixel]; ten make the core of a sky
cell."""

SMALLEST = 48
"""Blocks are multiples of this [pixel]."""

DEGREE = 3
"""Of the polynomials that stand for a WCS across a block."""

TOLERANCE = 1e-4
"""Largest error of these polynomials [pixel]."""


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels on a grid."""

    x0: int
    """First column; may be negative."""

    y0: int
    """First row."""

    columns: int
    rows: int

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, self.columns

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle on the grid [pixel]."""
        return self.x0 + (self.columns - 1) / 2, self.y0 + (self.rows - 1) / 2

    def grown(self, margin: int) -> Area:
        """With a margin on all sides."""
        return Area(
            self.x0 - margin, self.y0 - margin, self.columns + 2 * margin, self.rows + 2 * margin
        )

    def within(self, other: Area) -> Area | None:
        """What the two share; ``None`` where they share nothing."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        columns = min(self.x0 + self.columns, other.x0 + other.columns) - x0
        rows = min(self.y0 + self.rows, other.y0 + other.rows) - y0
        return Area(x0, y0, columns, rows) if columns > 0 and rows > 0 else None

    def slices(self, part: Area) -> tuple[slice, slice]:
        """Where a part of this area lies in an array of this area: (rows, columns)."""
        x, y = part.x0 - self.x0, part.y0 - self.y0
        return slice(y, y + part.rows), slice(x, x + part.columns)


def block_size(scale: float) -> int:
    """Rows and columns of a block of pixels of a side [arcsec]: about as much sky for each."""
    wanted = BLOCK * 0.055 / scale
    return max(SMALLEST, round(min(wanted, BLOCK) / SMALLEST) * SMALLEST)


def blocks_of(area: Area, size: int = BLOCK) -> Iterator[Area]:
    """The blocks of the grid that an area touches, whole, row by row."""
    first_x, first_y = area.x0 // size, area.y0 // size
    last_x = (area.x0 + area.columns - 1) // size
    last_y = (area.y0 + area.rows - 1) // size
    for y in range(first_y, last_y + 1):
        for x in range(first_x, last_x + 1):
            yield Area(x * size, y * size, size, size)


@dataclass(frozen=True)
class BlockMap:
    """From the pixels in and around a block of a mosaic to those of an image, and back.

    Polynomials in offsets from the middle of the block, and from the image of the middle.
    """

    block: Area

    centre: tuple[float, float]
    """(x, y) on the image of the middle of the block [pixel]."""

    forward: Values
    """(2, DEGREE + 1, DEGREE + 1): image offset x and y = sum of c[i, j] dx^i dy^j."""

    backward: Values
    """(2, DEGREE + 1, DEGREE + 1): mosaic offsets likewise from image offsets."""

    error: float
    """Largest error found, either way [pixel of the image]."""

    @property
    def jacobian(self) -> Values:
        """(2, 2) at the middle: offset (x, y) on the image = matrix @ offset on the mosaic."""
        return np.array([[of[1, 0], of[0, 1]] for of in self.forward])

    def to_image(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Places on the image of places on the mosaic's grid [pixel]."""
        middle_x, middle_y = self.block.centre
        dx, dy = x - middle_x, y - middle_y
        along_x, along_y = (polynomial.polyval2d(dx, dy, of) for of in self.forward)
        return self.centre[0] + along_x, self.centre[1] + along_y

    def to_mosaic(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Places on the mosaic's grid of places on the image [pixel]."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        along_x, along_y = (polynomial.polyval2d(dx, dy, of) for of in self.backward)
        middle_x, middle_y = self.block.centre
        return middle_x + along_x, middle_y + along_y

    def check(self) -> None:
        """Refuse a map that is not close enough to the WCS.

        Raises
        ------
        FormatError
        """
        if not self.error < TOLERANCE:
            raise FormatError(
                f"Across {self.block.columns} pixels of a mosaic the WCS of an image bends so "
                f"much that a polynomial of degree {DEGREE} is wrong by {self.error:.2g} pixel.",
                f"a smooth WCS, to be followed to {TOLERANCE:g} pixel",
            )

    def window(self, area: Area, shape: tuple[int, int], margin: int) -> Area | None:
        """Pixels of an image (rows, columns) that an area of the block may touch."""
        edge = np.linspace(-0.5, 0.5, 9)
        along_x, along_y = np.meshgrid(edge * area.columns, edge * area.rows)
        x, y = self.to_image(area.centre[0] + along_x, area.centre[1] + along_y)
        x0, y0 = int(np.floor(x.min())) - margin, int(np.floor(y.min())) - margin
        x1, y1 = int(np.ceil(x.max())) + margin, int(np.ceil(y.max())) + margin
        return Area(x0, y0, x1 - x0 + 1, y1 - y0 + 1).within(Area(0, 0, shape[1], shape[0]))


def block_maps(
    to_image: ToImage, blocks: Sequence[Area], margin: int = 16
) -> list[BlockMap | None]:
    """Fit the maps of blocks of one size, and their margins.

    Returns
    -------
    list
        ``None`` for a block with places from which there is no way to the image: it is far
        from it.  How close the others are, `BlockMap.check` tells.
    """
    if not blocks:
        return []
    half = np.array([blocks[0].columns / 2 + margin, blocks[0].rows / 2 + margin])
    fitted = np.cos(np.pi * (np.arange(7) + 0.5) / 7)
    places = [np.zeros((1, 2)), _square(fitted) * half, _square(np.linspace(-1, 1, 6)) * half]
    offsets = np.concatenate(places)
    middles = np.array([block.centre for block in blocks])[:, np.newaxis]
    images = np.stack(to_image(*np.moveaxis(middles + offsets, -1, 0)), axis=-1)
    seen = np.nonzero(np.isfinite(images).all(axis=(1, 2)))[0].tolist()
    maps: list[BlockMap | None] = [None] * len(blocks)
    if not len(seen):
        return maps
    centres, images = images[seen, 0], images[seen] - images[seen, :1]
    fit, test = slice(1, 50), slice(50, None)
    forward = _fitted(offsets[np.newaxis, fit], images[:, fit])
    backward = _fitted(images[:, fit], np.broadcast_to(offsets[fit], images[:, fit].shape))
    ahead = _polynomial(offsets[np.newaxis, test], forward) - images[:, test]
    scale = np.sqrt(np.abs(np.linalg.det(_linear(forward))))[:, np.newaxis]
    behind = scale * np.linalg.norm(_polynomial(images[:, test], backward) - offsets[test], axis=-1)
    errors = np.maximum(np.linalg.norm(ahead, axis=-1), behind).max(axis=1)
    for place, x, ways, ways_back, error in zip(
        seen, centres, forward, backward, errors, strict=True
    ):
        centre = float(x[0]), float(x[1])
        maps[place] = BlockMap(blocks[place], centre, ways, ways_back, float(error))
    return maps


def block_map(to_image: ToImage, block: Area, margin: int = 16) -> BlockMap | None:
    """Fit the map of one block; see :func:`block_maps`.

    Raises
    ------
    FormatError
        Where the polynomials are not close enough to the WCS.
    """
    (way,) = block_maps(to_image, [block], margin)
    if way is not None:
        way.check()
    return way


_POWERS = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
"""Of x and of y in the terms of a polynomial."""


def _square(nodes: Values) -> Values:
    """(n^2, 2): x and y of a square grid."""
    return np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)


def _terms(offsets: Values) -> Values:
    """(..., n, terms) of offsets (..., n, 2)."""
    x, y = offsets[..., 0], offsets[..., 1]
    return np.stack([x**i * y**j for i, j in _POWERS], axis=-1)


def _fitted(offsets: Values, values: Values) -> Values:
    """(b, 2, DEGREE + 1, DEGREE + 1): values (b, n, 2) as polynomials of offsets (b or 1)."""
    scale = np.abs(offsets).max()
    found = np.linalg.pinv(_terms(offsets / scale)) @ values
    coefficients = np.zeros((len(values), 2, DEGREE + 1, DEGREE + 1))
    for term, (i, j) in enumerate(_POWERS):
        coefficients[:, :, i, j] = found[:, term] / scale ** (i + j)
    return coefficients


def _polynomial(offsets: Values, coefficients: Values) -> Values:
    """(b, n, 2) values at offsets (b or 1, n, 2)."""
    flat = np.stack([coefficients[:, :, i, j] for i, j in _POWERS], axis=1)
    return _terms(offsets) @ flat


def _linear(coefficients: Values) -> Values:
    """(b, 2, 2): the linear part."""
    return np.stack([coefficients[:, :, 1, 0], coefficients[:, :, 0, 1]], axis=-1)
