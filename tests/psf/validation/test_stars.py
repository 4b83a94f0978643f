import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.validation.moments import adaptive_moments
from roman_dms.psf.validation.stars import Stars, fit_stars, isolated
from tests.psf.validation.closed_form import grid, moments, star

PSF = PsfField.of(grid(0.8, 0.8))


def stars(sigma_x, sigma_y, count=60, *, noise=0.0, flux=1e5, sky=0.0, seed=1):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(100, 3900, (2, count))
    images = np.array(
        [
            flux * star(sigma_x, sigma_y, a - np.round(a), b - np.round(b)) + sky
            for a, b in zip(x, y, strict=True)
        ]
    )
    errors = np.full(images.shape, noise or 1.0)
    images = images + rng.normal(size=images.shape) * noise
    return Stars(images.astype(np.float32), errors.astype(np.float32), x, y)


def test_light_and_place_without_noise():
    given = stars(0.8, 0.8, sky=30.0)

    found = fit_stars(given, PSF, sky=True)

    np.testing.assert_allclose(found.flux, 1e5, rtol=2e-4)
    np.testing.assert_allclose(found.x, given.x, atol=2e-4)
    np.testing.assert_allclose(found.y, given.y, atol=2e-4)
    assert np.abs(found.shape).max() < 1e-3
    assert np.abs(found.residuals).max() < 1e-4


def test_by_how_much_a_star_is_wider_and_more_elliptical():
    width_x, width_y = 0.81, 0.804
    found = fit_stars(stars(width_x, width_y), PSF)

    # adaptive moments of the oversampled PSFs are what the fit is to tell
    one, other = (
        adaptive_moments(g.samples[0, 0, 0], sigma=4.0)
        for g in (grid(0.8, 0.8), grid(width_x, width_y))
    )
    assert np.mean(found.shape[:, 0]) == pytest.approx(other.size[0] / one.size[0] - 1, rel=0.03)
    assert np.mean(found.shape[:, 1]) == pytest.approx(other.e1[0] - one.e1[0], rel=0.03)
    assert np.mean(found.shape[:, 2]) == pytest.approx(0, abs=1e-4)
    exact = moments(width_x, width_y)
    assert other.size[0] / 16 == pytest.approx(exact[0], rel=0.01)


def test_errors_are_what_they_say():
    found = fit_stars(stars(0.8, 0.8, 600, noise=20.0), PSF)

    pull = (found.flux - 1e5) / 1e5 * found.significance
    assert np.std(pull) == pytest.approx(1, abs=0.1)
    assert abs(np.mean(pull)) < 4 / np.sqrt(600)
    for pulls in (found.shape / found.shape_error).T:
        assert np.std(pulls) == pytest.approx(1, abs=0.1)
        assert abs(np.mean(pulls)) < 4 / np.sqrt(600)
    assert np.mean(found.chi2) == pytest.approx(1, abs=0.01)


def test_threads_change_nothing():
    given = stars(0.8, 0.8, 600, noise=20.0)

    one, two = (fit_stars(given, PSF, workers=workers) for workers in (1, 3))

    np.testing.assert_array_equal(one.shape, two.shape)
    np.testing.assert_array_equal(one.flux, two.flux)


def test_stars_that_are_none():
    given = stars(0.8, 0.8, 4, noise=20.0)
    given.images[0] = 0
    given.images[1] *= -1
    given.errors[2] = np.inf

    found = fit_stars(given, PSF)

    assert np.isnan(found.flux[:3]).all()
    assert np.isfinite(found.flux[3])


def test_pixels_that_say_nothing_are_left_out():
    given = stars(0.8, 0.8, 20)
    given.images[:, 10, 12] = 1e9
    given.errors[:, 10, 12] = np.inf

    found = fit_stars(given, PSF)

    np.testing.assert_allclose(found.flux, 1e5, rtol=2e-4)
    assert (found.residuals[:, 10, 12] == 0).all()


def test_cutting_stars_out():
    image = np.arange(400.0).reshape(20, 20)
    err = np.ones((20, 20))
    err[9, 9] = np.nan
    lost = np.zeros((20, 20), bool)
    lost[11, 10] = True

    found = Stars.cut(
        image, err, [10.3, 1.0, 18.9], [9.8, 9.0, 9.0], half=2, unusable=lost, flux=[5.0, 6.0, 7.0]
    )

    assert len(found) == 1
    np.testing.assert_array_equal(found.x, [10.3])
    np.testing.assert_array_equal(found.flux, [5.0])
    assert found.images[0, 2, 2] == image[10, 10]
    assert np.isinf(found.errors[0, 1, 1])
    assert np.isinf(found.errors[0, 3, 2])


def test_neighbours_that_matter():
    x = np.array([0.0, 5.0, 100.0, 104.0, 300.0])
    y = np.zeros(5)
    flux = np.array([1000.0, 9.0, 1000.0, 11.0, 1.0])

    np.testing.assert_array_equal(
        isolated(x, y, flux, radius=10.0), [True, False, False, False, True]
    )
    np.testing.assert_array_equal(isolated(x, y, flux, radius=4.5)[:2], [True, True])


def test_what_cannot_be_meant():
    image = np.ones((1, 5, 5), np.float32)
    with pytest.raises(UsageError, match="places"):
        Stars(image, image, np.zeros(2), np.zeros(2))
    wide = np.ones((1, 101, 101), np.float32)
    with pytest.raises(UsageError, match="reaches"):
        fit_stars(Stars(wide, wide, np.zeros(1), np.zeros(1)), PSF)
