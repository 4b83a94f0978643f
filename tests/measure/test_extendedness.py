"""spread_model against its definition with a disc drawn by GalSim, and its errors."""

import numpy as np
import pytest

from roman_dms.measure.extendedness import DISC, full_width, star_model
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, gaussian_psf, lattice, pull


def measure(light, x, y, psf, variance=None, segments=None):
    if segments is None:
        segments = (light > 1e-4 * light.max()).astype(np.uint32)
    variance = np.ones(light.shape, np.float32) if variance is None else variance
    count = int(segments.max())
    return measure_sources(
        light.astype(np.float32), variance, 0.0, segments, [x] * count, [y] * count, psf=psf
    )


@pytest.fixture(scope="module")
def psf():
    return gaussian_psf(1.2)


def test_a_galaxy_by_the_definition(psf):
    import galsim

    star = galsim.Gaussian(sigma=1.2)
    disc = galsim.Exponential(scale_radius=DISC * full_width(psf))
    size = 2 * star_model(psf).half + 1

    def drawn(profile):
        moved = profile.shift(0.2, -0.1)
        return moved.drawImage(nx=size, ny=size, scale=1.0, dtype=float).array

    p, g = drawn(star), drawn(galsim.Convolve(star, disc))
    galaxy = galsim.Convolve(star, galsim.Gaussian(sigma=0.8))
    expected = np.sum(g * drawn(galaxy)) / np.sum(p * drawn(galaxy)) - np.sum(g * p) / np.sum(p * p)
    light = galaxy.shift(0.2, -0.1).drawImage(nx=61, ny=61, scale=1.0, dtype=float).array
    rows = measure(light, 30.2, 29.9, psf)
    # the disc's variance is taken, not its profile
    assert rows.extendedness[0] == pytest.approx(expected, rel=0.1)


def test_a_star_is_a_star_whatever_is_left_out(psf):
    light = 100 * gaussian((61, 61), 30.2, 29.9, 1.2)
    variance = np.ones(light.shape, np.float32)
    variance[29:31, 31], variance[:, 33] = np.inf, np.inf
    segments = (light > 1e-3).astype(np.uint32)
    segments[35:] = 2
    rows = measure(np.where(np.isfinite(variance), light, 1e5), 30.2, 29.9, psf, variance, segments)
    assert rows.extendedness[0] == pytest.approx(0, abs=1e-5)
    assert not rows.is_extended[0]


@pytest.mark.parametrize("signal_to_noise", [7, 30, 300])
def test_errors(psf, signal_to_noise):
    shape = gaussian((33, 33), 16.2, 16.1, 1.2)
    square, pixels = signal_to_noise**2, 1 / np.sum(shape**2)
    flux = 0.5 * (square * 0.007 + np.sqrt((square * 0.007) ** 2 + 4 * square * 0.01 * pixels))
    field = lattice(flux * shape, (0.2, 0.1), 26, 4.0, seed=signal_to_noise)
    rows = measure_sources(*field.arguments, psf=psf)
    mean, scatter = pull(rows.extendedness, 0, rows.extendedness_err)
    assert abs(mean) < 0.13
    assert abs(scatter - 1) < 0.1
    assert rows.is_extended.mean() < (0.06 if signal_to_noise < 10 else 0.002)


def test_resolved_sources_are_extended(psf):
    field = lattice(60 * gaussian((33, 33), 16.2, 16.1, 1.8), (0.2, 0.1), 12, 4.0)
    assert measure_sources(*field.arguments, psf=psf).is_extended.mean() > 0.99


def test_without_a_psf_it_is_not_known():
    field = lattice(60 * gaussian((33, 33), 16.2, 16.1, 1.8), (0.2, 0.1), 2, 4.0)
    rows = measure_sources(*field.arguments)
    assert np.isnan(rows.extendedness).all()
    assert not rows.is_extended.any()
