"""Added light in resultants and rate images, against the statistics of photons."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.instrument.ma_tables import ma_table
from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.injection import (
    Response,
    add_to_rate,
    add_to_resultants,
    effective_time,
)

PATTERN = ma_table(4).read_pattern
SHAPE = (150, 40)


def response(shape=SHAPE, gain=1.8, curve=0.0, saturation=54000.0):
    """Pixels that count y (1 - curve y / 65535)."""
    inverse = np.zeros((3, *shape), np.float32)
    inverse[1], inverse[2] = 1, -curve / 65535
    return Response(
        np.full(shape, gain, np.float32), inverse, np.full(shape, saturation, np.float32)
    )


def flat_ramp(shape=SHAPE, level=2000, pattern=PATTERN):
    return np.full((len(pattern), *shape), level, np.uint16)


def test_light_without_noise_grows_with_the_time_of_the_reads():
    rate = np.zeros(SHAPE, np.float32)
    rate[3, 4], rate[149, 39] = 50.0, 200.0
    added = add_to_resultants(flat_ramp(), rate, response(), PATTERN, 1, noise=False)
    change = added.astype(int) - flat_ramp()
    np.testing.assert_allclose(change[:, 3, 4], 50 / 1.8 * PATTERN.mean_times, atol=0.5)
    np.testing.assert_allclose(change[:, 149, 39], 200 / 1.8 * PATTERN.mean_times, atol=0.5)
    change[:, 3, 4] = change[:, 149, 39] = 0
    assert not change.any()


def test_covariance_of_resultants_is_that_of_a_poisson_process():
    """Brandt (2024), equations 10 to 14: a t_i and a tau_i; 60,000 pixels."""
    shape, rate, gain = (300, 200), 40.0, 1.5
    added = add_to_resultants(
        flat_ramp(shape), np.full(shape, rate, np.float32), response(shape, gain), PATTERN, 3
    )
    found = np.cov(added.reshape(len(PATTERN), -1).astype(float)) * gain**2
    t = PATTERN.mean_times
    expected = rate * np.minimum.outer(t, t)
    np.fill_diagonal(expected, rate * PATTERN.variance_times + gain**2 / 12)
    spread = np.outer(np.diag(expected), np.diag(expected)) + expected**2
    pulls = (found - expected) / np.sqrt(spread / added[0].size)
    assert np.abs(pulls).max() < 4
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=0.03)
    assert added.mean(axis=(1, 2)) - 2000 == pytest.approx(rate * t / gain, rel=3e-3)


def test_the_slope_of_the_response_at_the_level_counts():
    """m = y - c y^2: light on top of a ramp that is half full already."""
    curve, pattern = 0.2, ReadPattern([[1], [2], [3]], 10.0)
    steady = np.array([20000.0, 25000.0, 30000.0])

    def measured(y):
        return y - curve / 65535 * y**2

    data = np.rint(measured(steady)).astype(np.uint16)[:, None, None] * np.ones(
        (1, 2, 2), np.uint16
    )
    rate = np.full((2, 2), 300.0, np.float32)
    added = add_to_resultants(data, rate, response((2, 2), 1.0, curve), pattern, 1, noise=False)
    expected = measured(steady + 300 * pattern.mean_times)
    np.testing.assert_allclose(added[:, 0, 0], expected, atol=1.0)


def test_saturation_is_passed_by_a_tenth_and_no_more():
    pattern = ReadPattern([[1], [2, 3], [4]], 10.0)
    rate = np.full((1, 3), 4000.0, np.float32)
    data = flat_ramp((1, 3), 1000, pattern)
    data[:, 0, 2] = 61000  # beyond already: it stays
    added = add_to_resultants(data, rate, response((1, 3), 1.0), pattern, 1, noise=False)
    reads = np.minimum(1000 + 4000 * 10.0 * np.arange(1, 5), 1.1 * 54000)
    expected = [reads[0], reads[1:3].mean(), reads[3]]
    np.testing.assert_allclose(added[:, 0, 0], expected, atol=1)
    np.testing.assert_array_equal(added[:, 0, 2], 61000)


def test_pixels_without_gain_or_polynomial_stay_as_they_are():
    dead = response((1, 3))
    dead.gain[0, 0], dead.gain[0, 1] = np.nan, 0
    dead.inverse[:, 0, 2] = np.nan
    rate = np.full((1, 3), 100.0, np.float32)
    data = flat_ramp((1, 3))
    np.testing.assert_array_equal(add_to_resultants(data, rate, dead, PATTERN, 1), data)


def test_capacitance_shares_the_charge_with_neighbours_over_band_edges():
    kernel = np.array([[0, 0.02, 0], [0.01, 0.93, 0.01], [0, 0.03, 0]])
    rate = np.zeros(SHAPE, np.float32)
    rate[63, 20] = 500.0  # bands are 64 rows high
    arguments = (flat_ramp(), rate, response(), PATTERN, 2)
    last = add_to_resultants(*arguments, noise=False, kernel=kernel)[-1].astype(int) - 2000
    full = 500 * PATTERN.exposure_time / 1.8
    np.testing.assert_allclose(last[62:65, 19:22] / full, kernel, atol=2e-5)
    noisy = add_to_resultants(*arguments, kernel=kernel)[-1].astype(int) - 2000
    np.testing.assert_allclose(noisy[62:65, 20] * 0.93, noisy[63, 20] * kernel[:, 1], atol=1)


def test_the_same_seed_gives_the_same_bits_with_any_threads():
    rate = np.random.default_rng(0).uniform(0, 50, SHAPE).astype(np.float32)
    data = flat_ramp()
    one, two, other = (
        add_to_resultants(data, rate, response(), PATTERN, seed, workers=workers)
        for seed, workers in ((1, 1), (1, 4), (2, 1))
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert (data == 2000).all()


def test_effective_time_of_photons_alone_is_that_between_first_and_last_read():
    """Photons alone: the last less the first read is the best estimate."""
    pattern = ReadPattern([[k] for k in range(1, 11)], 3.0)
    found = effective_time(pattern)(np.array([1e5], np.float32), np.array([1e-3], np.float32))
    assert found[0] == pytest.approx(27.0, rel=1e-3)


def test_effective_time_under_read_noise_is_that_of_a_straight_line():
    """Equal weights: var = 6/5 rate/t (n^2 + 1) / (n (n + 1)) (Garnett & Forrest 1993)."""
    n, pattern = 10, ReadPattern([[k] for k in range(1, 11)], 3.0)
    found = effective_time(pattern)(np.array([1e-6], np.float32), np.array([1.0], np.float32))
    assert 1 / found[0] == pytest.approx(6 / 5 / 27.0 * (n**2 + 1) / (n * (n + 1)), rel=1e-3)


@pytest.mark.parametrize("added_rate", [3.0, 300.0])
def test_variance_of_a_rate_image_is_what_it_says(added_rate):
    """100 realisations of 60 pixels, against rate / (gain^2 time), and its own variance."""
    shape, gain = (6, 10), 1.7
    image = np.full(shape, 0.4, np.float32)
    read_variance = np.full(shape, 4e-3, np.float32)
    rate = np.full(shape, added_rate, np.float32)
    drawn = np.array(
        [
            add_to_rate(image, read_variance, rate, gain, 5e4, PATTERN, seed).data
            for seed in range(100)
        ]
    )
    said = add_to_rate(image, read_variance, rate, gain, 5e4, PATTERN, 0).variance
    shortest, longest = PATTERN.exposure_time * 0.6, PATTERN.exposure_time
    assert added_rate / gain**2 / longest < said[0, 0] < added_rate / gain**2 / shortest
    assert drawn.var() == pytest.approx(float(said.mean()), rel=0.04)
    assert drawn.mean() == pytest.approx(added_rate / gain, rel=0.01)


def test_a_rate_image_without_noise_gains_the_rate():
    rate = np.zeros(SHAPE, np.float32)
    rate[5, 6] = 12.0
    added = add_to_rate(rate, rate + 1, rate, 2.0, 5e4, PATTERN, 1, noise=False)
    np.testing.assert_array_equal(added.data, rate / 2)
    assert not added.dq.any()
    assert np.count_nonzero(added.variance) == 1


def test_saturation_flags_follow_the_reads():
    """54,000 DN after all, some, one of the resultants, as the sum says."""
    last = np.array([reads[-1] for reads in PATTERN]) * PATTERN.frame_time
    image = np.full((1, 4), 10.0, np.float32)
    image[0, 3] = 1e5  # saturated already, no light added
    full = 54000 / last
    rate = np.array([[0.9 * full[-1], 1.1 * full[-1], 1.1 * full[1], 0]], np.float32) - 10
    rate[0, 3] = 0
    added = add_to_rate(image, image * 0 + 1e-3, rate, 1.0, 54000.0, PATTERN, 1)
    saturated = Pixel.SATURATED
    assert added.dq[0].tolist() == [0, saturated, saturated | Pixel.DO_NOT_USE, 0]
    # Photons count until the last resultant before saturation, which the reads of the
    # last but one (34 to 43 of 44) enclose.
    until = rate[0, 1] / added.variance[0, 1]
    assert until == pytest.approx(last[-3] - last[0], rel=0.1)
