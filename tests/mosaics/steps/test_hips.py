"""A HiPS of small mosaics of a sky in closed form."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS
from astropy_healpix import HEALPix
from click.testing import CliRunner
from mocpy import MOC
from PIL import Image

from roman_dms.cli.hips import command
from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.products import write_product
from roman_dms.mosaics.hips import tiles
from roman_dms.mosaics.steps.hips import Colours, Request, make_colour_hips, make_hips
from roman_dms.mosaics.steps.hips.files import Folder
from roman_dms.mosaics.steps.hips.page import page_of
from roman_dms.products.mosaic import Mosaic
from roman_dms.simulation.steps.mosaic_metadata import mosaic_metadata
from roman_dms.sky.tessellation import MISSION, SkyCell

ORDER = 13
SIZE = 300
CELL = MISSION.named("270p65x50y50")
STAR = CELL.plane.sky(2500.3, 2600.8)
QUICK = Request(workers=2)


def sky(ra, dec):
    """A slope and a star [MJy/sr]; positions in degrees."""
    east = (np.asarray(ra) - STAR[0]) * np.cos(np.deg2rad(STAR[1])) * 3600
    north = (np.asarray(dec) - STAR[1]) * 3600
    return 1 + 0.01 * east - 0.02 * north + 20 * np.exp(-(east**2 + north**2) / (2 * 0.11**2))


def mosaic(folder, name, column, row, *, element="F158", weight=1.0, level=0.0):
    """A mosaic whose first pixel is one of the sky cell's."""
    plane = dataclasses.replace(CELL.plane, x=CELL.plane.x - column, y=CELL.plane.y - row)
    cell = SkyCell(None, plane, (SIZE, SIZE))
    y, x = np.indices((SIZE, SIZE))
    data = (sky(*plane.sky(x, y)) + level).astype(np.float32)
    one = np.ones_like(data)
    meta = mosaic_metadata(cell, element, data, start=61557.0, exposure_time=100.0, exposures=1)
    product = Mosaic(
        meta=meta, data=data, err=one, context=np.ones((1, SIZE, SIZE), np.uint32),
        weight=weight * one, var_poisson=one, var_rnoise=one,
    )  # fmt: skip
    write_product(product, folder / name)
    return folder / name


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two mosaics that overlap by 100 columns."""
    folder = tmp_path_factory.mktemp("l3")
    return mosaic(folder, "a.asdf", 2350, 2450), mosaic(folder, "b.asdf", 2550, 2450, weight=3.0)


@pytest.fixture(scope="module")
def survey(two, tmp_path_factory):
    path = tmp_path_factory.mktemp("hips") / "both"
    return path, make_hips(two, path, QUICK)


def all_tiles(path, order=ORDER):
    """Number, image and WCS of the FITS tiles of an order, as astropy reads them."""
    for file in sorted((path / f"Norder{order}").glob("Dir*/Npix*.fits")):
        with fits.open(file) as hdus:
            yield int(file.stem[4:]), hdus[0].data.astype(float), WCS(hdus[0].header)


def test_the_sky_is_where_it_should_be(survey):
    """Read by astropy and its HEALPix projection alone."""
    light, moment, worst = 0.0, np.zeros(2), 0.0
    for _, image, wcs in all_tiles(survey[0]):
        y, x = np.nonzero(np.isfinite(image))
        ra, dec = wcs.all_pix2world(x, y, 0)
        values = image[y, x]
        worst = max(worst, np.abs(values - sky(ra, dec)).max())
        star = values - (sky(ra, dec) - sky_star(ra, dec))
        near = offsets(ra, dec)
        inside = np.hypot(*near) < 1.0
        light += star[inside].sum()
        moment += (star * near)[:, inside].sum(axis=1)
    assert worst < 0.01 * 20
    scale = tiles.pixel_scale(ORDER)
    assert np.abs(moment / light / scale).max() < 0.01  # pixels of the tile
    assert light * scale**2 == pytest.approx(20 * 2 * np.pi * 0.11**2, rel=1e-3)


def offsets(ra, dec):
    return 3600 * np.stack([(ra - STAR[0]) * np.cos(np.deg2rad(STAR[1])), dec - STAR[1]])


def sky_star(ra, dec):
    east, north = offsets(ra, dec)
    return 20 * np.exp(-(east**2 + north**2) / (2 * 0.11**2))


def test_lower_orders_keep_the_mean(survey):
    """Weighted by coverage the mean is that of the deepest order, down to order 0."""
    deepest = np.concatenate([image[np.isfinite(image)] for _, image, _ in all_tiles(survey[0])])
    for order in (12, 7, 0):
        total = area = 0.0
        for tile, image, _ in all_tiles(survey[0], order):
            part = Folder(survey[0]).coverage(order, tile)
            share = fits.getdata(part).astype(float) if part.exists() else np.isfinite(image)
            total += np.nansum(image * share)
            area += share.sum()
        assert total / area == pytest.approx(deepest.mean(), rel=1e-5)
        assert area * 4.0 ** (ORDER - order) == pytest.approx(deepest.size, rel=1e-5)


def test_the_page_shows_the_mosaics(survey):
    """Its view is parsed as a browser would; texts of users are not taken for markup."""
    path, properties = survey
    text = (path / "index.html").read_text()
    view = json.loads(re.search(r"Object\.assign\((\{.*?\}),", text).group(1))
    place = [properties["hips_initial_ra"], properties["hips_initial_dec"]]
    assert view["target"].split() == place
    assert view["fov"] == pytest.approx(float(properties["hips_initial_fov"]))
    hostile = page_of({**properties, "obs_title": "<script>alert(1)</script>$fov"})
    assert "<script>alert" not in hostile
    assert "$fov" in hostile


def test_what_a_viewer_needs(survey):
    path, properties = survey
    lines = (path / "properties").read_text().splitlines()
    read = dict(map(str.strip, line.split("=", 1)) for line in lines)
    assert read == properties
    needed = {
        "creator_did",
        "obs_title",
        "dataproduct_type",
        "hips_version",
        "hips_release_date",
        "hips_status",
        "hips_tile_format",
        "hips_order",
        "hips_frame",
        "hips_tile_width",
    }
    assert needed <= set(read)
    assert (read["hips_order"], read["hips_frame"]) == ("13", "equatorial")
    assert read["hips_tile_format"] == "png fits"
    assert (float(read["em_min"]), float(read["em_max"])) == (1.38e-6, 1.774e-6)
    moc = MOC.from_fits(path / "Moc.fits")
    assert moc.sky_fraction == pytest.approx(float(read["moc_sky_fraction"]), rel=1e-3)
    with fits.open(path / "Moc.fits") as file:  # as a reader of MOC 1.0 does
        assert (file[1].header["ORDERING"], file[1].header["MOCORDER"]) == ("NUNIQ", 13)
        covered = file[1].data["UNIQ"]
    shift = 13 - (np.log2(covered / 4) // 2).astype(int)
    cells = covered - 4 * 4 ** (13 - shift)
    every = [np.arange(c << 2 * s, c + 1 << 2 * s) for c, s in zip(cells, shift, strict=True)]
    assert set(np.concatenate(every)) == set(Folder(path).tiles(13))
    allsky = fits.getdata(path / "Norder3" / "Allsky.fits")
    assert allsky.shape == (29 * 64, 27 * 64)
    rows, columns = np.argwhere(np.isfinite(allsky)).T // 64
    assert set((28 - rows) * 27 + columns) == set(Folder(path).tiles(3))


def test_a_pixel_is_the_cell_that_healpix_counts(survey):
    """Read without a WCS, as viewers do: the cell of a position, by another implementation.

    The bits of its number, every second one, count to the north-east and to the north-west, which
    are down the rows and along the columns of a FITS tile, and up and along those of a picture.
    """
    path, sphere = survey[0], HEALPix(2 ** (ORDER + 9), order="nested")
    east, north = np.random.default_rng(2).uniform(-1.5, 1.5, (2, 40)) / 3600
    ra, dec = STAR[0] + east / np.cos(np.deg2rad(STAR[1])), STAR[1] + north
    numbers = sphere.lonlat_to_healpix(ra * units.deg, dec * units.deg)
    centres = sphere.healpix_to_lonlat(numbers)
    truth = sky(centres[0].deg, centres[1].deg)
    for number, expected in zip(numbers.tolist(), truth, strict=True):
        file = path / f"Norder{ORDER}" / f"Dir{number // 4**9 // 10000 * 10000}"
        file /= f"Npix{number // 4**9}.fits"
        to_east, to_west = (
            sum((number >> 2 * bit + side & 1) << bit for bit in range(9)) for side in (0, 1)
        )
        assert fits.getdata(file)[511 - to_east, to_west] == pytest.approx(expected, abs=0.2)
        picture = np.asarray(Image.open(file.with_suffix(".png")))
        assert picture[to_east, to_west, 1] == 255
    brightest = sphere.lonlat_to_healpix(STAR[0] * units.deg, STAR[1] * units.deg)
    assert int(brightest) // 4**9 in Folder(path).tiles(ORDER)


def test_pictures_are_the_tiles_upside_down(survey):
    path, _ = survey
    brightest = max(all_tiles(path), key=lambda each: np.nanmax(each[1]))
    number, image, _ = brightest
    picture = np.asarray(Image.open(Folder(path).tile(ORDER, number, "png")))
    assert picture.shape == (512, 512, 2)
    np.testing.assert_array_equal(picture[::-1, :, 1] == 255, np.isfinite(image))
    peak = np.unravel_index(np.nanargmax(image), image.shape)
    assert picture[511 - peak[0], peak[1], 0] == picture[..., 0].max()


def contents(path):
    names = [*path.glob("Norder*/Dir*/*"), *path.glob("coverage/Norder*/Dir*/*")]
    return {str(name.relative_to(path)): name.read_bytes() for name in names if name.is_file()}


def test_adding_gives_what_making_at_once_gives(two, survey, tmp_path):
    """And touches nothing that the new mosaic does not."""
    make_hips(two[:1], tmp_path / "h", Request(pictures=(), workers=1))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "h").rglob("Npix*.fits")}
    make_hips(two[1:], tmp_path / "h", Request(add=True, pictures=(), workers=2))
    both = {name: data for name, data in contents(survey[0]).items() if name.endswith(".fits")}
    assert contents(tmp_path / "h") == both
    kept = [path for path, time in before.items() if path.stat().st_mtime_ns == time]
    assert any("Norder13" in str(path) for path in kept)


def test_a_killed_run_goes_on(two, survey, tmp_path):
    path = tmp_path / "h"

    class Killed(BaseException):
        pass

    def watch(what, done, _of):
        if what == "lower orders" and done == 5:
            raise Killed

    with pytest.raises(Killed):
        make_hips(two, path, QUICK, watch)
    assert not (path / "properties").exists()
    deepest = {file: file.stat().st_mtime_ns for file in (path / "Norder13").rglob("*.fits")}
    make_hips(two, path, QUICK)
    assert all(file.stat().st_mtime_ns == time for file, time in deepest.items())
    assert contents(path) == contents(survey[0])


def test_mosaics_are_averaged_by_weight_without_a_step(tmp_path):
    """Two levels, weights 1 and 3: 3/4 in the middle, and no jump where either ends."""
    a = mosaic(tmp_path, "a.asdf", 100, 100)
    b = mosaic(tmp_path, "b.asdf", 100, 300, weight=3.0, level=1.0)
    wide = mosaic(tmp_path, "c.asdf", 100, 100, weight=3.0, level=1.0)
    make_hips([a, wide], tmp_path / "same", Request(pictures=()))
    for _, image, wcs in all_tiles(tmp_path / "same"):
        y, x = np.nonzero(np.isfinite(image))
        assert np.abs(image[y, x] - sky(*wcs.all_pix2world(x, y, 0)) - 0.75).max() < 1e-3
    make_hips([a, b], tmp_path / "step", Request(pictures=()))
    plane = dataclasses.replace(CELL.plane, x=CELL.plane.x - 100, y=CELL.plane.y - 100)
    rows, height = [], []
    for _, image, wcs in all_tiles(tmp_path / "step"):
        y, x = np.nonzero(np.isfinite(image))
        ra, dec = wcs.all_pix2world(x, y, 0)
        column, row = plane.pixels(ra, dec)
        inside = (column > 100) & (column < 200)
        rows.append(row[inside])
        height.append((image[y, x] - sky(ra, dec))[inside])
    row, level = np.concatenate(rows), np.concatenate(height)
    one, other = (np.clip(d / 64, 0, 1) for d in (299.5 - row, row - 199.5))
    expected = 3 * other / np.maximum(one + 3 * other, 1e-9)
    assert np.abs(level - expected)[(row > 70) & (row < 430)].max() < 0.03


def test_a_coarse_order_shows_averages(two, tmp_path):
    make_hips(two[:1], tmp_path / "h", Request(order=10, pictures=("jpg",)))
    for _, image, wcs in all_tiles(tmp_path / "h", 10):
        y, x = np.nonzero(np.isfinite(image))
        ra, dec = wcs.all_pix2world(x, y, 0)
        away = np.hypot(*offsets(ra, dec)) > 1.5
        assert np.abs(image[y, x] - sky(ra, dec))[away].max() < 0.01
    (picture, *_) = (tmp_path / "h" / "Norder10").rglob("*.jpg")
    assert Image.open(picture).mode == "L"


def test_colours(two, tmp_path):
    bands = [
        [mosaic(tmp_path, f"{name}.asdf", 2350, 2450, element=name)]
        for name in ("F184", "F158", "F106")
    ]
    properties = make_colour_hips(Colours(*bands), tmp_path / "c", Request(order=12))
    assert properties["dataproduct_subtype"] == "color"
    assert (float(properties["em_min"]), float(properties["em_max"])) == (0.927e-6, 2e-6)
    pictures = sorted((tmp_path / "c" / "Norder12").rglob("*.png"))
    shown = np.concatenate([np.asarray(Image.open(p)).reshape(-1, 4) for p in pictures])
    opaque = shown[:, 3] == 255
    assert 0 < opaque.sum() < opaque.size
    assert np.ptp(shown[opaque, :3].astype(int), axis=1).max() <= 1  # all bands alike: grey


def test_what_is_refused(two, survey, tmp_path):
    other = mosaic(tmp_path, "f106.asdf", 2350, 2450, element="F106")
    with pytest.raises(UsageError, match="2 filters"):
        make_hips([two[0], other], tmp_path / "h", QUICK)
    with pytest.raises(UsageError, match="No mosaics"):
        make_hips([], tmp_path / "h", QUICK)
    with pytest.raises(UsageError, match="out of range"):
        make_hips(two, tmp_path / "h", Request(order=2))
    assert not (tmp_path / "h").exists()
    with pytest.raises(UsageError, match="not empty"):
        make_hips(two, tmp_path, QUICK)
    with pytest.raises(UsageError, match="--add"):
        make_hips(two, survey[0], QUICK)
    with pytest.raises(UsageError, match="no HiPS to add to"):
        make_hips(two, tmp_path / "h", Request(add=True))
    with pytest.raises(UsageError, match="order 13, not 12"):
        make_hips(two, survey[0], Request(add=True, order=12))
    broken = tmp_path / "broken.asdf"
    broken.write_bytes(two[0].read_bytes()[:200_000])
    with pytest.raises((FileError, FormatError)):
        make_hips([two[0], broken], tmp_path / "h", QUICK)


def test_neighbours_have_to_stay(two, tmp_path):
    """A tile is made of all its mosaics again; one that is gone is an error that names it."""
    moved = tmp_path / "a.asdf"
    moved.write_bytes(two[0].read_bytes())
    make_hips([moved], tmp_path / "h", Request(pictures=()))
    moved.unlink()
    with pytest.raises(FileError, match="shares tiles"):
        make_hips([two[1]], tmp_path / "h", Request(add=True, pictures=()))
    make_hips(two, tmp_path / "h", Request(add=True, pictures=()))
    records = json.loads((tmp_path / "h" / "sources.json").read_text())
    assert [record["path"] for record in records] == [str(path.resolve()) for path in two]


def test_the_command(two, tmp_path):
    arguments = [*map(str, two), "-o", str(tmp_path / "h"), "--order", "9", "--format", "none"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "order 9" in result.output
    assert not list((tmp_path / "h").rglob("Npix*.png"))
    colours = ["-o", str(tmp_path / "c"), "--order", "9", "--any"]
    for name in ("red", "green", "blue"):
        colours += [f"--{name}", str(two[0].parent / "?.asdf")]
    result = CliRunner().invoke(command, colours, catch_exceptions=False)
    assert list((tmp_path / "c" / "Norder9").rglob("Npix*.png"))
    with pytest.raises(FileError, match="No file matches"):
        CliRunner().invoke(command, [*colours, "--red", "no*"], catch_exceptions=False)
