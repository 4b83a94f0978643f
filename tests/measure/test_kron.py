"""Kron photometry and half-light radii against closed forms and sep."""

import numpy as np
import pytest
import sep

from roman_dms.measure.kron import radius_with
from roman_dms.measure.measurements import Caution
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, lattice, pull


def measure(light, segments, x, y):
    return measure_sources(light, np.ones_like(light), 0.0, segments, [x], [y])


def test_kron_of_a_gaussian():
    light = gaussian((151, 151), 75.2, 74.9, 4.0).astype(np.float32)
    rows = measure(light, (light > 1e-7).astype(np.uint32), 75.2, 74.9)
    # mean r of a Gaussian is sqrt(pi / 2) sigma, below the smallest that is used
    assert rows.kron_radius[0] == pytest.approx(1.4)
    assert rows.kron_semimajor[0] == pytest.approx(3.5 * rows.semimajor[0], rel=1e-5)
    assert rows.kron_flux[0] == pytest.approx(1 - np.exp(-(3.5**2) / 2), abs=2e-4)
    half = np.sqrt(-2 * np.log(1 - 0.5 * rows.kron_flux[0])) * np.sqrt(4**2 + 2 / 12)
    assert rows.fluxfrac_radius_50[0] == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize("index", [1.0, 4.0])
def test_galaxies_as_sep_measures_them(index):
    import galsim

    galaxy = galsim.Sersic(n=index, half_light_radius=4.0).shear(g1=0.2, g2=0.15)
    galaxy = galsim.Convolve(galaxy, galsim.Gaussian(sigma=1.2))
    light = 1e4 * galaxy.drawImage(nx=161, ny=161, scale=1.0).array.astype(np.float32)
    rng = np.random.default_rng(1)
    light += rng.normal(0, 0.3, light.shape).astype(np.float32)
    segments = (galaxy.drawImage(nx=161, ny=161, scale=1.0).array > 2e-4).astype(np.uint32)
    rows = measure(light, segments, 80.0, 80.0)
    x, y, a, b = rows.x_centroid, rows.y_centroid, rows.semimajor, rows.semiminor
    angle = np.radians(rows.orientation_pix)
    radius, _ = sep.kron_radius(light, x, y, a, b, angle, 6.0)
    assert rows.kron_radius[0] == pytest.approx(max(radius[0], 1.4), rel=3e-3)
    flux, _, _ = sep.sum_ellipse(light, x, y, a, b, angle, 2.5 * rows.kron_radius, subpix=0)
    assert rows.kron_flux[0] == pytest.approx(flux[0], rel=1e-4)
    inside, _, _ = sep.sum_circle(light, x, y, rows.fluxfrac_radius_50, subpix=0)
    assert inside[0] == pytest.approx(0.5 * flux[0], rel=3e-4)


@pytest.mark.parametrize("flux", [20, 200])
def test_errors_of_kron_fluxes(flux):
    field = lattice(flux * gaussian((41, 41), 20.2, 20.1, 1.5), (0.2, 0.1), 24, 4.0, seed=flux)
    truth, rows = measure_sources(*field.noiseless), measure_sources(*field.arguments)
    mean, scatter = pull(rows.kron_flux, truth.kron_flux, rows.kron_flux_err)
    # noise in the ellipse's size moves the mean
    assert abs(mean) < 0.35
    assert abs(scatter - 1) < 0.12


def test_radius_with_any_share():
    light = gaussian((81, 81), 40.0, 40.0, 5.0).astype(np.float32)
    for share in (0.05, 0.3, 0.9):
        radius = radius_with(light, light, 40.0, 40.0, share, 30.0)
        expected = np.sqrt(-2 * np.log(1 - share) * (25 + 2 / 12))
        assert radius == pytest.approx(expected, rel=2e-3)
    assert np.isnan(radius_with(light, light, 40.0, 40.0, 1.5, 30.0))
    assert np.isnan(radius_with(light, light, 40.0, 40.0, -0.1, 30.0))


def test_noise_alone_has_the_smallest_ellipse_and_a_flag():
    light = np.full((81, 81), -1.0, np.float32)
    light[40, 40] = 1
    segments = np.zeros(light.shape, np.uint32)
    segments[39:42, 39:42] = 1
    rows = measure(light, segments, 40.0, 40.0)
    assert rows.kron_radius[0] == pytest.approx(1.4)
    assert rows.warning_flags[0] & Caution.KRON_LIMITED
    assert np.isnan(rows.fluxfrac_radius_50[0])
    assert np.isnan(rows.x_centroid_win[0])
