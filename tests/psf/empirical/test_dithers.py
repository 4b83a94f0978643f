from dataclasses import replace

import numpy as np
import pytest

from roman_dms.psf.empirical.dithers import combined, matched, shared_light
from roman_dms.psf.empirical.stamps import Stamps
from tests.psf.empirical import field

SHIFTS = ((0.0, 0.0), (7.5, 0.0), (0.0, 3.5), (-2.5, 5.5))


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def exposures(angle=0.0):
    one = field.exposure([], np.random.default_rng(0))
    cosine, sine = np.cos(angle), np.sin(angle)

    def to_frame(shift):
        # every exposure's WCS is off by a little
        return lambda x, y: (
            cosine * (x - shift[0]) - sine * (y - shift[1]) + 0.01 * shift[0],
            sine * (x - shift[0]) + cosine * (y - shift[1]) + 1e-5 * x,
        )

    return [replace(one, to_frame=to_frame(shift)) for shift in SHIFTS]


def images_of(places, off):
    """Stamps of stars in all exposures, found where they are plus ``off``."""
    true = np.concatenate([places + shift for shift in SHIFTS])
    count = len(true)
    stamps = Stamps(
        np.zeros((count, 3, 3), np.float32), np.ones((count, 3, 3), bool), np.ones((count, 2)),
        *np.rint(true).astype(int).T, np.repeat(np.arange(4), len(places)),
        np.tile(np.arange(len(places)), 4),
    )  # fmt: skip
    found = np.zeros((count, 4))
    found[:, 1:3] = true + off(true)
    return stamps, found, true


def test_errors_of_the_pixel_phase_average_out(rng):
    """Dithers by half a pixel take away a wave of one cycle a pixel."""
    places = rng.uniform(20, 300, (400, 2))
    stamps, found, true = images_of(places, lambda at: 0.02 * np.sin(2 * np.pi * at))
    errors = np.full(found.shape, 0.002)
    counts = np.ones(len(found), bool)
    result = combined(exposures(0.3), stamps, found, errors, counts, doubt=0.1)
    before, after = found[:, 1:3] - true, result.places - true
    assert np.std(before) > 0.012
    wave = np.sin(2 * np.pi * true)
    assert np.abs(2 * (after * wave).mean(axis=0)).max() < 0.15 * 0.02
    assert result.agree.all()


def test_a_single_image_that_is_off_does_not_count(rng):
    places = rng.uniform(20, 300, (200, 2))
    stamps, found, true = images_of(places, lambda at: rng.normal(0, 0.002, at.shape))
    found[250, 1] += 0.3
    errors = np.full(found.shape, 0.002)
    result = combined(exposures(), stamps, found, errors, np.ones(len(found), bool))
    assert not result.agree[250]
    assert result.agree.mean() > 0.99
    assert result.rms == pytest.approx(0.002 * np.sqrt(3 / 4), rel=0.1)
    others = np.arange(len(found)) != 250
    assert np.std((result.places - true)[others]) < 0.0013  # 0.002 / sqrt(4) and the WCS's fit


def test_detections_are_matched_over_a_shift(rng):
    places = rng.uniform(20, 300, (150, 2))
    order = [rng.permutation(150) for _ in SHIFTS]
    found = [
        (places + shift + [0.9, -0.6] * (np.array(i > 0)))[o].T
        for i, (shift, o) in enumerate(zip(SHIFTS, order, strict=True))
    ]
    numbers = matched(exposures(), [(x, y) for x, y in found], 1.0)
    for number, o in zip(numbers, order, strict=True):
        np.testing.assert_array_equal(number, np.argsort(order[0])[o])


def test_light_is_the_mean_of_exposures_that_count_it_differently(rng):
    """Fluxes with a wave in the phase and factors of 0.98 to 1.03: both are taken away."""
    places = rng.uniform(20, 300, (300, 2))
    stamps, found, true = images_of(places, np.zeros_like)
    factors = np.array([1.0, 0.98, 1.03, 1.01])[stamps.exposure]
    flux = np.exp(rng.uniform(5, 9, 300))[stamps.star]
    wave = 1 + 0.02 * np.sin(2 * np.pi * true[:, 0])
    found[:, 0], found[:, 3] = flux * factors * wave, 0.5
    errors = np.repeat(0.01 * flux[:, None], 4, axis=1)
    light = shared_light(stamps, found, errors, 4)
    ratio = light[:, 0] / (flux * factors)
    assert abs(ratio.mean() - 1) < 2e-3
    assert abs(2 * np.mean(ratio * np.sin(2 * np.pi * true[:, 0]))) < 0.15 * 0.02
    for number in range(4):
        assert ratio[stamps.exposure == number].mean() == pytest.approx(ratio.mean(), rel=2e-3)
    np.testing.assert_allclose(light[:, 1], 0.5)
