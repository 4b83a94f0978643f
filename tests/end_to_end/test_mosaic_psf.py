"""The PSF of a mosaic, told by the mosaic alone, against stars drawn into its exposures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from scipy.interpolate import RectBivariateSpline

from roman_dms.cli.psf import command
from roman_dms.errors import MetadataError, ReferenceDataError, UsageError
from roman_dms.formats.products import read_mosaic
from roman_dms.formats.tables import write_table
from roman_dms.mosaics.steps.making import Wanted, make_mosaics
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.psf.steps.mosaic_file import MosaicExposures, psf_of_mosaic
from roman_dms.psf.steps.reference_files import read_model
from roman_dms.psf.steps.reference_psfs import ReferencePsfs
from roman_dms.recipes import MOSAIC, load
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.pointing import aimed
from roman_dms.simulation.steps.request import ExposureRequest
from roman_dms.sky.tessellation import free_field
from tests.end_to_end.test_mosaics import aperture_sums, watching

FIELD = free_field(270.0, 66.0, 1300)
SIDE = 8
SIZE = 41
HALF = SIZE // 2


@pytest.fixture(scope="module")
def epsf(miniature_store):
    """Effective PSFs of the miniature detector."""
    path = next(miniature_store.glob("references/roman/*epsf*.asdf"))
    return {"WFI01": read_model(path)}


@pytest.fixture(scope="module")
def exposures(miniature_store, tmp_path_factory):
    """Six dithers, of any fraction of a pixel and two turns, of 64 stars of 17.5 mag."""
    folder = tmp_path_factory.mktemp("stars")
    rng = np.random.default_rng(23)
    east, north = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-0.0078, 0.0078, SIDE)] * 2))
    east, north = (axis + rng.uniform(-1e-4, 1e-4, axis.size) for axis in (east, north))
    scene = Table(
        {
            "ra": 270 + east / np.cos(np.radians(66)),
            "dec": 66 + north,
            "type": np.full(east.size, "PSF"),
            "n": np.full(east.size, -1.0),
            "half_light_radius": np.zeros(east.size),
            "ba": np.ones(east.size),
            "F158": np.full(east.size, 10 ** (-0.4 * 17.5)),
        }
    )
    write_table(scene, folder / "scene.ecsv")
    request = ExposureRequest(scene=folder / "scene.ecsv", store=miniature_store, seed=7)
    paths = []
    for number in range(6):
        dx, dy = rng.uniform(-3, 3, 2)
        planned = PlannedExposure(
            ra=270 + dx / 3600 / np.cos(np.radians(66)), dec=66 + dy / 3600,
            position_angle=25.0 * (number % 2), element="F158", ma_table=4, start=61557.0,
            exposure=number + 1,
        )  # fmt: skip
        paths.append(make_image(request, aimed(planned, "WFI01"), "WFI01", folder)[0])
    return paths, scene


def made(exposures, folder, *settings):
    recipe = load(MOSAIC).with_settings(settings)
    return next(iter(make_mosaics(Wanted(exposures[0], [FIELD], folder), recipe, watching))).output


@pytest.fixture(scope="module")
def mosaic(exposures, tmp_path_factory):
    return made(exposures, tmp_path_factory.mktemp("l3"))


FINE = 5


def sampled(psf, dx, dy):
    """Pixels around a star of an oversampled PSF, the star off the middle one by dx, dy."""
    at = (np.arange(psf.images.shape[-1]) - psf.images.shape[-1] // 2) / FINE
    pixels = np.arange(SIZE) - HALF
    return RectBivariateSpline(at, at, psf.images[0], kx=5, ky=5)(pixels - dy, pixels - dx)


def stacked(mosaic, scene, psf):
    """Mean images of stars and of PSFs at the same places, and their light within radii."""
    x, y = FIELD.plane.pixels(np.asarray(scene["ra"]), np.asarray(scene["dec"]))
    star, model = np.zeros((2, SIZE, SIZE))
    light = np.zeros((2, 3))
    sky = np.median(mosaic.data[np.isfinite(mosaic.data)])
    for at_x, at_y in zip(x, y, strict=True):
        column, row = round(float(at_x)), round(float(at_y))
        stamp = mosaic.data[row - HALF : row + HALF + 1, column - HALF : column + HALF + 1] - sky
        expected = sampled(psf, at_x - column, at_y - row)
        star, model = star + stamp, model + expected
        place = np.array([at_x - column + HALF]), np.array([at_y - row + HALF])
        light += [
            [aperture_sums(image, *place, radius)[0] for radius in (2.5, 5.0, 16.0)]
            for image in (stamp, expected)
        ]
    return star, model, light


def width(image):
    """Root of the second moment under a Gaussian window of 5 pixels."""
    at = np.arange(SIZE) - HALF
    x, y = np.meshgrid(at, at)
    weight = image * np.exp(-(x**2 + y**2) / 50)
    return np.sqrt((weight * (x**2 + y**2)).sum() / weight.sum() / 2)


@pytest.mark.parametrize("pixfrac", [1.0, 0.6])
def test_stars_of_a_mosaic_look_as_it_tells(exposures, epsf, miniature_store, tmp_path, pixfrac):
    """Size to 1 %, peak to 2 %, shares of light to 0.5 %, over 64 places in the pixels."""
    path = made(exposures, tmp_path, f"resample.pixfrac={pixfrac}")
    psf = psf_of_mosaic(path, 270.0, 66.0, source=epsf, oversample=FINE, size=SIZE + 4)
    again = psf_of_mosaic(
        path, 270.0, 66.0, source=ReferencePsfs(miniature_store), oversample=FINE, size=SIZE + 4
    )
    assert np.array_equal(again.images, psf.images)  # of the reference data
    star, model, light = stacked(read_mosaic(path), exposures[1], psf)
    star, model = star / light[0, 2], model / light[1, 2]
    assert width(star) == pytest.approx(width(model), rel=0.01)
    assert star.max() == pytest.approx(model.max(), rel=0.02)
    shares = light[:, :2] / light[:, 2:]
    assert shares[0] == pytest.approx(shares[1], abs=0.005)


def test_images_that_are_not_there_do_not_count(mosaic, epsf, tmp_path):
    """At a corner of a turned exposure only the context knows who contributes."""
    known = MosaicExposures.of(mosaic)
    counts = np.bitwise_count(read_mosaic(mosaic).context[0])
    row, column = np.argwhere(counts == 3)[0]
    assert len(known.numbers(float(column), float(row))) == 3
    assert known.numbers(650.0, 650.0) == [0, 1, 2, 3, 4, 5]
    empty = dataclasses.replace(known, context=np.zeros((1, *known.shape), np.uint32))
    with pytest.raises(UsageError, match="No exposure"):
        psf_of_mosaic(empty, x=0.0, y=1299.0, source=epsf)
    with pytest.raises(UsageError, match="is not on"):
        psf_of_mosaic(known, 271.0, 66.0, source=epsf)
    with pytest.raises(UsageError, match="WFI01 in F158"):
        psf_of_mosaic(known, x=650.0, y=650.0, source={})
    with pytest.raises(ReferenceDataError, match="no reference store"):
        psf_of_mosaic(known, x=650.0, y=650.0, source=ReferencePsfs(tmp_path))


def test_what_cannot_be_known_is_said(mosaic):
    known = read_mosaic(mosaic)
    with pytest.raises(MetadataError, match="does not tell its images"):
        psf_of_mosaic(dataclasses.replace(known, extras={}), 270.0, 66.0)
    steps = [
        {**step, "kernel": "gaussian"} if step["name"] == "resample" else step
        for step in known.extras["roman_dms"]["recipe"]
    ]
    own = {**known.extras["roman_dms"], "recipe": steps}
    with pytest.raises(UsageError, match="kernel gaussian"):
        psf_of_mosaic(dataclasses.replace(known, extras={"roman_dms": own}), 270.0, 66.0)


def test_the_command_writes_what_it_prints(mosaic, miniature_store, tmp_path):
    epsf = next(miniature_store.glob("references/roman/*epsf*.asdf"))
    arguments = ["mosaic", mosaic, "--source", epsf, "--size", 21, "-o", tmp_path / "psf.fits"]
    at_sky = CliRunner().invoke(
        command, [*map(str, arguments), "--at", "270", "66"], catch_exceptions=False
    )
    with fits.open(tmp_path / "psf.fits") as file:
        image = file["PSF"].data if "PSF" in file else file[0].data
    x, y = FIELD.plane.pixels(270.0, 66.0)
    assert f"x {x:9.3f}  y {y:9.3f}  brightest {image.max():.5f}" in at_sky.output
    with pytest.raises(UsageError, match="No place was given"):
        CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False)
