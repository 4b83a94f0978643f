"""Rates of rejected hits and clipped stars, on stars that GalSim draws and drizzle warps."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.median import median_of
from roman_dms.mosaics.outliers import HALO, OutlierSettings, blotted, rejected, scale_at
from tests.mosaics import dithered
from tests.mosaics.dithered import AREA, BLOCK, SIDE, SKY


def grid(step, random):
    places = np.meshgrid(np.arange(30.0, 455, step), np.arange(30.0, 455, step))
    return np.stack([axis.ravel() + random.uniform(-0.5, 0.5, axis.size) for axis in places])


def picture_of(exposures, area=AREA):
    light, weight = zip(
        *(dithered.warped(e.image, e.to_image, area) for e in exposures), strict=True
    )
    levels = [exposure.level for exposure in exposures]
    return median_of(
        np.stack(light), np.stack(weight), levels, noise=np.full(len(levels), SKY)
    )  # fmt: skip


def mask_of(exposure, picture, area=AREA, core=BLOCK, settings=None):
    places = rejected(
        exposure.image, exposure.way, picture, area, core, exposure.level, SKY**2, 1.0, settings
    )
    mask = np.zeros((SIDE, SIDE), bool)
    mask[tuple(places.T)] = True
    return mask


def inside(exposure, margin=0.0):
    x, y = np.meshgrid(np.arange(SIDE, dtype=float), np.arange(SIDE, dtype=float))
    at = exposure.way.to_mosaic(x, y)
    return np.all([(a > margin - 0.5) & (a < 479.5 - margin) for a in at], axis=0) & (
        exposure.image.weight > 0
    )


def core_of(exposure):
    """Row and column of the pixels with stars, and which of them exist."""
    core = np.round([exposure.y, exposure.x]).astype(int)
    within = np.clip(core, 0, SIDE - 1)
    return tuple(within), (core == within).all(axis=0)


def rates(exposures, settings=None):
    """(share of hits found, share of star cores clipped, share of sky clipped, both of a star)."""
    picture = picture_of(exposures)
    hits = found = sky = false = 0
    clipped, seen = [], []
    for one in exposures:
        core, on_image = core_of(one)
        mask, here = mask_of(one, picture, settings=settings), inside(one)
        bright = (one.hits > 6 * one.noise) & here
        hits, found = hits + bright.sum(), found + (bright & mask).sum()
        around = maximum_filter(one.hits, 5) > 0
        dark = here & ~around & (one.noise < 1.05 * SKY)
        sky, false = sky + dark.sum(), false + (dark & mask).sum()
        seen.append(here[core] & ~around[core] & on_image)
        clipped.append(maximum_filter(mask & ~around, 3)[core] & seen[-1])
    return (
        found / max(hits, 1),
        np.sum(clipped) / np.sum(seen),
        false / sky,
        int((np.sum(clipped, 0) > 1).sum()),
    )


@pytest.mark.parametrize(
    ("count", "least", "most"), [(4, 0.99, 0.001), (3, 0.95, 0.003), (2, 0.88, 0.006)]
)
def test_hits_are_found_and_stars_are_kept(count, least, most):
    random = np.random.default_rng(count)
    found, clipped, false, twice = [], [], [], 0
    for seed in range(3):
        places = grid(60, random)
        fluxes = 10 ** (2.5 + 3 * random.random(places.shape[1]) ** 2)
        exposures = dithered.exposures(
            count, seed, places=places, fluxes=fluxes, rays=60, faintest=10, bad=0.01
        )
        one = rates(exposures)
        found.append(one[0])
        clipped.append(one[1])
        false.append(one[2])
        twice += one[3]
    assert np.mean(found) >= least
    assert np.mean(clipped) <= most
    assert np.mean(false) < 1e-5
    assert twice == 0


def test_bright_stars_are_kept_wherever_they_lie_in_a_pixel():
    """0.03 pixel of misplacement, and peaks to 1e5 electrons, close to saturation."""
    random = np.random.default_rng(5)
    clipped = []
    for seed in range(2):
        places = grid(36, random)
        fluxes = 10 ** random.uniform(4, 5.7, places.shape[1])
        exposures = dithered.exposures(4, seed, places=places, fluxes=fluxes, shake=0.03)
        clipped.append(rates(exposures)[1])
    assert np.mean(clipped) <= 0.001


@pytest.mark.parametrize("wavelength", [0.62, 1.06, 2.125])
def test_bright_stars_are_kept_in_all_filters(wavelength):
    random = np.random.default_rng(14)
    clipped = []
    for seed in range(4):
        places = grid(26, random)
        fluxes = 10 ** random.uniform(4, 6, places.shape[1])
        exposures = dithered.exposures(
            4, seed, places=places, fluxes=fluxes, shake=0.03, wavelength=wavelength
        )
        settings = OutlierSettings(scale=scale_at(wavelength))
        clipped.append(rates(exposures, settings)[1])
    assert np.mean(clipped) <= 0.001


def hit_near_stars(exposures, random):
    """Add a hit, 6.5 to 650 deviations of its pixel, within 6 pixels of each third star."""
    for number, one in enumerate(exposures):
        for x, y in list(zip(one.x, one.y, strict=True))[number % 3 :: 3]:
            radius, angle = 6 * np.sqrt(random.random()), random.uniform(0, 2 * np.pi)
            row, column = round(y + radius * np.sin(angle)), round(x + radius * np.cos(angle))
            if 0 <= row < SIDE and 0 <= column < SIDE:
                hit = one.noise[row, column] * 6.5 * 100 ** random.random()
                one.image.data[row, column] += hit
                one.hits[row, column] = hit


@pytest.mark.parametrize(("wavelength", "least"), [(0.62, 0.70), (1.577, 0.70), (2.125, 0.73)])
def test_hits_next_to_bright_stars_are_found(wavelength, least):
    random = np.random.default_rng(15)
    found = []
    for seed in range(2):
        places = grid(30, random)
        fluxes = 10 ** random.uniform(4, 6, places.shape[1])
        exposures = dithered.exposures(
            4, seed, places=places, fluxes=fluxes, shake=0.03, wavelength=wavelength
        )
        hit_near_stars(exposures, random)
        picture = picture_of(exposures)
        for one in exposures:
            mask = mask_of(one, picture, settings=OutlierSettings(scale=scale_at(wavelength)))
            found.append(mask[(one.hits > 0) & inside(one)])
    assert np.mean(np.concatenate(found)) > least


def test_the_prediction_is_right_in_stars():
    """Mean residual of star cores below 3 per cent of the light, peaks being 25 per cent."""
    random = np.random.default_rng(6)
    places = grid(40, random)
    fluxes = np.full(places.shape[1], 1e5)
    exposures = dithered.exposures(8, 6, places=places, fluxes=fluxes)
    picture = picture_of(exposures)
    left = []
    for one in exposures:
        predicted, here = blotted(picture, AREA, BLOCK, one.way, one.image.window)
        core, on_image = core_of(one)
        left.append(((one.image.data - one.level - predicted)[core] / 1e5)[here[core] & on_image])
    assert abs(np.mean(np.concatenate(left))) < 0.03
    assert np.std(np.concatenate(left)) < 0.04


def test_an_asteroid_and_a_satellite_are_rejected():
    random = np.random.default_rng(7)
    places = grid(80, random)
    exposures = dithered.exposures(4, 7, places=places, fluxes=np.full(places.shape[1], 3e3))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    tracks = []
    for number, one in enumerate(exposures):
        x, y = one.to_image(200.0 + 18 * number, 215.0)  # one arcsecond on
        stamp = np.zeros((SIDE, SIDE))
        dithered.add_star(stamp, float(x), float(y), 2e4)
        if number == 2:
            across = (columns - 150) * np.sin(0.4) - (rows - 170) * np.cos(0.4)
            stamp = stamp + 400 * np.exp(-(across**2) / 2)
        one.image.data[:] += stamp
        tracks.append((stamp > 8 * SKY) & inside(one))
    picture = picture_of(exposures)
    found = [mask_of(one, picture)[track] for one, track in zip(exposures, tracks, strict=True)]
    assert np.mean(found[2]) > 0.97
    assert np.mean(np.concatenate([found[0], found[1], found[3]])) > 0.97


def test_nothing_is_rejected_from_one_image():
    places = np.array([[200.0], [200.0]])
    exposures = dithered.exposures(1, 8, places=places, fluxes=[1e5], rays=30)
    picture = picture_of(exposures)
    assert np.isnan(picture).all()
    assert not mask_of(exposures[0], picture).any()


def test_blocks_do_not_matter():
    """Two halves of a block, each with its own picture and halo, find what the whole finds."""
    random = np.random.default_rng(9)
    places = grid(50, random)
    exposures = dithered.exposures(
        4, 9, places=places, fluxes=np.full(places.shape[1], 2e4), rays=60, bad=0.01
    )
    whole = picture_of(exposures)
    halves = [Area(0, 0, 200, 480), Area(200, 0, 280, 480)]
    for one in exposures:
        together = np.zeros((SIDE, SIDE), bool)
        for core in halves:
            area = core.grown(HALO)
            part = whole[AREA.slices(area)].copy()
            together |= mask_of(one, part, area, core)
        np.testing.assert_array_equal(together, mask_of(one, whole))
        assert together.any()


def test_growing_takes_the_neighbours_along():
    places = np.array([[200.0], [200.0]])
    exposures = dithered.exposures(4, 10, places=places, fluxes=[1e4], rays=20)
    picture = picture_of(exposures)
    bare = mask_of(exposures[0], picture)
    grown = mask_of(exposures[0], picture, settings=OutlierSettings(grow=1))
    here = inside(exposures[0])
    np.testing.assert_array_equal(grown[here], maximum_filter(bare, 3)[here])


def test_a_hit_does_not_excuse_itself():
    """With its own photon noise it would have to be five times as bright."""
    places = np.array([[200.0], [200.0]])
    (one,) = dithered.exposures(1, 12, places=places, fluxes=[0.0])
    one.image.data[:] = one.level
    one.image.data[150, 140] += 100
    found = rejected(
        one.image, one.way, np.zeros(AREA.shape, np.float32), AREA, BLOCK, one.level, 1.0, 100.0
    )
    np.testing.assert_array_equal(found, [[150, 140]])


def test_light_that_the_picture_holds_is_noisy():
    """Four predicted standard deviations are no outlier, though they are forty of the sky's."""
    places = np.array([[200.0], [200.0]])
    (one,) = dithered.exposures(1, 13, places=places, fluxes=[0.0])
    picture = np.full(AREA.shape, 99.0, np.float32)
    for off, number in ((40.0, 0), (60.0, 1)):
        one.image.data[:] = one.level + 99
        one.image.data[150, 140] += off
        found = rejected(one.image, one.way, picture, AREA, BLOCK, one.level, 1.0, 1.0)
        assert len(found) == number


def plane(tilt):
    """A picture 500 bright in the middle that rises along its columns, by a pixel of an image."""
    columns = np.arange(AREA.columns) + AREA.x0 - BLOCK.centre[0]
    return np.tile(500 + tilt / 2 * columns, (AREA.rows, 1)).astype(np.float32)


@pytest.mark.parametrize("tilt", [3.0, 30.0])
def test_what_a_tilted_plane_excuses(tilt):
    """Its gradient g, and light up to its range: 2 g along an image's rows, 2.83 g across."""
    places = np.array([[200.0], [200.0]])
    (one,) = dithered.exposures(1, 16, places=places, fluxes=[0.0])
    picture, at = plane(tilt), (150, 140)
    predicted, _ = blotted(picture, AREA, BLOCK, one.way, one.image.window)
    around = predicted[at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2].astype(float)
    extent = np.ptp(around)
    misfit = np.sqrt(tilt**2 + min(around[1, 1], extent) ** 2 + (0.1 * extent) ** 2)
    limit = np.hypot(1.2 * misfit, 5.0)
    for off, number in ((0.98 * limit, 0), (1.02 * limit, 1)):
        one.image.data[:] = predicted + np.float32(one.level)
        one.image.data[at] += off
        found = rejected(one.image, one.way, picture, AREA, BLOCK, one.level, 1.0, 0.0)
        assert len(found) == number


@pytest.mark.parametrize("wrong", [{"snr": (0.0, 4.0)}, {"scale": (np.nan, 1.0)}, {"grow": -1}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UsageError, match="positive"):
        OutlierSettings(**wrong)


def test_a_picture_of_another_area_is_refused():
    places = np.array([[200.0], [200.0]])
    one = dithered.exposures(1, 11, places=places, fluxes=[1e4])[0]
    with pytest.raises(UsageError, match="shape"):
        rejected(
            one.image, one.way, np.zeros((10, 10), np.float32), AREA, BLOCK, 0.0, 1.0, 1.0
        )  # fmt: skip
