"""Simulated mosaics: light, places and noise against closed forms and astropy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import roman_datamodels
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from scipy.special import erf

from roman_dms.errors import UsageError
from roman_dms.formats.fits import convert
from roman_dms.formats.products import read_mosaic
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps import mosaic as step
from roman_dms.simulation.steps.mosaic import (
    MosaicRequest,
    detector_offsets,
    simulate_mosaic,
    write_mosaic,
)
from roman_dms.simulation.steps.pointing import pointing_of
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.tangent import TangentPlane
from roman_dms.sky.tessellation import MISSION, SkyCell, free_field
from roman_dms.sky.wcs import build_wcs

SIGMA = 2.0
"""Of the Gaussian PSF [pixel]."""
JANSKY = 3631.0
REQUEST = MosaicRequest(element="F158", noise=False, background=0.5)


@pytest.fixture(scope="module")
def psf():
    """A round Gaussian, integrated over pixels, sampled twice a pixel."""
    place = np.arange(-40, 41) / 2
    edges = [erf((place + half) / (SIGMA * np.sqrt(2))) for half in (-0.5, 0.5)]
    line = (edges[1] - edges[0]) / 2
    samples = np.outer(line, line).astype(np.float32)
    return PsfGrid(
        "WFI01", "F158", 2, np.zeros(1), np.zeros(1), np.array([1.58]),
        samples[None, None, None], samples[::2, ::2],
    )  # fmt: skip


@pytest.fixture(scope="module")
def field():
    """A corner of a sky cell, two degrees from where its plane touches the sky."""
    plane = MISSION.named("270p65x50y50").plane
    return SkyCell(None, dataclasses.replace(plane, x=-90000.0, y=95000.0), (120, 150))


def stars(field, places, magnitude=20.0):
    x, y = np.array(places, float).reshape(-1, 2).T
    ra, dec = field.plane.sky(x, y)
    table = Table({"ra": ra, "dec": dec, "type": ["PSF"] * len(x)})
    table["F158"] = np.full(len(x), 10 ** (-0.4 * magnitude))
    return Scene(table)


def test_light_in_an_aperture_is_that_of_the_catalogue(field, psf):
    """AB magnitude m is 3631 Jy 10^(-0.4 m); a detector's band differs little from the mean."""
    scene = stars(field, [(40.3, 60.2), (110.7, 59.6)], magnitude=19.0)
    mosaic, truth = simulate_mosaic(scene, field, REQUEST, psf=psf)
    left = mosaic.data[:, :75].sum(dtype=float) * 1e6 * exact_area(field, 40, 60)
    assert left == pytest.approx(truth["flux"][0] * 1e-9, rel=1e-3)
    assert left == pytest.approx(JANSKY * 10 ** (-0.4 * 19.0), rel=0.02)


def exact_area(field, x, y):
    """Solid angle of a pixel from the cross product of its sides [sr]."""
    edges = np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]]) * 50 + [x, y]
    ra, dec = np.radians(field.plane.sky(*edges.T))
    points = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    return np.linalg.norm(np.cross(points[1] - points[0], points[3] - points[2])) / 2500


def test_profile_and_place_are_those_of_the_gaussian(field, psf):
    mosaic, _ = simulate_mosaic(stars(field, [(70.35, 55.8)]), field, REQUEST, psf=psf)
    rows, columns = np.indices(mosaic.shape)
    light = mosaic.data.astype(float) / mosaic.data.sum(dtype=float)
    x, y = (light * columns).sum(), (light * rows).sum()
    assert (x, y) == pytest.approx((70.35, 55.8), abs=0.005)
    assert (light * (columns - x) ** 2).sum() == pytest.approx(SIGMA**2 + 1 / 12, rel=0.01)


@pytest.mark.parametrize("turned", [False, True])
def test_galaxies_point_where_the_catalogue_says(field, psf, turned):
    """Position angles go from north to east: clockwise on sky cells, whose x grows eastwards."""
    if turned:
        field = free_field(200, -40, 101, position_angle=70)
    rows, columns = field.shape
    scene = stars(field, [((columns - 1) / 2, (rows - 1) / 2)])
    table = scene.table.copy()
    table["type"], table["n"], table["half_light_radius"] = "SER", 0.5, 0.35
    table["ba"], table["pa"] = 0.3, 30.0
    mosaic, _ = simulate_mosaic(Scene(table), field, REQUEST, psf=psf)
    y, x = np.indices(mosaic.shape) - np.array(mosaic.shape)[:, None, None] / 2 + 0.5
    light = mosaic.data.astype(float)
    xx, yy, xy = ((light * moment).sum() for moment in (x * x, y * y, x * y))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # of the major axis, from x to y
    ends = field.plane.sky((columns - 1) / 2 + np.array([0, 10 * np.cos(angle)]),
                           (rows - 1) / 2 + np.array([0, 10 * np.sin(angle)]))  # fmt: skip
    middle, end = (SkyCoord(*place, unit="deg") for place in zip(*ends, strict=True))
    assert middle.position_angle(end).deg % 180 == pytest.approx(30, abs=0.2)


def test_a_scene_may_be_much_wider_than_the_mosaic(field, psf):
    """Galaxies everywhere, also where the map of the sky ends."""
    places = np.stack(np.meshgrid(np.arange(-560, -480, 0.7), np.arange(0, 120, 8)), -1)
    scene = stars(field, [*places.reshape(-1, 2), (75, 60)])
    table = scene.table.copy()
    table["type"], table["n"], table["half_light_radius"] = "SER", 1.0, 0.2
    mosaic, truth = simulate_mosaic(Scene(table), field, REQUEST, psf=psf)
    assert 0 < len(truth) < len(scene)
    assert truth["x"].min() > -501
    assert mosaic.data[60, 75] == mosaic.data.max()


def test_places_in_the_fits_file_are_those_of_the_catalogue(field, psf, tmp_path):
    scene = stars(field, [(33.3, 80.6)])
    mosaic, truth = simulate_mosaic(scene, field, REQUEST, psf=psf)
    write_and_convert(mosaic, tmp_path)
    with fits.open(tmp_path / "mosaic.fits") as hdus:
        x, y = WCS(hdus["SCI"].header).world_to_pixel_values(scene.table["ra"], scene.table["dec"])
        assert hdus["SCI"].header["CTYPE1"] == "RA---TAN"
        peak = np.unravel_index(np.argmax(hdus["SCI"].data), hdus["SCI"].data.shape)
    assert (x[0], y[0]) == pytest.approx((33.3, 80.6), abs=1e-5)
    assert (truth["x"][0], truth["y"][0]) == pytest.approx((33.3, 80.6), abs=1e-3)
    assert peak == (81, 33)


def write_and_convert(mosaic, folder):
    from roman_dms.formats.products import write_product

    write_product(mosaic, folder / "mosaic.asdf")
    convert(folder / "mosaic.asdf", folder / "mosaic.fits")


def test_noise_is_that_of_the_errors(field, psf):
    """An empty field; closed form for photons, dark current and reads."""
    request = dataclasses.replace(REQUEST, noise=True, exposures=40, exposure_time=100.0)
    mosaic, truth = simulate_mosaic(stars(field, []), field, request, psf=psf)
    assert len(truth) == 0
    assert mosaic.data.var(dtype=float) == pytest.approx(
        float(np.mean(mosaic.err**2)), rel=4 * np.sqrt(2 / mosaic.data.size)
    )
    assert abs(mosaic.data.mean()) < 4 * mosaic.err.mean() / np.sqrt(mosaic.data.size)
    np.testing.assert_allclose(mosaic.err**2, mosaic.var_poisson + mosaic.var_rnoise, rtol=1e-5)
    np.testing.assert_allclose(mosaic.weight * mosaic.var_rnoise, 1, rtol=1e-5)
    assert mosaic.context.shape == (2, 120, 150)
    assert int(mosaic.context[0, 3, 4]).bit_count() + int(mosaic.context[1, 3, 4]).bit_count() == 40


def test_four_times_the_exposures_halve_the_error(field, psf):
    few, many = (
        simulate_mosaic(
            stars(field, []), field, dataclasses.replace(REQUEST, exposures=n), psf=psf
        )[0]
        for n in (3, 12)
    )
    np.testing.assert_allclose(few.err, 2 * many.err, rtol=1e-5)


def test_the_background_can_be_kept(field, psf):
    kept = dataclasses.replace(REQUEST, keep_background=True)
    mosaic, _ = simulate_mosaic(stars(field, []), field, kept, psf=psf)
    without, _ = simulate_mosaic(stars(field, []), field, REQUEST, psf=psf)
    assert np.ptp(mosaic.data) / mosaic.data.mean() < 1e-5  # even sky: the same on all pixels
    assert mosaic.data.min() > 0.1
    np.testing.assert_allclose(without.data, 0, atol=1e-6)


def test_the_same_seed_gives_the_same_mosaic_whatever_the_threads(field, psf):
    request = dataclasses.replace(REQUEST, noise=True, seed=7)
    scene = stars(field, [(20, 20), (90.5, 70.1)])
    one, three = (simulate_mosaic(scene, field, request, psf=psf, workers=n)[0] for n in (1, 3))
    np.testing.assert_array_equal(one.data, three.data)


def test_the_psf_is_turned_as_the_detector_is():
    """Offsets through the whole WCS of a detector, against the closed form."""
    exposure = PlannedExposure(
        ra=150, dec=20, position_angle=40, element="F158", ma_table=4, start=61557.0
    )
    place = pointing_of(exposure, "WFI10", aberration=False)
    wcs = build_wcs(distortion_model("WFI10"), place, (4088, 4088))
    cell = free_field(place.ra_ref, place.dec_ref, 101)
    steps = np.array([[50, 50], [60, 50], [50, 60]], float)
    x, y = wcs.invert(*cell.plane.sky(*steps.T), with_bounding_box=False)
    found = np.array([[x[1] - x[0], x[2] - x[0]], [y[1] - y[0], y[2] - y[0]]]) / 10
    local = place.roll_ref + -60.0  # where north is at the detector, not at the focal plane's
    np.testing.assert_allclose(detector_offsets(cell, "WFI10", local), found, atol=2e-5)


def test_the_missions_library_opens_what_is_written(field, psf, tmp_path, monkeypatch):
    monkeypatch.setattr(step, "mosaic_psf", lambda _cell, _request: psf)
    cell = dataclasses.replace(MISSION.named("270p65x50y50"), shape=(64, 80))
    scene = stars(cell, [(30, 40)])
    paths = write_mosaic(scene, cell, REQUEST, tmp_path / "m_coadd.asdf")
    assert [path.name for path in paths] == ["m_coadd.asdf", "m_truth.parquet"]
    with roman_datamodels.open(paths[0]) as model:
        model.validate()
        assert isinstance(model, roman_datamodels.datamodels.MosaicModel)
        assert model.meta.wcsinfo.skycell_name == "270p65x50y50"
        assert model.meta.wcs(30, 40)[0] == pytest.approx(scene.table["ra"][0])
    plane = TangentPlane.of_wcsinfo(read_mosaic(paths[0]).meta["wcsinfo"])
    assert dataclasses.replace(plane, scale=0.055) == cell.plane
    assert plane.scale == pytest.approx(0.055, rel=1e-14)


def test_the_optical_psf_keeps_the_light(tmp_path):
    """The PSF of the optics, on mosaic pixels: 97 % of the light lies within 2.75 arcsec."""
    field = free_field(270, 66, 101)
    mosaic, truth = simulate_mosaic(stars(field, [(50, 50)], 18.0), field, REQUEST)
    light = mosaic.data.sum(dtype=float) * 1e6 * field.plane.pixel_area
    assert 0.95 < light / (truth["flux"][0] * 1e-9) < 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"element": "F999"}, "F999"),
        ({"element": "GRISM"}, "GRISM"),
        ({"background": -1.0}, "-1.0 electron"),
    ],
)
def test_impossible_requests_are_named(changes, message):
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(REQUEST, **changes)


def test_unknown_detectors_and_exposure_times_are_named(field, psf):
    with pytest.raises(UsageError, match="WFI19"):
        simulate_mosaic(
            stars(field, []), field, dataclasses.replace(REQUEST, detector="WFI19"), psf=psf
        )
    with pytest.raises(UsageError, match=r"6 exposures of 0 s"):
        simulate_mosaic(
            stars(field, []), field, dataclasses.replace(REQUEST, exposure_time=0), psf=psf
        )
