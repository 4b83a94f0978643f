"""Other sources and bad pixels leave a source's measurements alone."""

import numpy as np
import pytest

from roman_dms.measure.measurements import Caution
from roman_dms.measure.neighbours import nearest
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, pull

SHAPE, RADII = (101, 101), (2.0, 4.0, 8.0)
VARIANCE = np.full(SHAPE, 1e-6, np.float32)


def measure(light, segments, x, y, variance=VARIANCE):
    return measure_sources(light.astype(np.float32), variance, 0.0, segments, x, y, radii=RADII)


@pytest.fixture(scope="module")
def alone():
    light = gaussian(SHAPE, 50.2, 49.9, 1.6)
    return light, measure(light, (light > 1e-4).astype(np.uint32), (50.2,), (49.9,))


def test_a_brighter_neighbour_does_not_leak(alone):
    light, expected = alone
    other = 20 * gaussian(SHAPE, 61.3, 53.1, 1.6)
    segments = np.zeros(SHAPE, np.uint32)
    segments[light > 1e-5] = 1
    # down to 1e-5 of the neighbour's light
    segments[(other > light) & (other > 2e-4)] = 2
    rows = measure(light + other, segments, (50.2, 61.3), (49.9, 53.1))
    plain = (light + other)[np.hypot(*(np.indices(SHAPE).T - (49.9, 50.2)).T).T < 8].sum()
    assert plain > 1.1  # what would be measured without care
    np.testing.assert_allclose(rows.circle_flux[0], expected.circle_flux[0], atol=0.01)
    assert rows.kron_flux[0] == pytest.approx(expected.kron_flux[0], abs=0.01)
    assert rows.x_centroid_win[0] == pytest.approx(50.2, abs=0.01)
    assert rows.shape_sigma[0] == pytest.approx(expected.shape_sigma[0], rel=0.01)
    assert (rows.nn_label == [2, 1]).all()


def test_unusable_pixels_are_mirrored(alone):
    light, expected = alone
    variance, holed = VARIANCE.copy(), light.copy()
    for row, column in ((49, 51), (52, 50), (45, 45), (50, 40)):
        variance[row, column], holed[row, column] = np.inf, 1e6
    rows = measure(holed, (light > 1e-4).astype(np.uint32), (50.2,), (49.9,), variance)
    np.testing.assert_allclose(rows.circle_flux[0], expected.circle_flux[0], rtol=0.03)
    assert rows.warning_flags[0] & Caution.UNUSABLE


def test_where_the_mirror_is_unusable_too_the_ring_says_what_was_there():
    # centred on a pixel, so that a ring is uniform
    light = gaussian(SHAPE, 50, 50, 3.0)
    segments = (light > 1e-5).astype(np.uint32)
    variance = VARIANCE.copy()
    variance[50, 54] = variance[50, 46] = np.inf
    rows = measure(light, segments, (50.0,), (50.0,), variance)
    expected = measure(light, segments, (50.0,), (50.0,))
    missing = 2 * light[50, 54]
    lost = np.abs(rows.circle_flux - expected.circle_flux)[0, 2]
    assert lost < 0.05 * missing


def test_at_the_edge_the_other_half_is_mirrored():
    light = gaussian(SHAPE, 50, 50, 1.6)
    whole = measure(light, (light > 1e-4).astype(np.uint32), (50.0,), (50.0,))
    cut = light[:, 50:]
    segments = (cut > 1e-4).astype(np.uint32)
    rows = measure_sources(
        cut.astype(np.float32), VARIANCE[:, 50:], 0.0, segments, (0.0,), (50.0,), radii=RADII
    )
    np.testing.assert_allclose(rows.circle_flux, whole.circle_flux, rtol=1e-5)
    assert rows.warning_flags[0] & Caution.EDGE


def test_mirrored_pixels_count_twice_in_the_error():
    rng, fluxes, errors = np.random.default_rng(3), [], []
    segments = np.zeros((41, 41), np.uint32)
    segments[:, 23:] = 2
    segments[18:23, 18:23] = 1
    for _ in range(600):
        noise = rng.normal(size=(41, 41)).astype(np.float32)
        rows = measure_sources(
            noise, np.ones_like(noise), 0.0, segments, (20.0, 30.0), (20.0, 20.0), radii=RADII
        )
        fluxes.append(rows.circle_flux[0])
        errors.append(rows.circle_flux_err[0])
    for k in range(3):
        mean, scatter = pull(np.array(fluxes)[:, k], 0, np.array(errors)[:, k])
        assert abs(mean) < 0.15
        assert abs(scatter - 1) < 0.1


def test_nearest_by_brute_force():
    x, y = np.random.default_rng(2).uniform(0, 50, (2, 80))
    x[3], y[10], x[20], y[20] = np.nan, np.nan, x[21], y[21]
    index, distance = nearest(x, y)
    away = np.hypot(x - x[:, None], y - y[:, None])
    np.fill_diagonal(away, np.inf)
    away[~np.isfinite(away)] = np.inf
    known = np.isfinite(x) & np.isfinite(y)
    np.testing.assert_allclose(distance[known], away.min(1)[known])
    assert (away[known, index[known]] == away.min(1)[known]).all()
    assert (index[~known] == -1).all()
    assert np.isnan(distance[~known]).all()


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_is_near(n):
    index, distance = nearest(np.zeros(n), np.zeros(n))
    assert (index == -1).all()
    assert np.isnan(distance).all()
