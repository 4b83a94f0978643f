"""Places and fluxes of stars against the truth that GalSim drew."""

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.measure.point_sources import FitFlag, fit_points, model, subtracted
from tests.measure.point_sources.stars import drawn, noise_equivalent, psf

PER_LIGHT = 0.4


def lattice(count, step, rng, spread=0.5):
    """Places around the points of a square lattice."""
    grid = np.arange(count) * step + step / 2
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    return x + rng.uniform(-spread, spread, x.size), y + rng.uniform(-spread, spread, x.size)


def noisy(truth, rng, sky=1.0, per_light=PER_LIGHT):
    """An image with the noise of sky and stars, and the variance of its sky."""
    noise = rng.normal(size=truth.shape) * np.sqrt(sky + per_light * truth)
    return (truth + noise).astype(np.float32), np.full(truth.shape, sky, np.float32)


def nothing(shape):
    return np.zeros(shape, bool)


def fitted(image, variance, x, y, saturated=None, per_light=PER_LIGHT, **others):
    full = nothing(image.shape) if saturated is None else saturated
    return fit_points(image, variance, per_light, full, psf(), x, y, **others)


def pulls(fits, x, y, flux):
    return np.array(
        [
            (fits.flux - flux) / fits.flux_err,
            (fits.x - x) / fits.x_err,
            (fits.y - y) / fits.y_err,
        ]
    )


@pytest.mark.parametrize("significance", [8.0, 20.0, 60.0, 300.0, 3000.0])
def test_errors_are_true_and_nothing_is_biased(significance):
    """At S/N of the sky alone; with photon noise it is less."""
    rng = np.random.default_rng(int(significance) + 1)
    x, y = lattice(25, 22, rng)
    flux = np.full(x.size, significance * noise_equivalent())
    image, variance = noisy(drawn((550, 550), x, y, flux), rng)
    fits = fitted(image, variance, x + rng.normal(0, 0.2, x.size), y + rng.normal(0, 0.2, x.size))
    scaled = pulls(fits, x, y, flux)
    assert np.abs(np.std(scaled, axis=1) - 1).max() < 0.1
    assert abs(np.mean(fits.x - x)) < 0.15 * np.mean(fits.x_err) + 1e-4
    assert abs(np.mean(fits.y - y)) < 0.15 * np.mean(fits.y_err) + 1e-4
    # a fitted place always finds a little more light: 1 / S/N of an error, second order
    assert abs(scaled[0].mean()) < 0.12 + 1.5 / significance
    assert abs(np.mean(fits.chi2) - 1) < 0.03
    assert (fits.flags == 0).all()
    correlation = np.mean(scaled[1] * scaled[2])
    stated = np.mean(fits.xy_cov / fits.x_err / fits.y_err)
    assert correlation == pytest.approx(stated, abs=0.1)


def test_no_bias_with_the_phase_of_the_pixel():
    """20 x 20 phases without noise: places to a thousandth of a pixel, no trend."""
    phase = (np.arange(20) + 0.5) / 20 - 0.5
    u, v = (axis.ravel() for axis in np.meshgrid(phase, phase))
    x, y = lattice(20, 40, np.random.default_rng(0), 0.0)
    x, y = np.rint(x) + u, np.rint(y) + v
    flux = np.full(400, 1e4)
    image = drawn((800, 800), x, y, flux, half=39).astype(np.float32)
    start = np.rint(x), np.rint(y)
    fits = fitted(image, np.ones(image.shape, np.float32), *start)
    # what neighbours 40 pixels away leave under a star of such wings is the same for all
    assert np.abs(fits.x - x).max() < 1e-3
    assert np.abs(fits.y - y).max() < 1e-3
    assert np.std(fits.flux / flux) < 5e-4
    for error, of in ((fits.x - x, u), (fits.y - y, v)):
        waves = [np.mean(error * np.exp(2j * np.pi * k * of)) for k in (1, 2)]
        assert np.abs(waves).max() < 3e-4


@pytest.mark.parametrize("separation", [1.0, 2.0, 3.5])
def test_blends_are_solved_together(separation):
    rng = np.random.default_rng(int(separation * 10))
    x, y = lattice(14, 24, rng)
    angle = rng.uniform(0, 2 * np.pi, x.size)
    both_x = np.concatenate([x, x + separation * np.cos(angle)])
    both_y = np.concatenate([y, y + separation * np.sin(angle)])
    brightness = noise_equivalent() * np.repeat([300.0, 120.0], x.size)
    image, variance = noisy(drawn((336, 336), both_x, both_y, brightness), rng)
    fits = fitted(image, variance, both_x, both_y)
    scaled = pulls(fits, both_x, both_y, brightness)
    assert (fits.flags & FitFlag.BLENDED != 0).all()
    # one pixel apart the fainter is but a 5-sigma detection, and errors are no ellipses
    assert np.abs(np.std(scaled, axis=1) - 1).max() < (0.3 if separation < 2 else 0.12)
    assert np.abs(scaled.mean(axis=1)).max() < 0.15
    if separation < 2:  # what one gains the other loses, and the errors know
        alone = fitted(image, variance, both_x, both_y, group=np.arange(len(both_x)))
        assert np.median(fits.flux_err / alone.flux_err) > 1.2


def test_large_groups_are_cut_and_errors_stay_true():
    rng = np.random.default_rng(5)
    x, y = lattice(64, 3.1, rng, 0.5)  # linked all over
    flux = noise_equivalent() * rng.uniform(60, 200, len(x))
    image, variance = noisy(drawn((200, 200), x, y, flux), rng)
    fits = fitted(image, variance, x, y)
    spread = 1.4826 * np.median(np.abs(pulls(fits, x, y, flux)), axis=1)
    assert np.abs(spread - 1).max() < 0.2
    assert np.abs(np.median(pulls(fits, x, y, flux), axis=1)).max() < 0.2


def test_saturated_stars_are_fitted_on_their_wings():
    rng = np.random.default_rng(6)
    x, y = lattice(6, 70, rng)
    flux = np.full(x.size, 3e5)
    truth = drawn((420, 420), x, y, flux, half=34)
    full = truth > 3000
    image, variance = noisy(np.minimum(truth, 3000), rng)
    fits = fitted(image, variance, np.rint(x), np.rint(y), full)
    assert (fits.flags & FitFlag.SATURATED != 0).all()
    assert np.abs(fits.flux / flux - 1).max() < 0.015
    assert np.abs(fits.x - x).max() < 0.02
    assert np.abs(np.std(pulls(fits, x, y, flux), axis=1) - 1).max() < 0.35


def test_masked_pixels_and_edges():
    rng = np.random.default_rng(7)
    x, y = lattice(12, 20, rng)
    flux = np.full(x.size, 100 * noise_equivalent())
    image, variance = noisy(drawn((240, 240), x, y, flux), rng)
    row, column = np.rint(y).astype(int), np.rint(x).astype(int)
    for bad_row, bad_column in ((row, column + 1), (row - 2, column)):
        variance[bad_row, bad_column], image[bad_row, bad_column] = np.inf, 1e6
    fits = fitted(image, variance, x, y)
    assert np.abs(np.std(pulls(fits, x, y, flux), axis=1) - 1).max() < 0.2
    at_edge = drawn((60, 60), [0.2], [30.0], [2000.0])
    edge = fitted(
        at_edge.astype(np.float32), np.ones((60, 60), np.float32), np.zeros(1), np.full(1, 30.0)
    )
    assert edge.flags[0] & FitFlag.EDGE
    assert edge.x[0] == pytest.approx(0.2, abs=2e-3)
    assert edge.flux[0] == pytest.approx(2000, rel=0.01)


def test_stars_that_cannot_be_fitted_say_so():
    image, variance = np.zeros((50, 50), np.float32), np.full((50, 50), np.inf, np.float32)
    variance[:, :20] = 1
    x, y = np.array([40.0, 10.0, 300.0, np.nan]), np.array([25.0, 25.0, 10.0, 10.0])
    fits = fitted(image - 5 * (variance == 1).astype(np.float32), variance, x, y)
    unfit = FitFlag.NOT_FITTED
    assert list(fits.flags & unfit != 0) == [True, False, True, True]
    assert np.isnan(fits.flux[[0, 2, 3]]).all()
    assert fits.flags[1] & FitFlag.NEGATIVE
    assert fits.flux[1] < 0
    assert np.isnan(fits.x_err[1])


def test_no_stars():
    fits = fitted(np.zeros((20, 20), np.float32), np.ones((20, 20), np.float32), *np.zeros((2, 0)))
    assert len(fits) == 0


def test_units_do_not_matter():
    rng = np.random.default_rng(8)
    x, y = lattice(5, 20, rng)
    image, variance = noisy(drawn((100, 100), x, y, np.full(25, 500.0)), rng)
    one = fitted(image, variance, x, y)
    scale = np.float32(2.0**-40)
    other = fitted(image * scale, variance * scale**2, x, y, per_light=PER_LIGHT * float(scale))
    assert np.allclose(one.x, other.x, atol=1e-5)
    assert np.allclose(one.flux, other.flux / scale, rtol=1e-5)
    assert np.allclose(one.flux_err, other.flux_err / scale, rtol=1e-5)


def test_threads_change_nothing():
    rng = np.random.default_rng(9)
    x, y = rng.uniform(0, 400, (2, 3000))
    image, variance = noisy(drawn((400, 400), x, y, rng.uniform(50, 2000, 3000), half=12), rng)
    one = fitted(image, variance, x, y, workers=1)
    three = fitted(image, variance, x, y, workers=3)
    for name in vars(one):
        assert np.array_equal(getattr(one, name), getattr(three, name), equal_nan=True)


def test_the_residual_holds_no_stars():
    rng = np.random.default_rng(10)
    x, y = lattice(4, 60, rng)
    flux = np.geomspace(1e3, 1e6, 16)
    image = drawn((240, 240), x, y, flux, half=38).astype(np.float32)
    fits = fitted(image, np.ones(image.shape, np.float32), x, y)
    left = subtracted(image, fits, psf(), 0.03)
    assert np.abs(left).max() < 2e-3 * image.max()
    assert np.std(left) < 0.02 * np.std(image)
    assert np.array_equal(image - left, image - (image - model(image.shape, fits, psf(), 0.03)))


def test_a_wide_source_has_an_extent():
    import galsim

    from tests.measure.point_sources.stars import profile

    blurred = galsim.Convolve(profile(), galsim.Gaussian(sigma=0.5))
    image = blurred.withFlux(3e4).drawImage(nx=41, ny=41, scale=1, method="sb").array
    fits = fitted(image, np.ones((41, 41), np.float32), np.full(1, 20.0), np.full(1, 20.0))
    assert fits.extent[0] > 20 * fits.extent_err[0]
    assert fits.extent[0] == pytest.approx(0.25, rel=0.4)


def test_arrays_that_do_not_fit_are_refused():
    image = np.zeros((20, 20), np.float32)
    with pytest.raises(UsageError, match="shapes"):
        fitted(image, np.ones((20, 21), np.float32), np.ones(1), np.ones(1))
    with pytest.raises(UsageError, match="Places"):
        fitted(image, image + 1, np.ones(2), np.ones(1))
