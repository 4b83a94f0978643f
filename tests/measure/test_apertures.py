"""Circles, ellipses and annuli against closed forms, sep and photutils."""

import numpy as np
import pytest
import sep

from roman_dms.measure.apertures import circle_share, circle_sum, ellipse_shares, sky_around
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, lattice, pull


@pytest.mark.parametrize("radius", [0.2, 0.5, 0.71, 1.3, 3.64, 14.55])
def test_shares_add_up_to_the_area(radius):
    for x, y in np.random.default_rng(4).uniform(-0.5, 0.5, (20, 2)):
        reach = range(-16, 17)
        total = sum(circle_share(i - x, j - y, radius) for i in reach for j in reach)
        assert total == pytest.approx(np.pi * radius**2, rel=1e-8)


def test_sums_as_sep_and_photutils_have_them():
    from photutils.aperture import CircularAperture, aperture_photometry

    rng = np.random.default_rng(6)
    image = rng.normal(size=(60, 60)).astype(np.float32)
    noise = np.zeros_like(image)
    for radius in (0.91, 1.82, 3.64, 7.27, 14.55):
        for x, y in rng.uniform(25, 35, (5, 2)):
            ours = circle_sum(image, noise, x, y, radius)[0]
            # with subpix=0 the overlaps of sep are exact
            exact = sep.sum_circle(image, [x], [y], radius, subpix=0)[0][0]
            peer = aperture_photometry(image.astype(float), CircularAperture((x, y), radius))
            assert ours == pytest.approx(exact, abs=1e-4)
            assert ours == pytest.approx(peer["aperture_sum"][0], abs=1e-5)


def test_light_of_a_gaussian():
    light = gaussian((101, 101), 50.3, 49.8, 4.0).astype(np.float32)
    segments = (light > 1e-6).astype(np.uint32)
    radii = (4.0, 8.0, 16.0)
    rows = measure_sources(light, np.ones_like(light), 0.0, segments, (50.3,), (49.8,), radii=radii)
    wide = 4.0**2 + 2 / 12  # light is gathered by pixels, then taken as spread evenly in them
    np.testing.assert_allclose(
        rows.circle_flux[0], 1 - np.exp(-np.square(radii) / 2 / wide), atol=3e-4
    )


@pytest.mark.parametrize("flux", [5, 200])
def test_errors_of_circles(flux):
    field = lattice(flux * gaussian((41, 41), 20.2, 20.1, 1.2), (0.2, 0.1), 24, 3.5, seed=flux)
    truth, rows = measure_sources(*field.noiseless), measure_sources(*field.arguments)
    for k in range(5):
        mean, scatter = pull(
            rows.circle_flux[:, k], truth.circle_flux[:, k], rows.circle_flux_err[:, k]
        )
        assert abs(mean) < 0.13
        assert abs(scatter - 1) < 0.1


def test_ellipse_as_sep_has_it():
    image = np.random.default_rng(7).normal(size=(60, 60)).astype(np.float32) + 10
    a, b, angle, x, y = 9.3, 4.1, 0.6, 30.2, 29.7
    cxx, cyy, cxy = (c[0] for c in sep.ellipse_coeffs([a], [b], [angle]))
    shares, total, area = np.zeros(60), 0.0, 0.0
    for row in range(60):
        first, stop = ellipse_shares(x, y, cxx, cxy, cyy, 1.0, row, shares)
        total += shares[first:stop] @ image[row, first:stop]
        area += shares[first:stop].sum()
    assert area == pytest.approx(np.pi * a * b, rel=5e-4)
    exact = sep.sum_ellipse(image, [x], [y], [a], [b], [angle], 1.0, subpix=0)[0][0]
    assert total == pytest.approx(exact, rel=5e-4)


def test_annulus_takes_sky_alone():
    from astropy.stats import sigma_clipped_stats

    rng = np.random.default_rng(8)
    light = rng.normal(3, 1, (81, 81)).astype(np.float32)
    rows, columns = np.indices(light.shape)
    distance = np.hypot(columns - 40.3, rows - 40.1)
    light[::9, ::9] += 50
    segments, variance = np.zeros(light.shape, np.uint32), np.ones_like(light)
    segments[20:30, 20:30], variance[50:55, 50:60] = 5, np.inf
    light[20:30, 20:30], light[50:55, 50:60] = 1e4, 1e4
    sky = (distance >= 10) & (distance <= 20) & (segments == 0) & np.isfinite(variance)
    _, median, scatter = sigma_clipped_stats(light[sky], sigma=3, maxiters=None)
    ours, error = sky_around(light, variance, segments, 40.3, 40.1, 10.0, 20.0)
    assert ours == pytest.approx(median, abs=0.01)
    assert error == pytest.approx(scatter * np.sqrt(np.pi / 2 / sky.sum()), rel=0.05)


def test_errors_of_the_annulus():
    rng = np.random.default_rng(9)
    light = rng.normal(size=(900, 900)).astype(np.float32)
    nothing, ones = np.zeros(light.shape, np.uint32), np.ones_like(light)
    places = [(x, y) for x in range(20, 880, 36) for y in range(20, 880, 36)]
    found = np.array([sky_around(light, ones, nothing, x, y, 10.0, 17.0) for x, y in places])
    mean, scatter = pull(found[:, 0], 0, found[:, 1])
    assert abs(mean) < 0.13
    assert abs(scatter - 1) < 0.1


def test_no_sky_no_number():
    light = np.ones((60, 60), np.float32)
    everywhere = np.ones(light.shape, np.uint32)
    assert np.isnan(sky_around(light, light, everywhere, 30.0, 30.0, 10.0, 15.0)).all()
