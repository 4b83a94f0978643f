"""Sources in rate images and mosaics, against what photometry and photons say."""

from __future__ import annotations

import dataclasses

import galsim
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.throughput import PIXEL_AREA, electrons_per_jansky
from roman_dms.simulation.injection import effective_time
from roman_dms.simulation.layout import Ranges
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps.injected_light import InjectionSettings
from roman_dms.simulation.steps.injection import inject
from roman_dms.simulation.steps.injection_layout import Layout, layout
from tests.simulation.steps.injected_products import (
    GAIN,
    PATTERN,
    PLANE,
    SIGMA,
    gaussian_psf,
    mosaic,
    rate_image,
)

PSF = gaussian_psf()
CLEAN = InjectionSettings(psf=PSF, noise=False)


def scene_at(wcs, x, y, magnitude, **columns) -> Scene:
    """Point sources, or galaxies where columns say so, of one magnitude in all bands."""
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    ra, dec = wcs(x, y, with_bounding_box=False)
    table = Table(
        {"ra": np.mod(ra, 360), "dec": dec, "type": columns.pop("type", ["PSF"] * x.size)}
    )
    table["epoch"] = 2027.4
    for name, values in columns.items():
        table[name] = values
    for band in FILTERS:
        table[band] = 10 ** (-0.4 * np.broadcast_to(magnitude, x.shape))
    return Scene(table)


def aperture(image, x, y, radius):
    v, u_ = np.indices(image.shape)
    return float(image[np.hypot(u_ - x, v - y) < radius].sum(dtype=float))


def test_the_flux_of_a_rate_image_is_that_of_the_catalogue():
    """Through conversion_megajanskys and pixel_area alone, as a user would measure it."""
    image = rate_image()
    x, y, magnitude = np.array([60.3, 160.7]), np.array([80.2, 170.9]), np.array([18.0, 21.0])
    changed, catalogue = inject(image, scene_at(image.meta["wcs"], x, y, magnitude), CLEAN)
    added = changed.data - image.data
    factor = image.meta["photometry.conversion_megajanskys"] * 1e6 * PIXEL_AREA * 1e9  # nJy
    for k in range(2):
        measured = aperture(added, x[k], y[k], 11) * factor
        expected = (magnitude[k] * u.ABmag).to_value(u.nJy)
        assert measured == pytest.approx(expected, rel=2e-3)  # mean band against the detector's
        assert measured == pytest.approx(catalogue["flux"][k], rel=1e-3)
    np.testing.assert_allclose(catalogue["x"], x, atol=2e-3)
    np.testing.assert_allclose(catalogue["DN"] * GAIN, catalogue["electrons"])
    np.testing.assert_allclose(
        catalogue["electrons"], catalogue["rate"] * PATTERN.exposure_time, rtol=1e-6
    )


def test_a_point_source_has_the_shape_of_the_psf():
    image = rate_image()
    changed, catalogue = inject(image, scene_at(image.meta["wcs"], 100.0, 90.0, 18.0), CLEAN)
    added = (changed.data - image.data)[80:101, 90:111].astype(float)
    v, w = np.mgrid[80:101, 90:111]
    total = added.sum()
    x, y = (added * w).sum() / total, (added * v).sum() / total
    assert (x, y) == pytest.approx((catalogue["x"][0], catalogue["y"][0]), abs=2e-3)
    variance = (added * (w - x) ** 2).sum() / total
    assert variance == pytest.approx(SIGMA**2 + 1 / 12, rel=3e-3)


def test_a_galaxy_has_the_size_that_galsim_gives_it():
    """The curve of growth of an exponential disc, drawn by GalSim on the local scale."""
    image = rate_image()
    wcs = image.meta["wcs"]
    places = SkyCoord(*wcs([115.0, 125.0, 115.0], [115.0, 115.0, 125.0]), unit="deg")
    scale = np.sqrt(np.prod(places[0].separation(places[1:]).arcsec / 10))
    scene = scene_at(
        wcs, 120.0, 120.0, 17.0,
        type=["SER"], n=[1.0], half_light_radius=[12 * scale], ba=[1.0], pa=[0.0],
    )  # fmt: skip
    changed, catalogue = inject(image, scene, CLEAN)
    added = (changed.data - image.data) * GAIN / catalogue["rate"][0]
    profile = galsim.Convolve(
        galsim.Sersic(1, half_light_radius=12.0), galsim.Gaussian(sigma=SIGMA)
    )
    drawn = profile.drawImage(nx=121, ny=121, scale=1).array
    for radius in (8.0, 12.0, 20.0, 40.0):
        expected = aperture(drawn, 60, 60, radius)
        assert aperture(added, 120, 120, radius) == pytest.approx(expected, rel=0.015)


def test_noise_of_a_rate_image_is_that_of_its_photons():
    """Eight realisations of 30 stars: variance against rate / (gain^2 time)."""
    image = rate_image()
    ranges = Ranges(magnitude=(17, 19), galaxies=0)
    scene = layout(image.meta["wcs"], image.data.shape, Layout(number=30, margin=12, ranges=ranges))
    clean, _ = inject(image, scene, CLEAN)
    light = (clean.data - image.data).astype(float)
    lit = (light > 0.5) & (light < 300)  # below saturation
    time = effective_time(PATTERN)((clean.data * GAIN)[lit], (image.var_rnoise * GAIN**2)[lit])
    variance = light[lit] / GAIN / time
    pulls = []
    for seed in range(8):
        noisy, _ = inject(image, scene, InjectionSettings(psf=PSF, seed=seed))
        pulls.append((noisy.data - clean.data)[lit] / np.sqrt(variance))
        said = (noisy.var_poisson - image.var_poisson)[lit]
        np.testing.assert_allclose(said, variance, rtol=1e-3)
        np.testing.assert_allclose(noisy.err[lit] ** 2, image.err[lit] ** 2 + said, rtol=1e-5)
    assert np.size(pulls) > 5000
    assert np.var(pulls) == pytest.approx(1.0, abs=0.06)
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.04)


def test_pixels_that_are_not_to_be_used_stay():
    image = rate_image()
    dq = image.dq.copy()
    dq[90, 100] = Pixel.DO_NOT_USE | Pixel.HOT
    image = dataclasses.replace(image, dq=dq)
    changed, _ = inject(image, scene_at(image.meta["wcs"], 100, 90, 10.0), CLEAN)
    for name in ("data", "dq", "err", "var_poisson"):
        assert getattr(changed, name)[90, 100] == getattr(image, name)[90, 100]
    assert changed.dq[90, 101] & Pixel.SATURATED
    assert not changed.dq[90, 150]


def test_the_product_is_not_changed_and_says_what_was_done():
    image = rate_image()
    before = {name: getattr(image, name).copy() for name in ("data", "dq", "err", "var_poisson")}
    changed, catalogue = inject(image, Layout(number=5, seed=3), InjectionSettings(psf=PSF, seed=9))
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(image, name), values)
    assert changed.meta["cal_logs"][-1].startswith(f"inject: {len(catalogue)} sources")
    assert changed.extras["injection"]["seed"] == 9
    assert "injection" not in image.extras


def test_the_same_seed_gives_the_same_bits():
    image = rate_image()
    one, two, other = (
        inject(image, Layout(number=9), InjectionSettings(psf=PSF, seed=seed, workers=workers))[0]
        for seed, workers in ((1, 1), (1, 3), (2, 1))
    )
    np.testing.assert_array_equal(one.data, two.data)
    assert (one.data != other.data).any()


def test_layout_lies_on_the_image_with_its_magnitudes():
    image = rate_image()
    ranges = Ranges(magnitude=(19, 21), galaxies=0.5)
    scene = layout(image.meta["wcs"], image.data.shape, Layout(number=40, margin=20, ranges=ranges))
    _, catalogue = inject(image, scene, CLEAN)
    assert len(catalogue) == len(scene)
    assert 30 < len(catalogue) < 52
    assert catalogue["x"].min() > 19.9
    assert catalogue["y"].max() < 256 - 20
    magnitude = np.asarray(catalogue["magnitude"])
    assert 18.97 < magnitude.min() < 19.3
    assert 20.7 < magnitude.max() < 21.03
    assert set(catalogue["type"]) == {"PSF", "SER"}


def test_sources_elsewhere_are_left_out_and_none_is_an_error():
    image = rate_image()
    wcs = image.meta["wcs"]
    _, catalogue = inject(image, scene_at(wcs, [50.0, -60.0], [50.0, 20.0], 20.0), CLEAN)
    assert len(catalogue) == 1
    with pytest.raises(UsageError, match="None of the 1 sources lies on the image"):
        inject(image, scene_at(wcs, -50.0, 20.0, 20.0), CLEAN)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"wcs": None}, FormatError, "no WCS"),
        ({"photometry.pixel_area": None}, MetadataError, "photometry.pixel_area"),
        ({"photometry.conversion_megajanskys": float("nan")}, MetadataError, "conversion"),
        ({"instrument.optical_element": "GRISM"}, MetadataError, "GRISM"),
        ({"exposure.start_time": "yesterday"}, MetadataError, "start_time"),
    ],
)
def test_images_that_nothing_can_be_injected_into(changes, error, message):
    scene = scene_at(rate_image().meta["wcs"], 50.0, 50.0, 20.0)
    with pytest.raises(error, match=message):
        inject(rate_image(**changes), scene, CLEAN)


def test_a_raw_exposure_needs_references(miniature_raw):
    from roman_dms.formats.products import read_product

    with pytest.raises(UsageError, match="needs reference data"):
        inject(read_product(miniature_raw), Layout(number=3))


def test_the_flux_of_a_mosaic_is_that_of_the_catalogue():
    image = mosaic()
    x, y = np.array([60.2, 150.6]), np.array([80.1, 120.3])
    changed, catalogue = inject(image, scene_at(image.meta["wcs"], x, y, 20.0), CLEAN)
    added = changed.data - image.data
    for k in range(2):
        nanojanskys = aperture(added, x[k], y[k], 11) * 1e15 * PLANE.pixel_area
        assert nanojanskys == pytest.approx(catalogue["flux"][k], rel=1e-3)
        assert nanojanskys == pytest.approx((20 * u.ABmag).to_value(u.nJy), rel=2e-3)
    assert "DN" not in catalogue.colnames


@pytest.mark.parametrize("pixfrac", [0.0, 1.0])
def test_noise_of_a_mosaic_is_that_of_its_photons(pixfrac):
    """Aperture sums of 120 equal stars: one over the root of the number of electrons, by
    the local exposure time: 200 s left, 600 s right."""
    image = mosaic(pixfrac=pixfrac)
    grid = np.meshgrid(10 + 18.0 * np.arange(11), 32 + 15.0 * np.arange(10))
    x, y = (axis.ravel() for axis in grid)
    scene = scene_at(image.meta["wcs"], x, y, 19.5)
    noisy, catalogue = inject(image, scene, InjectionSettings(psf=PSF, seed=5))
    sums = np.array(
        [aperture(noisy.data - image.data, *place, 6.5) for place in zip(x, y, strict=True)]
    )
    for half, time in ((x < 92, 200.0), (x > 108, 600.0)):
        relative = np.std(sums[half]) / np.mean(sums[half])
        expected = 1 / np.sqrt(catalogue["rate"][0] * time)
        assert relative == pytest.approx(expected, rel=0.3)  # 10 % by 50 stars
    np.testing.assert_allclose(noisy.err**2 - image.err**2, noisy.var_poisson - image.var_poisson,
                               atol=1e-7)  # fmt: skip


def test_pixels_of_a_mosaic_without_exposure_stay():
    image = mosaic()
    changed, _ = inject(image, scene_at(image.meta["wcs"], 19.0, 19.0, 18.0), CLEAN)
    np.testing.assert_array_equal(changed.data[:20, :20], 0)
    assert changed.data[20, 20] > 0


def test_a_mosaic_that_tells_no_time_tells_it_by_its_variance():
    """Sources of 2000 s in a mosaic without coadd_info.exposure_time."""
    image = mosaic(**{"coadd_info.exposure_time": None})
    per_photon = 1 / (1e6 * electrons_per_jansky("WFI01", "F158") * PLANE.pixel_area * 2000.0)
    data = image.data.copy()
    data[::9, ::9] = np.random.default_rng(1).uniform(1, 5, data[::9, ::9].shape)
    image = dataclasses.replace(
        image, data=data, var_poisson=(data * per_photon + 5e-5).astype(np.float32)
    )
    scene = scene_at(image.meta["wcs"], 100.0, 90.0, 19.0)
    changed, catalogue = inject(image, scene, InjectionSettings(psf=PSF))
    clean, _ = inject(image, scene, CLEAN)
    light = clean.data - image.data
    added = changed.var_poisson - image.var_poisson
    bright = light > 0.1 * light.max()
    np.testing.assert_allclose(added[bright] / light[bright], per_photon, rtol=0.02)
    assert "electrons" not in catalogue.colnames
    timed, _ = inject(image, scene, InjectionSettings(psf=PSF, exposure_time=500.0))
    ratio = (timed.var_poisson - image.var_poisson)[bright] / light[bright]
    np.testing.assert_allclose(ratio, 4 * per_photon, rtol=0.02)


def test_an_exposure_time_that_cannot_be_is_an_error():
    with pytest.raises(UsageError, match="exposure time"):
        InjectionSettings(exposure_time=-1.0)
