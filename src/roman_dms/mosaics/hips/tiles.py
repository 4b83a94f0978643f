"""Where the tiles of a HiPS and their pixels lie.

A tile of order k is a cell of HEALPix (Gorski et al. 2005, ApJ 622, 759) in nested numbering;
its pixels are the cells of order k + 9 in it.  In a FITS tile columns count along HEALPix' axis to
the north-west and rows against the one to the north-east (figure 9 of the standard, and the WCS of
its section on FITS tiles); pictures have the same orientation, their first row at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from astropy.coordinates import Latitude, Longitude
from cdshealpix import nested
from numpy.typing import NDArray

from roman_dms.errors import UsageError

WIDTH = 512
"""Pixels on a side of a tile."""

SHIFT = 9
"""Orders between a tile and its pixels."""

ALLSKY_ORDER = 3
"""Order that one small picture of the whole sky shows; no HiPS ends before it."""

DEEPEST = 20
"""Pixels of 20 orders of tiles are the last that HEALPix counts in 64 bits."""

STEP = 16
"""Pixels of a tile between exact positions."""

TOLERANCE = 0.005
"""Of a position between them [pixel of the image]."""

Values = NDArray[np.float64]
Pixels = NDArray[np.int64]
Projection = Callable[[Values, Values], tuple[Values, Values]]
"""From right ascension and declination [deg] to column and row of an image."""


def pixel_scale(order: int) -> float:
    """Side of the square that has the area of a tile's pixel [arcsec].

    >>> round(pixel_scale(13), 5)
    0.05032
    """
    return float(3600 * np.rad2deg(np.sqrt(np.pi / 3) / 2 ** (order + SHIFT)))


def order_for(scale: float) -> int:
    """First order whose pixels are no coarser than ``scale`` [arcsec].

    >>> order_for(0.055), order_for(0.11)
    (13, 12)
    """
    order = int(np.ceil(np.log2(pixel_scale(0) / scale) - 1e-9))
    return min(max(order, ALLSKY_ORDER), DEEPEST)


def check_order(order: int) -> None:
    """Refuse an order that no HiPS can have.

    Raises
    ------
    UsageError
        Outside of 3 to 20.
    """
    if not ALLSKY_ORDER <= order <= DEEPEST:
        raise UsageError(
            f"The order {order} is out of range.",
            f"{ALLSKY_ORDER} (pixels of {pixel_scale(ALLSKY_ORDER):.0f} arcsec) to {DEEPEST}",
            "13 has pixels of 0.050 arcsec, and each order less twice as large ones",
        )


def tiles_within(order: int, ra: Values, dec: Values) -> NDArray[np.int64]:
    """Numbers of the tiles that touch a polygon of great circles [deg], in order."""
    found, _, _ = nested.polygon_search(
        Longitude(ra, "deg"), Latitude(dec, "deg"), depth=order, flat=True
    )
    return np.sort(found.astype(np.int64))


def positions(order: int, tile: int, rows: Pixels, columns: Pixels) -> tuple[Values, Values]:
    """Right ascension and declination of the centres of pixels of a FITS tile [deg]."""
    numbers = (np.int64(tile) << 2 * SHIFT) + numbers_within()[rows, columns]
    ra, dec = nested.healpix_to_lonlat(numbers.ravel(), order + SHIFT, num_threads=1)
    return ra.deg.reshape(numbers.shape), dec.deg.reshape(numbers.shape)


@cache
def numbers_within() -> NDArray[np.int64]:
    """(512, 512): number of a pixel of a FITS tile among those of its tile."""
    spread = np.zeros(WIDTH, np.int64)
    for bit in range(SHIFT):
        spread |= (np.arange(WIDTH) >> bit & 1) << 2 * bit
    return spread[::-1, np.newaxis] + 2 * spread


@dataclass(frozen=True)
class Places:
    """Where the pixels of a tile lie in an image, known at every ``step``-th of them."""

    x: Values
    """Columns of the nodes [pixel of the image]."""

    y: Values
    """Rows of them."""

    step: int
    """Pixels from node to node; the last node is the last pixel."""


def places(order: int, tile: int, project: Projection) -> Places:
    """Where the pixels of a tile lie in an image.

    Between nodes positions are linear to ``TOLERANCE``, as is tried in the middle of each
    interval; where they are not (a large tile, the poles, the parallels where HEALPix changes its
    projection) all pixels are nodes.
    """
    nodes = _nodes(STEP)
    x, y = project(*positions(order, tile, *np.meshgrid(nodes, nodes, indexing="ij")))
    middle = (nodes[:-1] + nodes[1:]) // 2
    exact = project(*positions(order, tile, *np.meshgrid(middle, middle, indexing="ij")))
    share = ((middle - nodes[:-1]) / np.diff(nodes))[:, np.newaxis]
    error = max(
        np.abs(_between(values, share) - true).max()
        for values, true in zip((x, y), exact, strict=True)
    )
    if error <= TOLERANCE:
        return Places(x, y, STEP)
    nodes = _nodes(1)
    x, y = project(*positions(order, tile, *np.meshgrid(nodes, nodes, indexing="ij")))
    return Places(x, y, 1)


def tile_wcs(order: int, tile: int) -> dict[str, str | float]:
    """Keywords of a FITS tile: the HEALPix projection, turned by 45 degrees.

    Calabretta & Roukema (2007, MNRAS 381, 865).  The plane of the projection has the twelve cells
    of order 0 as diamonds of 90 degrees, in three rows.
    """
    base, within = divmod(tile, 1 << 2 * order)
    across, up = (_bits(within >> bit, order) for bit in (0, 1))
    ring, number = divmod(base, 4)
    east, north = (across + 0.5) / 2**order, (up + 0.5) / 2**order
    x = 90.0 * number + (0 if ring == 1 else 45) + 45 * (east - north)
    y = 45.0 * (1 - ring) + 45 * (east + north - 1)
    x -= 360.0 if x > 180 else 0.0
    step = 45 / WIDTH / 2**order
    middle = (WIDTH + 1) / 2
    return {
        "CTYPE1": "RA---HPX", "CTYPE2": "DEC--HPX", "CRVAL1": 0.0, "CRVAL2": 0.0,
        "CUNIT1": "deg", "CUNIT2": "deg", "RADESYS": "ICRS",
        "CRPIX1": middle - (y - x) / (2 * step), "CRPIX2": middle + (x + y) / (2 * step),
        "CD1_1": -step, "CD1_2": -step, "CD2_1": step, "CD2_2": -step,
        "PV2_1": 4.0, "PV2_2": 3.0,
    }  # fmt: skip


def _bits(number: int, count: int) -> int:
    """Every second bit of a number."""
    return sum((number >> 2 * bit & 1) << bit for bit in range(count))


def _nodes(step: int) -> Pixels:
    return np.union1d(np.arange(0, WIDTH, step), WIDTH - 1)


def _between(values: Values, share: Values) -> Values:
    rows = values[:-1] * (1 - share) + values[1:] * share
    return rows[:, :-1] * (1 - share.T) + rows[:, 1:] * share.T


def parents(tiles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tiles of the order before that hold these, each once."""
    return np.unique(tiles >> 2)


def quadrant(tile: int) -> tuple[slice, slice]:
    """Rows and columns that a tile fills in a FITS tile of its parent."""
    half = WIDTH // 2
    row, column = half * (1 - (tile & 1)), half * (tile >> 1 & 1)
    return slice(row, row + half), slice(column, column + half)
