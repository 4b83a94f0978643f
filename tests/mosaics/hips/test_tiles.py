"""Where pixels of tiles lie, against the projection of FITS and astropy's HEALPix."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from astropy_healpix import HEALPix
from scipy.interpolate import RegularGridInterpolator

from roman_dms.errors import UsageError
from roman_dms.mosaics.hips import tiles
from roman_dms.mosaics.hips.tiles import WIDTH
from roman_dms.sky.tangent import TangentPlane


def header(order, tile):
    """A header with the keywords of a tile."""
    return fits.Header({"NAXIS": 2, "NAXIS1": WIDTH, "NAXIS2": WIDTH} | tiles.tile_wcs(order, tile))


@pytest.mark.parametrize("tile", [0, 200, 270, 333, 500, 767])
def test_pixels_lie_where_the_projection_of_fits_puts_them(tile):
    rows, columns = np.array([[0, 0, 511, 300], [0, 511, 0, 100]])
    ra, dec = tiles.positions(3, tile, rows, columns)
    other_ra, other_dec = WCS(header(3, tile)).all_pix2world(columns, rows, 0)
    offset = np.hypot(
        ((ra - other_ra + 180) % 360 - 180) * np.cos(np.deg2rad(dec)), dec - other_dec
    )
    assert offset.max() * 3600 < 1e-3 * tiles.pixel_scale(3)


def test_the_example_of_the_standard():
    """HiPS, section on WCS of FITS tiles: order 0, tile 7."""
    wcs = tiles.tile_wcs(0, 7)
    assert [wcs["CRPIX1"], wcs["CRPIX2"]] == [-255.5, -255.5]
    step = 8.7890625e-2
    assert [wcs[f"CD{i}_{j}"] for i in (1, 2) for j in (1, 2)] == [-step, -step, step, -step]


def test_pixels_are_the_cells_of_healpix():
    tile, order = 1234567, 10
    ra, dec = tiles.positions(order, tile, *np.indices((WIDTH, WIDTH)))
    sky = HEALPix(2 ** (order + 9), order="nested")
    cells = sky.lonlat_to_healpix(ra * units.deg, dec * units.deg)
    assert np.unique(cells).size == WIDTH**2
    assert (cells >> 18 == tile).all()


@pytest.mark.parametrize(
    ("ra", "dec", "order", "step"),
    [(270.0, 66.0, 13, 16), (10.0, 0.3, 13, 16), (45.0, 41.8103149, 13, 1), (30.0, 90.0, 12, 1)],
)
def test_places_between_nodes_are_right(ra, dec, order, step):
    """Also where HEALPix has a kink or a pole: there all pixels are nodes."""
    plane = TangentPlane(ra, min(dec, 89.9), 1000.0, 1000.0, 0.055)
    (tile,) = np.unique(tiles.tiles_within(order, *small_square(ra, dec)))[:1]
    where = tiles.places(order, int(tile), plane.pixels)
    if step == 16:
        assert where.step == 16
    rows, columns = np.array([[5, 250, 300, 509], [3, 117, 505, 250]])
    exact = plane.pixels(*tiles.positions(order, int(tile), rows, columns))
    nodes = np.union1d(np.arange(0, WIDTH, where.step), WIDTH - 1)
    for values, true in zip((where.x, where.y), exact, strict=True):
        found = RegularGridInterpolator((nodes, nodes), values)(np.stack([rows, columns], -1))
        assert np.abs(found - true).max() < tiles.TOLERANCE


def small_square(ra, dec, size=1e-5):
    dec = min(dec, 90 - 2 * size)
    return ra + size * np.array([-1, 1, 1, -1.0]), dec + size * np.array([-1, -1, 1, 1.0])


def test_quadrants_are_those_of_the_sky():
    """The middle of a child's pixels lies in its quadrant of the parent."""
    parent, order = 300, 3
    wcs = WCS(header(order, parent))
    for child in range(4 * parent, 4 * parent + 4):
        ra, dec = tiles.positions(order + 1, child, np.array([255]), np.array([255]))
        column, row = wcs.all_world2pix(ra, dec, 0)
        rows, columns = tiles.quadrant(child)
        assert rows.start < row[0] < rows.stop
        assert columns.start < column[0] < columns.stop


def test_orders():
    assert tiles.order_for(0.055) == 13
    assert tiles.order_for(1e9) == 3
    assert tiles.pixel_scale(3) == pytest.approx(51.53, abs=0.01)  # the standard's table
    for order in (2, 21):
        with pytest.raises(UsageError, match="out of range"):
            tiles.check_order(order)
