import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.weights import WEIGHTS, inverse_variance, sky_noise

SHAPE = (500, 640)
GAIN, TIME, READ = 2.0, 100.0, 0.01
"""Electrons a unit of rate; [s]; variance of reading, rate squared."""


def exposure(seed, stars=True):
    """Rates, variances as an instrument reports them (from the noisy light), usable pixels."""
    random = np.random.default_rng(seed)
    rate = np.full(SHAPE, 1.0) * np.linspace(0.8, 1.2, SHAPE[1])
    places = random.integers(20, 480, (60, 2))
    if stars:
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        for row, column in places:
            rate += 200 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4)
    truth = rate / (GAIN * TIME) + READ
    data = rate + np.sqrt(truth) * random.standard_normal(SHAPE)
    variances = {
        "var_poisson": (np.maximum(data, 0) / (GAIN * TIME)).astype(np.float32),
        "var_rnoise": np.full(SHAPE, READ, np.float32),
    }
    usable = random.random(SHAPE) > 0.05
    return data.astype(np.float32), variances, usable, places


def test_the_variance_is_that_of_the_sky():
    data, variances, usable, _ = exposure(1, stars=False)
    found = sky_noise(data, variances, usable).over(Area(0, 0, 640, 500))
    expected = np.linspace(0.8, 1.2, SHAPE[1]) / (GAIN * TIME) + READ
    np.testing.assert_allclose(found.mean(axis=0)[32:-32], expected[32:-32], rtol=0.01)
    assert found.mean() == pytest.approx(expected.mean(), rel=0.003)
    np.testing.assert_allclose(found, np.broadcast_to(expected, SHAPE), rtol=0.03)


@pytest.mark.parametrize("stars", [True, False])
def test_what_light_adds_is_that_of_photons(stars):
    data, variances, usable, _ = exposure(2, stars=stars)
    assert sky_noise(data, variances, usable).per_light == pytest.approx(
        1 / (GAIN * TIME), rel=0.02
    )


def test_stars_weigh_what_sky_weighs():
    """Bias of a star's weight 0 within 1 per cent, though its photons raise its variance
    tenfold and more."""
    data, variances, usable, places = exposure(3)
    weight = inverse_variance(
        sky_noise(data, variances, usable), Area(0, 0, 640, 500), np.ones(SHAPE, bool), 1.0
    )
    bare, parts, _, _ = exposure(3, stars=False)
    expected = inverse_variance(
        sky_noise(bare, parts, usable), Area(0, 0, 640, 500), np.ones(SHAPE, bool), 1.0
    )
    at = tuple(places.T)
    total = variances["var_poisson"] + variances["var_rnoise"]
    assert (total[at] > 10 * np.median(total)).mean() > 0.9
    ratio = weight[at] / expected[at]
    assert abs(ratio.mean() - 1) < 0.01
    assert np.abs(ratio - 1).max() < 0.05


def test_weights_do_not_follow_the_noise_of_their_pixels():
    data, variances, usable, _ = exposure(4, stars=False)
    whole = Area(0, 0, 640, 500)
    weight = inverse_variance(sky_noise(data, variances, usable), whole, usable, 1.0)
    above = data - np.linspace(0.8, 1.2, SHAPE[1])
    mean = np.sum(weight * above) / weight.sum()
    assert abs(mean) < 4 * above.std() / np.sqrt(usable.sum())
    naive = 1 / (variances["var_poisson"] + variances["var_rnoise"])
    assert np.sum(naive * above) / naive.sum() < -5 * above.std() / np.sqrt(above.size)


def test_windows_are_parts_of_the_whole():
    data, variances, usable, _ = exposure(5)
    noise = sky_noise(data, variances, usable, factor=9.0)
    whole, window = Area(0, 0, 640, 500), Area(601, 33, 39, 101)
    at = whole.slices(window)
    np.testing.assert_allclose(noise.over(window), noise.over(whole)[at], rtol=1e-6)
    for weigh in WEIGHTS.values():
        part = weigh(noise, window, usable[at], 107.0)
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part > 0, usable[at])
    assert WEIGHTS["exposure_time"](noise, window, usable[at], 107.0).max() == 107
    plain = sky_noise(data, variances, usable)
    np.testing.assert_allclose(noise.mesh, 9 * plain.mesh)
    assert noise.per_light == pytest.approx(9 * plain.per_light)


def test_an_unusable_image_weighs_nothing():
    data, variances, usable, _ = exposure(6)
    usable[:] = False
    noise = sky_noise(data, variances, usable)
    assert not inverse_variance(noise, Area(0, 0, 640, 500), usable, 1.0).any()


def test_photons_are_needed():
    data, variances, usable, _ = exposure(7)
    del variances["var_poisson"]
    with pytest.raises(UsageError, match="var_poisson"):
        sky_noise(data, variances, usable)
