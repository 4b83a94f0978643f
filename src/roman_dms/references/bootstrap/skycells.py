"""The table of sky cells: part of the tessellation of the whole sky.

Projection regions are centred on the poles and on every other ring of HEALPix
pixels of N_side = 26; the rings between bound them in declination.  Each region
is a tangent plane with cells of 5000 pixels of 0.055 arcsec on a pitch of 4800; a
cell exists where its core of 4800 pixels touches the region.  This closed form
gives each cell of the published part of the mission's table (two regions at the
north pole).  Its phase in right ascension on other rings is taken to be the
same, which is not proven.  ``orientat`` differs by up to 0.05 degree from the
published table outside the polar region, as do the sizes of its planes: regions
and cells are right, the extent of a region's plane is that of its cells.

The whole table has about seven million cells and more than a gigabyte; the
baseline has the regions around :data:`POSITIONS` alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.references.bootstrap.frame import Frame

N_SIDE = 26
CELL = 5000
"""Rows and columns of a cell [pixel]."""
BORDER = 100
"""Overlap of a cell with its neighbours, each side [pixel]."""
SCALE = 0.055
"""Scale at the tangent point [arcsec / pixel]."""
POSITIONS = ((0.0, 90.0), (270.0, 66.0), (10.0, 0.0))
"""Positions whose regions the baseline has: north pole, a deep field, the equator [deg]."""

REGION = np.dtype(
    [
        ("index", "<i4"), ("ra_tangent", "<f8"), ("dec_tangent", "<f8"), ("ra_min", "<f8"),
        ("ra_max", "<f8"), ("dec_min", "<f8"), ("dec_max", "<f8"), ("orientat", "<f4"),
        ("x_tangent", "<f8"), ("y_tangent", "<f8"), ("nx", "<i4"), ("ny", "<i4"),
        ("skycell_start", "<i4"), ("skycell_end", "<i4"),
    ]
)  # fmt: skip

CELLS = np.dtype(
    [
        ("name", "<U16"), ("ra_center", "<f8"), ("dec_center", "<f8"), ("orientat", "<f4"),
        ("x_tangent", "<f8"), ("y_tangent", "<f8"),
        *((f"{axis}_corn{corner}", "<f8") for corner in range(1, 5) for axis in ("ra", "dec")),
    ]
)  # fmt: skip

Values = NDArray[Any]


def skycells(_frame: Frame) -> dict[str, Any]:
    """Projection regions around :data:`POSITIONS`, and their cells."""
    regions, cells, count = np.zeros(len(POSITIONS), REGION), [], 0
    for region, (ra, dec) in zip(regions, POSITIONS, strict=True):
        _locate(region, ra, dec)
        found = cells_of(region)
        region["skycell_start"], region["skycell_end"] = count, count + len(found)
        count += len(found)
        cells.append(found)
    meta = {
        "pedigree": "GROUND",
        "nxy_skycell": CELL,
        "skycell_border_pixels": BORDER,
        "pixel_scale": SCALE,
    }
    return {"meta": meta, "projection_regions": regions, "skycells": np.concatenate(cells)}


def ring_declination(k: int) -> float:
    """Declination of ring k of HEALPix pixels, 0 and 104 at the poles [deg]."""
    if k > 2 * N_SIDE:
        return -ring_declination(4 * N_SIDE - k)
    polar = k <= N_SIDE
    z = 1 - k**2 / (3 * N_SIDE**2) if polar else 4 / 3 - 2 * k / (3 * N_SIDE)
    return float(np.degrees(np.arcsin(z)))


def region_of(ra: float, dec: float) -> NDArray[Any]:
    """The projection region that holds a position: a table of one row, without its extent."""
    region = np.zeros(1, REGION)
    _locate(region[0], ra % 360, dec)
    return region


def _locate(region: Any, ra: float, dec: float) -> None:
    """Fill in the region that a position lies in."""
    ring = min(range(0, 4 * N_SIDE + 1, 2), key=lambda k: abs(ring_declination(k) - dec))
    bounds = [ring_declination(k) for k in (ring - 1, ring + 1) if 0 <= k <= 4 * N_SIDE]
    pole = ring in (0, 4 * N_SIDE)
    number = 1 if pole else 4 * min(ring, N_SIDE, 4 * N_SIDE - ring)
    step = 360 / number
    place = 0 if pole else round(ra / step) % number
    region["index"] = _regions_before(ring) + place
    region["ra_tangent"] = 135.0 if pole else place * step
    region["dec_tangent"] = ring_declination(ring)
    region["ra_min"] = 0.0 if pole else (place * step - step / 2) % 360
    region["ra_max"] = 360.0 if pole else place * step + step / 2
    region["dec_max"] = max(*bounds, 90.0 if ring == 0 else -90.0)
    region["dec_min"] = min(*bounds, -90.0 if ring == 4 * N_SIDE else 90.0)


def _regions_before(ring: int) -> int:
    rings = range(2, ring, 2)
    return (ring > 0) + sum(4 * min(k, N_SIDE, 4 * N_SIDE - k) for k in rings)


def cells_of(region: Any) -> NDArray[Any]:
    """All cells of a region, in the order of the mission's table."""
    pitch = CELL - 2 * BORDER
    reach = np.arange(-49, 50)
    i, j = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
    edge = np.linspace(-pitch / 2, pitch / 2, 25)
    u, v = (axis.ravel() for axis in np.meshgrid(edge, edge))
    ra, dec = _sky(region, u - pitch * i[:, None], v - pitch * j[:, None])
    touching = np.any(_inside(region, ra, dec), axis=1)
    i, j = i[touching], j[touching]
    order = np.lexsort((-i, -j))
    i, j = i[order], j[order]
    _fill_region(region, i, j)
    return _table(region, i, j)


def _sky(region: Any, x: Values, y: Values) -> tuple[Values, Values]:
    """Position of offsets from the tangent point [pixel]; RA grows with x."""
    scale = np.radians(SCALE / 3600)
    xi, eta = x * scale, y * scale
    dec0 = np.radians(region["dec_tangent"])
    below = np.cos(dec0) - eta * np.sin(dec0)
    ra = region["ra_tangent"] + np.degrees(np.arctan2(xi, below))
    dec = np.degrees(np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, below)))
    return ra % 360, dec


def _inside(region: Any, ra: Values, dec: Values) -> NDArray[np.bool_]:
    width = (region["ra_max"] - region["ra_min"]) % 360 or 360.0
    in_ra = (ra - region["ra_min"]) % 360 <= width
    in_dec = (dec >= region["dec_min"]) & (dec <= region["dec_max"])
    return np.asarray(in_ra & in_dec)


def _fill_region(region: Any, i: NDArray[np.int64], j: NDArray[np.int64]) -> None:
    """Size of the plane that holds all cells, and the tangent point in it [pixel]."""
    pitch = CELL - 2 * BORDER
    for axis, steps in (("x", i), ("y", j)):
        region[f"n{axis}"] = pitch * (steps.max() - steps.min()) + CELL
        region[f"{axis}_tangent"] = pitch * steps.max() + (CELL - 1) / 2


def _table(region: Any, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[Any]:
    pitch, half = CELL - 2 * BORDER, CELL / 2
    cells = np.zeros(i.size, CELLS)
    cells["ra_center"], cells["dec_center"] = _sky(region, -pitch * i, -pitch * j)
    cells["x_tangent"], cells["y_tangent"] = (pitch * n + (CELL - 1) / 2 for n in (i, j))
    to_pole = np.tan(np.radians(90 - region["dec_tangent"])) / np.radians(SCALE / 3600)
    cells["orientat"] = np.degrees(np.arctan2(pitch * i, to_pole + pitch * j))
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    for corner, (a, b) in enumerate(signs, start=1):
        ra, dec = _sky(region, a * half - pitch * i, b * half - pitch * j)
        cells[f"ra_corn{corner}"], cells[f"dec_corn{corner}"] = ra, dec
    ra0, dec0 = region["ra_tangent"], region["dec_tangent"]
    stem = f"{round(ra0):03d}{'p' if dec0 >= 0 else 'm'}{round(abs(dec0)):02d}"
    cells["name"] = [f"{stem}x{50 - y:02d}y{50 - x:02d}" for x, y in zip(i, j, strict=True)]
    return cells
