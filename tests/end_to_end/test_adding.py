"""Exposures added to a mosaic that is there, against the mosaic of all at once."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import roman_datamodels
from astropy.table import Table

from roman_dms.cli.mosaic import command
from roman_dms.errors import FileError, MetadataError, UsageError
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.products import read_mosaic, read_rate_image, write_product
from roman_dms.formats.tables import write_table
from roman_dms.mosaics.combining import Combination, added
from roman_dms.mosaics.steps import adding
from roman_dms.mosaics.steps.adding import Addition, add_images
from roman_dms.mosaics.steps.existing import held
from roman_dms.mosaics.steps.making import Wanted, make_mosaics
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.recipes import MOSAIC, load
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.pointing import aimed
from roman_dms.simulation.steps.request import ExposureRequest
from roman_dms.sky.tessellation import free_field
from tests.end_to_end.test_mosaics import watching

FIELD = free_field(270.0, 66.0, 1100)
SKY = 0.006
"""Added to the last image [DN / s]."""


@pytest.fixture(scope="module")
def images(miniature_store, tmp_path_factory):
    """Five dithered images of 49 stars, one of them turned."""
    folder = tmp_path_factory.mktemp("five")
    rng = np.random.default_rng(31)
    east, north = rng.uniform(-0.009, 0.009, (2, 49))
    scene = Table(
        {
            "ra": 270 + east / np.cos(np.radians(66)),
            "dec": 66 + north,
            "type": np.full(49, "PSF"),
            "n": np.full(49, -1.0),
            "half_light_radius": np.zeros(49),
            "ba": np.ones(49),
            "F158": 10 ** (-0.4 * rng.uniform(18, 22, 49)),
        }
    )
    write_table(scene, folder / "scene.ecsv")
    request = ExposureRequest(scene=folder / "scene.ecsv", store=miniature_store, seed=5)
    paths = []
    for number in range(5):
        dx, dy = rng.uniform(-4, 4, 2)
        planned = PlannedExposure(
            ra=270 + dx / 3600 / np.cos(np.radians(66)), dec=66 + dy / 3600,
            position_angle=33.0 * (number == 2), element="F158", ma_table=4,
            start=61557.0 + 0.01 * number, exposure=number + 1,
        )  # fmt: skip
        paths.append(make_image(request, aimed(planned, "WFI01"), "WFI01", folder)[0])
    image = read_rate_image(paths[4])
    write_product(dataclasses.replace(image, data=image.data + np.float32(SKY)), paths[4])
    return paths


def made(files, folder, skip=("skymatch", "outlier_detection"), settings=()):
    recipe = load(MOSAIC).with_settings(settings).skipping(skip)
    return next(iter(make_mosaics(Wanted(files, [FIELD], folder), recipe, watching))).output


def with_more(files, mosaic, folder=None, **settings):
    return add_images(Addition(files, mosaic, folder, **settings), watching).output


@pytest.fixture(scope="module")
def four(images, tmp_path_factory):
    """A mosaic of four, plainly summed."""
    return made(images[:4], tmp_path_factory.mktemp("four"))


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    """A mosaic of four by the whole recipe."""
    return made(images[:4], tmp_path_factory.mktemp("whole"), skip=())


def assert_same(one, other):
    """Equal to the rounding of single precision: data 1e-6, variances 1e-5 and the context."""
    assert np.array_equal(one.context, other.context)
    for name, limit in (("data", 1e-6), ("weight", 1e-6), ("var_poisson", 1e-5),
                        ("var_rnoise", 1e-5), ("err", 1e-5)):  # fmt: skip
        first, second = getattr(one, name), getattr(other, name)
        assert np.allclose(first, second, rtol=limit, atol=0, equal_nan=True), name
    times = [np.asarray(of.extras["roman_dms"]["exposure_time"]) for of in (one, other)]
    assert np.allclose(*times, rtol=1e-6)


def test_as_if_all_had_been_there(images, four, tmp_path):
    """One added to four, and two added to three one after the other: the mosaic of five."""
    redone = read_mosaic(made(images, tmp_path / "redone"))
    once = with_more(images[4:], four, tmp_path / "once")
    assert_same(read_mosaic(once), redone)
    three = made(images[:3], tmp_path / "three")
    with_more(images[3:4], three)
    with_more(images[4:], three)
    twice = read_mosaic(three)
    assert_same(twice, redone)
    with roman_datamodels.open(once) as model:
        assert model.validate() is None
    meta, truth = read_mosaic(once).meta, redone.meta
    assert meta["resample.members"] == truth["resample.members"]
    for key in ("time_first", "time_last", "time_mean"):
        difference = meta[f"coadd_info.{key}"] - truth[f"coadd_info.{key}"]
        assert abs(difference.to_value("s")) < 1e-3
    assert meta["coadd_info.exposure_time"] == pytest.approx(truth["coadd_info.exposure_time"])
    for name, table in truth["individual_image_meta"].items():
        found = meta[f"individual_image_meta.{name}"]
        assert [list(row) for row in Table(found)] == [list(row) for row in Table(table)], name
    own, expected = twice.extras["roman_dms"], redone.extras["roman_dms"]
    assert np.allclose(own["images"]["place"], expected["images"]["place"])
    noise = own["correlated_noise"]["factor"] / expected["correlated_noise"]["factor"]
    assert np.abs(noise - 1).max() < 0.01


def test_the_new_sky_is_that_of_the_mosaic(images, whole, tmp_path):
    """To 2e-3 of the sky (3 sigma), though it is brighter by 3 per cent; and no seam appears."""
    mosaic = read_mosaic(with_more(images[4:], whole, tmp_path))
    factor = read_rate_image(images[4]).meta["photometry.conversion_megajanskys"]
    sky = np.nanmedian(mosaic.data)
    offset = mosaic.extras["roman_dms"]["images"]["subtracted"][4]
    assert abs(offset - SKY * factor) < 2e-3 * sky
    before = read_mosaic(whole)
    touched = (mosaic.context[0] >> 4 & 1).astype(bool) & np.isfinite(before.data)
    assert abs(np.mean((mosaic.data - before.data)[touched])) < 4e-4 * sky


def test_hits_of_the_new_image_are_rejected(images, whole, tmp_path):
    """Of 300 hits of more than 8 sigma 99 %, and hardly anything else."""
    rng = np.random.default_rng(6)
    image = read_rate_image(images[4])
    data, hit = image.data.copy(), tmp_path / images[4].name
    dark = data < np.median(data) + 3 * image.err
    dark[:320], dark[700:], dark[:, :320], dark[:, 700:] = (False,) * 4
    places = rng.choice(np.argwhere(dark), 300, replace=False)
    at = tuple(places.T)
    data[at] += (8 + 40 * rng.random(300)).astype(np.float32) * image.err[at]
    write_product(dataclasses.replace(image, data=data), hit)
    mosaic = read_mosaic(with_more([hit], whole, tmp_path / "l3"))
    clean = read_mosaic(with_more(images[4:], whole, tmp_path / "clean"))
    record = mosaic.extras["roman_dms"]["rejected_pixels"]
    new = record["image"] == 4
    found = set(zip(record["row"][new].tolist(), record["column"][new].tolist(), strict=True))
    truth = set(map(tuple, places.tolist()))
    assert len(found & truth) >= 0.99 * len(truth)
    assert len(found - truth) < 0.02 * len(truth)
    assert np.nanquantile(np.abs(mosaic.data - clean.data) / clean.err, 0.9999) < 3


def test_the_thirty_third_exposure_opens_a_plane():
    """`added` on a part of a mosaic of 32, as the steps call it."""
    canvas = adding.Canvas.of(adding.Area(0, 0, 3, 2), 32, ["var_poisson"])
    for plane in canvas.planes.values():
        plane[:] = 2.0
    canvas.context[:] = 0xFFFFFFFF
    grown = adding._copied(canvas, 32)
    assert grown.context.shape == (2, 2, 3)
    light = np.full((2, 3), 8.0, np.float32)
    warped = adding_warped(canvas.area, light)
    before = adding._part(canvas, canvas.area)
    assert isinstance(before, Combination)
    grown.put(added(before, warped, 5.0, 32))
    assert (grown.context[1] == 1).all()
    assert np.allclose(grown.planes["data"], (2 * 2 + 8) / 4)
    assert np.allclose(grown.planes["exposure_time"], 7)


def adding_warped(area, light):
    from roman_dms.mosaics.warping import Warped

    return Warped(area, light, np.full_like(light, 2.0), {"var_poisson": np.ones_like(light)})


def test_what_the_recipe_does_not_allow_is_said(images, four, tmp_path):
    kept = four.read_bytes()
    with pytest.raises(UsageError, match="already"):
        with_more(images[:1], four)
    with pytest.raises(UsageError, match=r"resample.pixfrac = 1.0; 0.5"):
        with_more(images[4:], four, settings=["resample.pixfrac=0.5"])
    with pytest.raises(UsageError, match=r"flux.pixel_area = own; nominal"):
        with_more(images[4:], four, settings=["flux.pixel_area='nominal'"])
    with pytest.raises(UsageError, match="good_bits"):
        with_more(images[4:], four, settings=["select_images.good_bits='~SATURATED'"])
    with pytest.raises(UsageError, match=r"skymatch.skip = True; False"):
        with_more(images[4:], four, recipe=load(MOSAIC))
    with pytest.raises(UsageError, match="cannot change"):
        with_more(images[4:], four, cells=[FIELD.rescaled(0.11)])
    red = tmp_path / images[4].name
    shutil.copy(images[4], red)
    update_metadata(red, {"instrument.optical_element": "F106"})
    with pytest.raises(UsageError, match="F158, the images in F106"):
        with_more([red], four)
    alien = tmp_path / "alien_coadd.asdf"
    write_product(dataclasses.replace(read_mosaic(four), extras={}), alien)
    with pytest.raises(MetadataError, match="does not tell"):
        with_more(images[4:], alien)
    with held(four), pytest.raises(FileError, match="Another program"):
        with_more(images[4:], four)
    assert four.read_bytes() == kept


def test_a_mosaic_is_whole_if_adding_is_stopped(images, four, tmp_path, monkeypatch):
    path = tmp_path / four.name
    shutil.copy(four, path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("roman_dms.formats.writing._write_blocks", stop)
    with pytest.raises(KeyboardInterrupt):
        with_more(images[4:], path)
    assert path.read_bytes() == four.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_adds(images, four, tmp_path, capsys):
    arguments = [str(images[4]), "--add", str(four), "-o", str(tmp_path), "--threads", "1"]
    assert command.main(arguments, standalone_mode=False) == 0
    assert "5 images" in capsys.readouterr().out
    assert read_mosaic(tmp_path / four.name).meta["resample.pointings"] == 5
    assert read_mosaic(four).meta["resample.pointings"] == 4
    with pytest.raises(UsageError, match="pixel-scale"):
        command.main([*arguments, "--pixel-scale", "0.11"], standalone_mode=False)
