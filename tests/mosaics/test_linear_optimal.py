"""Linear-optimal stamps of undersampled stars that GalSim draws."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import galsim
import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area, block_map
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.linear_optimal import linear_optimal
from roman_dms.mosaics.psf_overlaps import Gaussian, PixelResponse
from roman_dms.mosaics.stamp import Stamp, StampInput, StampSettings
from tests.mosaics import dithered

AREA = Area(227, 227, 20, 20)
FWHM = 4.0
SIGMA = FWHM / np.sqrt(8 * np.log(2))
SETTINGS = StampSettings(target=Gaussian(FWHM), radius=12, tile=20)
VARIANCE = 4.0


@lru_cache
def samples() -> np.ndarray:
    """The star of `dithered`, 4 samples a pixel, its light within the samples set to one."""
    place = np.arange(-56, 57) / 4
    light = dithered.star()(place, place)
    return light * 16 / light.sum()


def inputs(count: int, star: tuple[float, float], seed: int = 5) -> list[StampInput]:
    """Exposures of a star of unit light in surface brightness of mosaic pixels."""
    made = []
    for to_image in dithered.to_images(count, np.random.default_rng(seed)):
        way = block_map(to_image, AREA, 16)
        scene = np.zeros((dithered.SIDE, dithered.SIDE))
        dithered.add_star(scene, *(float(at) for at in to_image(*star)), 1.0)
        scene *= abs(np.linalg.det(way.jacobian)) / _enclosed()
        full = np.full(scene.shape, VARIANCE, np.float32)
        image = InputImage(
            Area(0, 0, dithered.SIDE, dithered.SIDE),
            scene.astype(np.float32),
            np.ones(scene.shape, np.float32),
            {"var_rnoise": full},
        )
        made.append(StampInput(image, way, PixelResponse(samples(), 4, way.jacobian)))
    return made


@lru_cache
def _enclosed() -> float:
    place = np.arange(-56, 57) / 4
    return float(dithered.star()(place, place).sum() / 16)


def wanted(star: tuple[float, float]) -> np.ndarray:
    y, x = np.indices(AREA.shape)
    squared = (x + AREA.x0 - star[0]) ** 2 + (y + AREA.y0 - star[1]) ** 2
    return np.exp(-squared / 2 / SIGMA**2) / (2 * np.pi * SIGMA**2)


@pytest.fixture(scope="module")
def kept() -> Stamp:
    return linear_optimal(inputs(4, (236.3, 237.8)), AREA, SETTINGS, keep_weights=True)


@pytest.mark.parametrize("count", [4, 6])
def test_stars_have_the_target_psf(count: int) -> None:
    star = (236.3, 237.8)
    made = linear_optimal(inputs(count, star), AREA, SETTINGS)
    truth = wanted(star)
    assert np.abs(made.data - truth).max() < 1e-3 * truth.max()
    assert made.data.sum() == pytest.approx(truth.sum(), rel=5e-3)  # the rest: beyond the radius
    assert made.leakage.max() < 3e-5
    assert np.median(made.coverage) == pytest.approx(count, rel=0.05)


def test_the_leakage_is_that_of_the_psf_that_comes_out() -> None:
    """With noise worth much, what is missed lies near the star: 0.3 % of it at the peak."""
    star = (236.3, 237.8)
    made = linear_optimal(inputs(4, star), AREA, replace(SETTINGS, kappa=0.03))
    missed = ((made.data - wanted(star)) ** 2).sum() / (1 / (4 * np.pi * SIGMA**2))
    assert missed == pytest.approx(made.leakage.mean(), rel=0.1)


def test_the_noise_is_as_predicted(kept: Stamp) -> None:
    assert kept.weights @ kept.inputs["data"] == pytest.approx(kept.data.ravel(), abs=1e-7)
    noise = np.random.default_rng(2).normal(0, 2, (len(kept.inputs["data"]), 4000))
    scatter = (kept.weights @ noise).var(axis=1)
    ratio = scatter / kept.variance.ravel()
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    assert kept.variance == pytest.approx(VARIANCE * kept.noise)
    covariance = kept.covariance()
    assert np.diag(covariance) == pytest.approx(kept.variance.ravel(), rel=1e-5)
    pair = np.cov(kept.weights[[300, 301]] @ noise)[0, 1]
    assert pair == pytest.approx(covariance[300, 301], rel=0.1)


def test_stamps_add_up() -> None:
    one, two = inputs(2, (236.3, 237.8)), inputs(2, (240.1, 230.2))
    both = [
        replace(a, image=replace(a.image, data=a.image.data + 3 * b.image.data))
        for a, b in zip(one, two, strict=True)
    ]
    alone = [linear_optimal(images, AREA, SETTINGS).data for images in (one, two)]
    assert linear_optimal(both, AREA, SETTINGS).data == pytest.approx(
        alone[0] + 3 * alone[1], abs=1e-7
    )


def test_a_flat_sky_stays_flat_even_with_pixels_lacking() -> None:
    random, images = np.random.default_rng(4), []
    for one in inputs(4, (236.3, 237.8)):
        weight = (random.random(one.image.data.shape) > 0.05).astype(np.float32)
        data = np.where(weight > 0, np.float32(7), np.float32(np.nan))
        images.append(replace(one, image=replace(one.image, data=data, weight=weight)))
    assert linear_optimal(images, AREA, SETTINGS).data == pytest.approx(7, abs=1e-6)


def test_masked_pixels_cost_little() -> None:
    star, random = (236.3, 237.8), np.random.default_rng(4)
    images = inputs(6, star)
    for one in images:
        hit = random.random(one.image.data.shape) < 0.03
        one.image.data[hit] += 1e3
        one.image.weight[hit] = 0
    truth = wanted(star)
    made = linear_optimal(images, AREA, SETTINGS)
    assert np.abs(made.data - truth).max() < 5e-3 * truth.max()


def test_a_leakage_that_is_asked_for_is_met_with_the_least_noise() -> None:
    images = inputs(4, (236.3, 237.8))
    area = Area(230, 230, 6, 6)
    settings = replace(SETTINGS, radius=9, tile=6)
    made = linear_optimal(images, area, replace(settings, leakage=1e-3))
    assert made.leakage == pytest.approx(1e-3, rel=1e-4)
    kappa = float(made.kappa[3, 3])
    same = linear_optimal(images, area, replace(settings, kappa=kappa))
    assert same.data[3, 3] == pytest.approx(made.data[3, 3], abs=1e-9)
    assert same.noise[3, 3] == pytest.approx(made.noise[3, 3], rel=1e-6)
    assert (made.noise < linear_optimal(images, area, settings).noise).all()


def test_shapes_depend_far_less_on_where_a_star_falls_than_in_drizzle() -> None:
    """Sizes of stars on the pixel grid of two exposures, by GalSim's adaptive moments."""
    random = np.random.default_rng(8)
    sizes: list[list[float]] = [[], []]
    for star in random.uniform(236, 238, (3, 2)):
        images = inputs(3, (star[0], star[1]))
        optimal = linear_optimal(images, AREA, SETTINGS).data
        ways = dithered.to_images(3, np.random.default_rng(5))
        warped = [dithered.warped(one.image, way) for one, way in zip(images, ways, strict=True)]
        light, weight = np.sum(warped, axis=0)[:, *dithered.AREA.slices(AREA)]
        for found, image in zip(sizes, (optimal, light / weight), strict=True):
            found.append(galsim.Image(image.astype(float)).FindAdaptiveMom().moments_sigma)
    scatter = [np.std(found) / np.mean(found) for found in sizes]
    assert scatter[0] < 1e-3
    assert scatter[0] < scatter[1] / 5
    assert np.mean(sizes[0]) == pytest.approx(SIGMA, rel=2e-3)


def test_threads_change_nothing(kept: Stamp) -> None:
    again = linear_optimal(inputs(4, (236.3, 237.8)), AREA, SETTINGS, workers=3)
    assert np.array_equal(again.data, kept.data)


def test_where_images_are_lacking_there_is_no_value() -> None:
    (image,) = inputs(1, (236.3, 237.8))
    image.image.weight[:] = 0
    nothing = linear_optimal([image], AREA, SETTINGS)
    assert np.isnan(nothing.data).all()
    assert (nothing.leakage == 1).all()
    with pytest.raises(UsageError, match="not kept"):
        nothing.covariance()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (replace(SETTINGS, kappa=0.0), "above zero"),
        (replace(SETTINGS, leakage=2.0), "between 0 and 1"),
        (replace(SETTINGS, tile=150, radius=60), "there is memory"),
    ],
)
def test_what_cannot_be_made_is_refused(settings: StampSettings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        linear_optimal(inputs(6, (236.3, 237.8)), AREA, settings)


def test_no_images_are_refused() -> None:
    with pytest.raises(UsageError, match="no images"):
        linear_optimal([], AREA)
