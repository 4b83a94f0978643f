"""The solve by detectors against one dense least-squares problem by scipy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from roman_dms.astrometry.placement import fitted, resting
from roman_dms.astrometry.plane import ARCSEC, Attitude
from roman_dms.astrometry.priors import KnownPlace, Priors
from roman_dms.astrometry.stars import Exposure
from tests.astrometry.simulated_exposure import DETECTORS, simulated, turn

PRIORS = Priors(linear=5e-6, common_scale=4e-6)


@pytest.fixture(scope="module")
def problem():
    """Stars of three detectors, one of which has a single star."""
    made = simulated(1, gaia=6, others=0, names=DETECTORS[:3])
    exposure = Exposure.of(made.detections)
    partner = np.concatenate([made.partner[name] for name in made.detections])
    kept = (exposure.detector < 2) | (np.arange(len(exposure)) == len(exposure) - 1)
    exposure = exposure.only(kept)
    reference = made.reference
    covariance = reference.covariance[partner[kept]] * 1e-6 + np.eye(2) * 4e-7
    return exposure, reference.points[partner[kept]], np.linalg.inv(covariance)


def model(values: np.ndarray, exposure: Exposure) -> np.ndarray:
    """The same model written with rotations of the sphere."""
    own = values[4:].reshape(-1, 6)[exposure.detector]
    away = exposure.points - exposure.centres[exposure.detector]
    tx, ty, r, s, a, b = own.T
    moved = exposure.points + np.column_stack(
        [
            tx + (s + a) * away[:, 0] + (b - r) * away[:, 1],
            ty + (b + r) * away[:, 0] + (s - a) * away[:, 1],
        ]
    )
    rays = np.column_stack([np.ones(len(moved)), ARCSEC * moved * (1 + values[3])])
    turned = turn((values[0], values[1]), values[2] / ARCSEC).apply(rays)
    return turned[:, 1:] / turned[:, :1] / ARCSEC


def test_all_terms_and_their_covariance_are_those_of_a_dense_solve(problem):
    exposure, expected, information = problem
    own = [0.03, 0.03, 20 * ARCSEC, 1e-5, 5e-6, 5e-6]
    sigma = np.array([30, 30, 600 * ARCSEC, 4e-6, *own * 3])
    roots = np.linalg.cholesky(information).transpose(0, 2, 1)

    def misses(scaled):
        miss = expected - model(sigma * scaled, exposure)
        return np.concatenate([np.einsum("nab,nb->na", roots, miss).ravel(), scaled])

    dense = least_squares(misses, np.full(22, 1e-3), "3-point", xtol=1e-15, ftol=1e-15, gtol=1e-12)
    covariance = sigma[:, np.newaxis] * np.linalg.inv(dense.jac.T @ dense.jac) * sigma
    placement = resting(exposure, Attitude(), PRIORS)
    for _ in range(4):
        placement = fitted(
            placement, exposure.points, expected, information, exposure.detector, PRIORS
        )
    truth, error = sigma * dense.x, np.sqrt(np.diag(covariance))
    attitude = placement.attitude
    shared = [attitude.xi, attitude.eta, attitude.roll * ARCSEC, attitude.scale]
    found = np.concatenate([shared, placement.own.ravel()])
    np.testing.assert_array_less(np.abs(found - truth), 5e-3 * error)
    for detector in range(3):
        at = np.r_[0:4, 4 + 6 * detector : 10 + 6 * detector]
        scale = np.outer(error[at], error[at])
        np.testing.assert_allclose(
            placement.covariance[detector] / scale, covariance[np.ix_(at, at)] / scale, atol=2e-3
        )
    held = np.trace(covariance / sigma**2)
    assert placement.freedom == pytest.approx(22 - held, abs=0.01)


def test_a_known_place_is_a_prior_with_its_covariance(problem):
    """Of the detector with one star, its terms correlated."""
    exposure, expected, information = problem
    sigma = np.array([0.002, 0.003, 3 * ARCSEC, 2e-6, 1e-6, 1e-6])
    correlation = np.full((6, 6), 0.6) + 0.4 * np.eye(6)
    mean = np.array([0.02, -0.05, 15 * ARCSEC, -1e-5, 2e-6, 1e-6])
    place = KnownPlace(mean, correlation * np.outer(sigma, sigma))
    priors = replace(PRIORS, places={exposure.names[2]: place})
    wide = np.array([0.03, 0.03, 20 * ARCSEC, 1e-5, 5e-6, 5e-6])
    unit = np.array([30, 30, 600 * ARCSEC, 4e-6, *wide, *wide, *sigma])
    centre = np.concatenate([np.zeros(16), mean])
    roots = np.linalg.cholesky(information).transpose(0, 2, 1)
    whitened = np.linalg.inv(np.linalg.cholesky(correlation))

    def misses(scaled):
        miss = expected - model(centre + unit * scaled, exposure)
        seen = np.einsum("nab,nb->na", roots, miss).ravel()
        return np.concatenate([seen, scaled[:16], whitened @ scaled[16:]])

    dense = least_squares(misses, np.full(22, 1e-3), "3-point", xtol=1e-15, ftol=1e-15, gtol=1e-12)
    error = unit * np.sqrt(np.diag(np.linalg.inv(dense.jac.T @ dense.jac)))
    placement = resting(exposure, Attitude(), priors)
    np.testing.assert_array_equal(placement.own[2], mean)
    for _ in range(4):
        placement = fitted(
            placement, exposure.points, expected, information, exposure.detector, priors
        )
    truth = centre + unit * dense.x
    assert np.max(np.abs(placement.own.ravel() - truth[4:]) / error[4:]) < 5e-3
    found = np.sqrt(np.diagonal(placement.covariance[:, 4:, 4:], axis1=1, axis2=2))
    np.testing.assert_allclose(found.ravel(), error[4:], rtol=2e-3)


def test_the_predicted_error_is_that_of_drawn_terms(problem):
    exposure, expected, information = problem
    placement = fitted(
        resting(exposure, Attitude(), PRIORS), exposure.points, expected, information,
        exposure.detector, PRIORS,
    )  # fmt: skip
    grid = exposure.centres[1] + np.random.default_rng(1).uniform(-200, 200, (40, 2))
    rng = np.random.default_rng(2)
    draws = rng.multivariate_normal(np.zeros(10), placement.covariance[1], 500)
    only = Exposure(
        ("one",), grid, np.ones(40), np.zeros(40), np.zeros(40, int), np.arange(40),
        exposure.centres[[1]], exposure.areas[[1]],
    )  # fmt: skip
    errors = [np.square(model(draw, only) - grid).sum(axis=1).mean() for draw in draws]
    rms = 1e3 * np.sqrt(np.mean(errors))
    assert placement.predicted_rms(1, grid) == pytest.approx(rms, rel=0.08)


def test_a_prior_of_zero_holds_a_term(problem):
    exposure, expected, information = problem
    priors = Priors(rotation=0, scale=0, linear=0, common_scale=0)
    placement = fitted(
        resting(exposure, Attitude(), PRIORS), exposure.points, expected, information,
        exposure.detector, priors,
    )  # fmt: skip
    assert (placement.own[:, 2:] == 0).all()
    assert placement.attitude.scale == 0
    assert np.abs(placement.own[:, :2]).max() > 1e-3


def test_the_affine_form_is_the_model_on_its_detector(problem):
    exposure, expected, information = problem
    start = resting(exposure, Attitude(9.0, -5.0, 80.0), PRIORS)
    there = expected + np.array([7.4, -3.8])
    placement = fitted(start, exposure.points, there, information, exposure.detector, PRIORS)
    matrix, shift = placement.affine(0)
    own = exposure.points[exposure.detector == 0]
    exact = placement.applied(own, np.zeros(len(own), int))
    assert np.abs(own @ matrix.T + shift - exact).max() < 2.5e-5
