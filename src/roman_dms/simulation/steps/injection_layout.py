"""Sources laid out over a product, to be injected."""

from __future__ import annotations

import dataclasses
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table

from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.layout import Ranges, draw_columns, hexagonal, scattered, spacing_of
from roman_dms.simulation.scenes.scene import Scene


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How many sources are laid out, and where."""

    number: int

    grid: bool = True
    """On a hexagonal grid, with about ``number`` places; otherwise at random."""

    ranges: Ranges = dataclasses.field(default_factory=Ranges)
    """What the sources are like."""

    margin: float = 64.0
    """Distance from the edges that is kept [pixel]."""

    seed: int = 0


def layout(wcs: Any, shape: tuple[int, int], asked: Layout) -> Scene:
    """Sources all over an image, of the same AB magnitude in all bands.

    Parameters
    ----------
    wcs
        Of the image: (x, y) to (ra, dec), as a gwcs.
    shape
        (rows, columns) of the image.
    asked
        How many, and what they are like.

    Raises
    ------
    UsageError
        For a number or a margin that cannot be.
    """
    words = [asked.seed, zlib.crc32(b"injection layout")]
    random = np.random.default_rng(np.random.SeedSequence(words))
    if asked.grid:
        spacing = spacing_of(shape, asked.number, asked.margin)
        x, y = hexagonal(shape, spacing, asked.margin, random)
    else:
        x, y = scattered(shape, asked.number, asked.margin, random)
    ra, dec = wcs(x, y, with_bounding_box=False)
    table = Table({"id": np.arange(1, x.size + 1), "ra": np.mod(ra, 360), "dec": dec})
    columns = draw_columns(x.size, asked.ranges, random)
    flux = 10 ** (-0.4 * columns.pop("magnitude").astype(float))
    for name, values in columns.items():
        table[name] = values
    for band in FILTERS:
        table[band] = flux
    return Scene(table)
