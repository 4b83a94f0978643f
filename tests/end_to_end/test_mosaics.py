"""From dithered L2 images to mosaics: fluxes, skies, hits, seams, and what is wrong with inputs."""

from __future__ import annotations

import dataclasses
import shutil
from contextlib import nullcontext

import numpy as np
import pytest
import roman_datamodels
from astropy.table import Table
from astropy.wcs import WCS

from roman_dms.cli.main import main
from roman_dms.errors import FileError, MetadataError, UsageError
from roman_dms.formats.fits import convert
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.products import read_mosaic, read_rate_image, write_product
from roman_dms.formats.tables import read_table, write_table
from roman_dms.instrument.quality import Pixel
from roman_dms.mosaics.steps.making import Wanted, make_mosaics
from roman_dms.pipeline.runner import Observer
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.recipes import MOSAIC, load
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.pointing import aimed
from roman_dms.simulation.steps.request import ExposureRequest
from roman_dms.sky.tessellation import MISSION, SkyCell, free_field

DITHERS = ((0, 0, 0), (3.17, 1.42, 0.4), (-2.31, 4.88, 1.1), (1.73, -3.59, 44.0))
"""East, north [arcsec] and turn [deg] of the exposures."""

SKIES = np.array([0.0, 0.004, -0.003, 0.007])
"""Added to them [DN / s]."""

FIELD = free_field(270.0, 66.0, 1500)
RADIUS = 3.0
"""Of apertures [arcsec]; the mosaic's PSF is wider, by 0.1 % of the light beyond 1.5 arcsec."""


def watching(_title, _steps):
    return nullcontext(Observer())


def made(files, cells, folder, *settings, skip=(), **wanted):
    """The mosaics of files, read back."""
    recipe = load(MOSAIC).with_settings(settings).skipping(skip)
    done = make_mosaics(Wanted(files, cells, folder, **wanted), recipe, watching)
    return [read_mosaic(one.output) for one in done]


@pytest.fixture(scope="module")
def images(miniature_store, tmp_path_factory):
    """Paths of four dithered images of 49 stars of 17.5 to 19.5 mag, and their truth."""
    folder = tmp_path_factory.mktemp("dithers")
    rng = np.random.default_rng(11)
    east, north = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-0.0075, 0.0075, 7)] * 2))
    east, north = (axis + rng.uniform(-2e-4, 2e-4, axis.size) for axis in (east, north))
    scene = Table(
        {
            "ra": 270 + east / np.cos(np.radians(66)),
            "dec": 66 + north,
            "type": np.full(east.size, "PSF"),
            "n": np.full(east.size, -1.0),
            "half_light_radius": np.zeros(east.size),
            "ba": np.ones(east.size),
            "F158": 10 ** (-0.4 * rng.uniform(17.5, 19.5, east.size)),
        }
    )
    write_table(scene, folder / "scene.ecsv")
    request = ExposureRequest(scene=folder / "scene.ecsv", store=miniature_store, seed=3)
    paths, truths = [], []
    for number, ((dx, dy, turn), sky) in enumerate(zip(DITHERS, SKIES, strict=True), start=1):
        planned = PlannedExposure(
            ra=270 + dx / 3600 / np.cos(np.radians(66)), dec=66 + dy / 3600, position_angle=turn,
            element="F158", ma_table=4, start=61557.0, exposure=number,
        )  # fmt: skip
        image, truth = make_image(request, aimed(planned, "WFI01"), "WFI01", folder)[:2]
        product = read_rate_image(image)
        write_product(dataclasses.replace(product, data=product.data + np.float32(sky)), image)
        paths.append(image)
        truths.append(read_table(truth))
    return paths, truths


@pytest.fixture(scope="module")
def mosaic(images, tmp_path_factory):
    return made(images[0], [FIELD], tmp_path_factory.mktemp("l3"))[0]


def star_sums(image, x, y, radius):
    """Light of stars within a radius, above the mean of a ring of 1.2 to 1.5 radii."""
    inner, outer, within = (aperture_sums(image, x, y, f * radius) for f in (1.2, 1.5, 1.0))
    return within - (outer - inner) / (1.5**2 - 1.2**2)


def aperture_sums(image, x, y, radius):
    """Light within a radius of each place, pixels at the edge by their share."""
    half = int(radius) + 3
    fine = (np.arange(5) - 2) / 5
    sums = np.empty(len(x))
    for number, (column, row) in enumerate(zip(x, y, strict=True)):
        j, i = round(column), round(row)
        dx = np.add.outer(np.arange(j - half, j + half + 1), fine) - column
        dy = np.add.outer(np.arange(i - half, i + half + 1), fine) - row
        inside = np.hypot(dx[None, None], dy[:, :, None, None]) <= radius
        share = inside.mean(axis=(1, 3))
        sums[number] = (image[i - half : i + half + 1, j - half : j + half + 1] * share).sum()
    return sums


def test_stars_keep_their_light_wherever_they_fall(images, mosaic):
    """Of 49 stars in four dithers: in all to 0.1 %, each to 0.3 % and its noise."""
    truth = images[1][0]
    plane = FIELD.plane
    x, y = plane.pixels(np.asarray(truth["ra"]), np.asarray(truth["dec"]))
    found = star_sums(mosaic.data, x, y, RADIUS / plane.scale) * plane.pixel_area
    single = []
    for path, own in zip(*images, strict=True):
        image = read_rate_image(path)
        sums = star_sums(image.data, own["x"], own["y"], RADIUS / 0.11)
        factor = image.meta["photometry.conversion_megajanskys"]
        single.append(sums * factor * image.meta["photometry.pixel_area"])
    expected = np.mean(single, axis=0)
    ratio = found / expected
    assert abs(np.average(ratio, weights=expected) - 1) < 1e-3
    noise = np.sqrt(aperture_sums(mosaic.err**2, x, y, RADIUS / plane.scale))
    noise *= plane.pixel_area * mosaic.extras["roman_dms"]["correlated_noise"]["factor"][-1]
    assert np.std(ratio - 1) < np.hypot(0.003, np.median(noise / expected))


def windowed(image, x, y, sigma):
    """Centroids of stars under a Gaussian window around where they are."""
    half = int(4 * sigma) + 2
    found = []
    for column, row in zip(x, y, strict=True):
        j, i = round(column), round(row)
        stamp = image[i - half : i + half + 1, j - half : j + half + 1]
        at = np.arange(-half, half + 1)
        dx, dy = np.meshgrid(at - (column - j), at - (row - i))
        weight = (stamp - np.median(stamp)) * np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
        found.append([(weight * dx).sum(), (weight * dy).sum()] / weight.sum())
    return np.array(found).T


def test_stars_stay_where_they_are(images, mosaic):
    """Against the mean of the images, whose PSF has no centre of its own: below 0.02 pixel.

    Images are sampled too coarsely for a better one; the shift of warping itself is measured on
    stars of closed form in tests/mosaics/test_warping.py.
    """
    truth = images[1][0]
    x, y = FIELD.plane.pixels(np.asarray(truth["ra"]), np.asarray(truth["dec"]))
    dx, dy = windowed(mosaic.data, x, y, 3.0)
    single = []
    for path, own in zip(*images, strict=True):
        image = read_rate_image(path)
        off_x, off_y = windowed(image.data, own["x"], own["y"], 1.5)
        ra, dec = image.meta["wcs"](own["x"] + off_x, own["y"] + off_y)
        single.append(np.subtract(FIELD.plane.pixels(ra, dec), (x, y)))
    expected = np.mean(single, axis=0)
    difference = np.median((dx, dy) - expected, axis=1)
    assert (np.abs(difference) < 0.02).all()


def test_skies_are_matched_and_their_mean_stays(images, mosaic):
    """Differences to 2e-3 of the sky, and the middle of the mosaic to that of the images."""
    table = mosaic.extras["roman_dms"]["images"]
    factor = read_rate_image(images[0][0]).meta["photometry.conversion_megajanskys"]
    added = SKIES * factor
    offsets = np.asarray(table["subtracted"])
    sky = np.median(mosaic.data[np.isfinite(mosaic.data)])
    assert np.abs((offsets - offsets[0]) - (added - added[0])).max() < 2e-3 * sky
    middles = [float(np.median(read_rate_image(path).data)) * factor for path in images[0]]
    assert abs(np.mean(middles) / sky - 1) < 0.03  # but for the pixels' own areas, 2 %


def test_noise_of_empty_sky_is_as_stated(images, tmp_path):
    """Of 1,300 apertures of 0.44 arcsec on white noise: pull 1.00 +- 0.06 (3 sigma)."""
    rng = np.random.default_rng(21)
    files = []
    for path in images[0]:
        image = read_rate_image(path)
        noise = 0.02 * rng.standard_normal(image.data.shape, np.float32)
        variance = np.full(image.data.shape, 2e-4, np.float32)
        changed = dataclasses.replace(
            image, data=0.18 + noise, var_poisson=variance, var_rnoise=variance,
            err=np.sqrt(2 * variance),
        )  # fmt: skip
        files.append(tmp_path / path.name)
        write_product(changed, files[-1])
    mosaic = made(files, [FIELD], tmp_path / "l3", skip=["outlier_detection"])[0]
    factors = mosaic.extras["roman_dms"]["correlated_noise"]
    row = int(np.argmin(np.abs(np.asarray(factors["radius"]) - 0.44)))
    radius = float(factors["radius"][row]) / FIELD.plane.scale
    y, x = (axis.ravel() for axis in np.mgrid[320:1180:24, 320:1180:24])
    level = aperture_sums(mosaic.data, x, y, radius)
    error = np.sqrt(aperture_sums(mosaic.err**2, x, y, radius)) * factors["factor"][row]
    pull = (level - level.mean()) / error
    assert pull.size > 1200
    assert abs(pull.std() - 1) < 0.06


def test_products_are_the_missions(mosaic, images, tmp_path):
    path = tmp_path / "r00001_p_full_test_f158_coadd.asdf"
    write_product(mosaic, path)
    with roman_datamodels.open(path) as model:
        assert model.validate() is None
        assert model.meta.resample.pointings == 4
        assert len(model.meta.individual_image_meta.exposure) == 4
        assert model.context.max() == 15
    convert(path, tmp_path / "mosaic.fits")
    header = WCS(_header(tmp_path / "mosaic.fits"))
    ra, dec = header.pixel_to_world_values(700.0, 300.0)
    assert np.allclose((ra, dec), FIELD.plane.sky(700.0, 300.0), atol=1e-10)


def _header(path):
    from astropy.io import fits

    with fits.open(path) as opened:
        return opened["SCI"].header


def test_neighbours_agree_in_their_overlap(images, tmp_path):
    """Two cells on one grid, made together and apart from blocks cut differently."""
    left = SkyCell("left", dataclasses.replace(FIELD.plane), (1500, 900))
    right = SkyCell("right", dataclasses.replace(FIELD.plane, x=FIELD.plane.x - 600), (1500, 900))
    one, other = made(images[0], [left, right], tmp_path)
    for name in ("data", "err", "weight", "var_poisson", "var_rnoise"):
        first, second = getattr(one, name)[:, 600:], getattr(other, name)[:, :300]
        assert np.allclose(first, second, rtol=1e-6, atol=0, equal_nan=True), name
    assert np.isfinite(one.data[:, 600:]).mean() > 0.5


def test_hits_are_rejected_and_recorded(images, tmp_path):
    """Of 500 hits of more than 8 sigma on the sky 99 % go; their record leads to the pixels."""
    rng = np.random.default_rng(5)
    folder = tmp_path / "hit"
    folder.mkdir()
    files = [folder / path.name for path in images[0]]
    for source, target in zip(images[0], files, strict=True):
        shutil.copy(source, target)
    image = read_rate_image(files[1])
    data = image.data.copy()
    sky = data < np.median(data) + 3 * image.err
    rows, columns = rng.choice(np.argwhere(sky[300:716, 300:716]), 500, replace=False).T + 300
    data[rows, columns] += (8 + 40 * rng.random(500)).astype(np.float32) * image.err[rows, columns]
    write_product(dataclasses.replace(image, data=data), files[1])
    mosaic = made(files, [FIELD], tmp_path)[0]
    table = mosaic.extras["roman_dms"]["rejected_pixels"]
    number = [one.name for one in files].index(files[1].name)
    found = {
        (int(row), int(column))
        for image, row, column in zip(table["image"], table["row"], table["column"], strict=True)
        if image == number
    }
    hit = set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(hit & found) >= 0.99 * len(hit)
    assert len(found - hit) < 0.02 * len(hit)
    clean = made(images[0], [FIELD], tmp_path / "clean")[0]
    difference = np.abs(mosaic.data - clean.data) / clean.err
    assert np.nanquantile(difference, 0.9999) < 3


def test_a_pixel_scale_of_ones_own(images, tmp_path):
    coarse = made(images[0], [FIELD], tmp_path, pixel_scale=0.11)[0]
    assert coarse.shape == (750, 750)
    fine = made(images[0], [FIELD], tmp_path / "fine", skip=["outlier_detection"])[0]
    inside = np.isfinite(coarse.data)
    light = np.nansum(coarse.data[200:550, 200:550]) * 4
    assert light == pytest.approx(np.nansum(fine.data[400:1100, 400:1100]), rel=2e-3)
    assert inside.mean() > 0.3


def test_what_cannot_be_combined_is_said(images, tmp_path):
    files = [tmp_path / path.name for path in images[0]]
    for source, target in zip(images[0], files, strict=True):
        shutil.copy(source, target)
    elsewhere = free_field(30.0, 10.0, 300)
    with pytest.raises(UsageError, match="lies on"):
        made(files, [elsewhere], tmp_path)
    files[3].write_bytes(files[3].read_bytes()[:200_000])
    with pytest.raises(FileError):
        made(files, [FIELD], tmp_path)
    update_metadata(files[1], {"instrument.optical_element": "F106"})
    with pytest.raises(UsageError, match="F106, F158"):
        made(files[:3], [FIELD], tmp_path)
    update_metadata(files[1], {"photometry.conversion_megajanskys": None})
    with pytest.raises(MetadataError, match="conversion_megajanskys"):
        made(files[1:2], [FIELD], tmp_path)
    assert not list(tmp_path.glob("*coadd*"))


def test_one_bad_file_among_several_is_noted_if_the_recipe_says_so(images, tmp_path):
    files = [tmp_path / path.name for path in images[0]]
    for source, target in zip(images[0], files, strict=True):
        shutil.copy(source, target)
    files[2].write_bytes(files[2].read_bytes()[:300_000])
    named = [*files, files[0], tmp_path / "absent_cal.asdf"]
    mosaic = made(named, [FIELD], tmp_path / "l3", "select_images.missing='note'")[0]
    missing = mosaic.extras["roman_dms"]["missing_images"]
    assert len(missing) == 3
    assert files[2].name in missing[0]
    assert mosaic.meta["resample.pointings"] == 3
    assert any("left out" in line for line in mosaic.meta["cal_logs"])


def test_an_image_without_usable_pixels_adds_nothing(images, tmp_path):
    blind = tmp_path / images[0][1].name
    image = read_rate_image(images[0][1])
    write_product(dataclasses.replace(image, dq=image.dq | np.uint32(Pixel.DO_NOT_USE)), blind)
    mosaic = made([images[0][0], blind], [FIELD], tmp_path)[0]
    assert mosaic.context.max() == 1
    assert np.isfinite(mosaic.data[700:800, 700:800]).all()


def rdms(*arguments):
    """What a command prints, and its exit code."""
    try:
        main([str(one) for one in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_commands_from_images_to_associations_to_mosaics(images, tmp_path, capsys):
    cell = MISSION.at(270.0, 66.0)
    assert rdms("associate", *images[0], "-o", tmp_path / "asn", "--by", "full") == 0
    path = tmp_path / "asn" / f"r00001_p_full_{cell.name}_f158_asn.json"
    assert path.exists()
    assert "4 images" in capsys.readouterr().out
    coarse = ("--pixel-scale", 0.22, "-o", tmp_path / "l3")
    assert rdms("mosaic", "--association", path, *coarse) == 0
    output = tmp_path / "l3" / f"r00001_p_full_{cell.name}_f158_coadd.asdf"
    mosaic = read_mosaic(output)
    assert mosaic.shape == (1250, 1250)
    assert mosaic.meta["association.name"] == output.stem.removesuffix("_coadd")
    assert mosaic.meta["product_type"] == "p_full_coadd"
    assert mosaic.meta["wcsinfo.skycell_name"] == cell.name
    made_at = output.stat().st_mtime_ns
    assert rdms("mosaic", "--association", path, *coarse, "--resume") == 0
    assert "already there" in capsys.readouterr().out
    assert output.stat().st_mtime_ns == made_at


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "No images were named"),
        (["x.asdf", "--cell", "270p65x00y00"], 2, "no sky cell"),
        (["x.asdf", "--cell", "270p65x50y50", "--centre", "1", "2"], 2, "Both"),
        (["absent_cal.asdf", "--centre", "270", "66"], 3, "absent_cal.asdf"),
        (["x.asdf", "--set", "resample.pixfrac=2"], 2, "pixfrac"),
        (["x.asdf", "--skip", "resample"], 2, "resample"),
    ],
)
def test_mistakes_on_the_command_line_are_said(arguments, code, said, capsys):
    assert rdms("mosaic", *arguments) == code
    assert said in capsys.readouterr().err
