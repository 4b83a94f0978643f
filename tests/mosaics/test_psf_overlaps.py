"""Overlaps of PSFs against Gaussians, whose products are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.mosaics.psf_overlaps import Broadened, Gaussian, PixelResponse, psf_overlaps

SIGMAS = (0.75, 0.9)
"""Of two PSFs [pixel of the detector]."""

TURN = np.array([[0.45, -0.2], [0.2, 0.5]])
FWHM = np.sqrt(8 * np.log(2))


def response(sigma: float, matrix: np.ndarray = TURN) -> PixelResponse:
    place = np.arange(-40, 41) / 5
    profile = np.exp(-(place**2) / 2 / sigma**2) / np.sqrt(2 * np.pi) / sigma
    return PixelResponse(np.outer(profile, profile), 5, matrix)


def normal(offset: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(n,) a Gaussian of a covariance at offsets (2, n)."""
    power = np.einsum("in,ij,jn->n", offset, np.linalg.inv(covariance), offset)
    return np.exp(-power / 2) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))


@pytest.fixture(scope="module")
def offsets() -> np.ndarray:
    return np.random.default_rng(1).uniform(-9, 9, (2, 300))


def on_mosaic(sigma: float) -> np.ndarray:
    """Covariance of a PSF in mosaic pixels."""
    back = np.linalg.inv(TURN)
    return sigma**2 * back @ back.T


def test_pairs_and_targets_are_the_integrals_of_products(offsets: np.ndarray) -> None:
    width = 2.1
    tables = psf_overlaps([response(s) for s in SIGMAS], Gaussian(width * FWHM), 10.0)
    norm = 1 / (4 * np.pi * width**2)
    origin, found = np.zeros((2, 1)), np.empty((300, 1))
    tables.of_pair(1, 0, offsets, origin, found)
    truth = normal(offsets, on_mosaic(SIGMAS[0]) + on_mosaic(SIGMAS[1])) / norm
    assert np.abs(found[:, 0] - truth).max() < 1e-6
    tables.with_target(1, origin, offsets, found)
    truth = normal(offsets, on_mosaic(SIGMAS[1]) + width**2 * np.eye(2)) / norm
    assert np.abs(found[:, 0] - truth).max() < 1e-6


def test_the_target_is_drawn_on_whole_pixels() -> None:
    width = 1.8
    psf = psf_overlaps([response(0.8)], Gaussian(width * FWHM), 10.0, half=9).psf
    y, x = np.indices(psf.shape) - 9
    truth = np.exp(-(x**2 + y**2) / 2 / width**2) / (2 * np.pi * width**2)
    assert np.abs(psf - truth).max() < 1e-7


def test_a_broadened_target_is_the_mean_psf_blurred() -> None:
    blur = 1.5
    psf = psf_overlaps([response(s) for s in SIGMAS], Broadened(blur * FWHM), 10.0).psf
    y, x = np.indices(psf.shape).reshape(2, -1) - 12
    places = np.stack([x, y])
    truth = np.mean([normal(places, on_mosaic(s) + blur**2 * np.eye(2)) for s in SIGMAS], axis=0)
    assert np.abs(psf.ravel() - truth).max() < 1e-6


def test_light_beyond_the_samples_is_told() -> None:
    place = np.arange(-6, 7) / 4
    profile = np.exp(-(place**2) / 2) / np.sqrt(2 * np.pi)
    narrow = PixelResponse(np.outer(profile, profile), 4, np.eye(2))
    assert narrow.enclosed == pytest.approx(profile.sum() ** 2 / 16)
    assert narrow.over(0.125, 64).sum() / 64 == pytest.approx(1)


def test_a_psf_without_light_and_tables_without_end_are_refused() -> None:
    dark = PixelResponse(np.zeros((9, 9)), 4, np.eye(2))
    with pytest.raises(UsageError, match="no light"):
        psf_overlaps([dark], Gaussian(4), 10.0)
    with pytest.raises(UsageError, match="samples along an axis"):
        psf_overlaps([response(0.8)], Gaussian(4), 1e4)
