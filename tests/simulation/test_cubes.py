"""Cubes drawn into pixels, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from roman_dms.errors import FormatError
from roman_dms.instrument.throughput import ab_zero_point
from roman_dms.simulation.cubes import (
    OVERSAMPLE,
    Patches,
    bin_edges,
    draw_cube,
    electrons_per_flam,
    electrons_per_jansky,
    solid_angles,
)

SIGMA_PSF = 0.8
"""Of the Gaussian PSF [pixel]."""


def gaussian_psf(_wavelength: float, half: int = 12) -> np.ndarray:
    """A Gaussian integrated over pixels, at offsets of 1 / OVERSAMPLE."""
    offset = np.arange(-half * OVERSAMPLE, half * OVERSAMPLE + 1) / OVERSAMPLE
    scale = np.sqrt(2) * SIGMA_PSF
    line = (erf((offset + 0.5) / scale) - erf((offset - 0.5) / scale)) / 2
    return np.outer(line, line)


def turned_patches(shape, scale, angle, x0, y0):
    """Corners of a cube whose pixels are ``scale`` wide and turned by ``angle``."""
    v, u = np.mgrid[: shape[0] + 1, : shape[1] + 1] - 0.5
    cosine, sine = np.cos(angle), np.sin(angle)
    return Patches(x0 + scale * (cosine * u - sine * v), y0 + scale * (sine * u + cosine * v))


def gaussian_light(shape, x, y, sigma):
    v, u = np.mgrid[: shape[0], : shape[1]]
    light = np.exp(-((u - x) ** 2 + (v - y) ** 2) / 2 / sigma**2)
    return light / light.sum()


@pytest.mark.parametrize("scale", [0.3, 0.9, 2.5])
def test_flux_centroid_and_width_are_those_of_a_gaussian(scale):
    """A Gaussian source of the cube, turned, off centre: moments in closed form."""
    size = int(30 / scale)
    shape, sigma = (size, size + 3), max(1.5, 2 / scale)
    place = (0.48 * size + 0.3, 0.51 * size)
    light = gaussian_light(shape, *place, sigma)
    angle, corner = 0.4, (40.2, 30.7)
    patches = turned_patches(shape, scale, angle, *corner)
    rates = 5.0 * light[None] * np.array([[[0.25]], [[0.75]]])
    image = draw_cube(rates, np.array([1.4, 1.6]), patches, gaussian_psf, (100, 110))
    v, u = np.mgrid[:100, :110]
    assert image.sum() == pytest.approx(5.0, rel=1e-4)
    x, y = (np.sum(image * axis) / image.sum() for axis in (u, v))
    assert x == pytest.approx(
        corner[0] + scale * (np.cos(angle) * place[0] - np.sin(angle) * place[1]), abs=3e-3
    )
    assert y == pytest.approx(
        corner[1] + scale * (np.sin(angle) * place[0] + np.cos(angle) * place[1]), abs=3e-3
    )
    variance = np.sum(image * (u - x) ** 2) / image.sum()
    # Source, PSF, pixel of the detector, pixel of the cube.
    expected = (scale * sigma) ** 2 + SIGMA_PSF**2 + 1 / 12 + scale**2 / 12
    assert variance == pytest.approx(expected, rel=1e-3)


def test_pixels_are_those_of_a_gaussian_integrated_over_them():
    scale, sigma = 0.2, 12.0
    light = gaussian_light((160, 160), 80.0, 80.0, sigma)
    patches = turned_patches((160, 160), scale, 0.0, 14.0, 14.0)
    image = draw_cube(light[None], np.array([1.5]), patches, gaussian_psf, (61, 61))
    width = np.sqrt(2 * ((scale * sigma) ** 2 + SIGMA_PSF**2 + scale**2 / 12))
    edges = (np.arange(62) - 0.5 - 30.0) / width
    line = np.diff(erf(edges)) / 2
    assert np.abs(image - np.outer(line, line)).max() < 5e-3 * image.max()


def test_blocks_make_no_difference(monkeypatch):
    light = gaussian_light((50, 60), 20, 30, 8.0)
    patches = turned_patches((50, 60), 0.7, 0.3, 20.0, 5.0)
    arguments = (light[None], np.array([1.5]), patches, gaussian_psf, (80, 80))
    whole = draw_cube(*arguments)
    monkeypatch.setattr("roman_dms.simulation.cubes.BLOCK", 9.0)
    np.testing.assert_allclose(draw_cube(*arguments), whole, atol=5e-8)


def test_light_near_the_edge_is_cut_not_folded():
    light = np.ones((1, 1, 1))
    patches = turned_patches((1, 1), 0.1, 0.0, -1.0, 20.0)
    image = draw_cube(light, np.array([1.5]), patches, gaussian_psf, (40, 40))
    inside = (1 - erf(0.5 / np.sqrt(2) / SIGMA_PSF)) / 2
    assert image.sum() == pytest.approx(inside, rel=1e-2)
    assert image[:, -5:].max() < 1e-12


def test_flat_spectrum_gives_the_published_zero_point():
    """A source of AB magnitude 0 in every bin, against the mission's table."""
    edges = bin_edges(np.linspace(1.2, 2.0, 81))
    rate = 3631 * electrons_per_jansky("WFI01", "F158", edges).sum()
    assert 2.5 * np.log10(rate) == pytest.approx(ab_zero_point("WFI01", "F158"), abs=0.01)


def test_both_flux_densities_agree_in_narrow_bins():
    """f_nu dnu = f_lambda dlambda."""
    centres = np.linspace(1.3, 1.8, 501)
    edges = bin_edges(centres)
    per_flam = 2.99792458e8 / (centres * 1e-6) ** 2 * 1e-6 * 1e-26  # W/m2/micron of 1 Jy
    np.testing.assert_allclose(
        electrons_per_flam("WFI01", "F158", edges) * per_flam,
        electrons_per_jansky("WFI01", "F158", edges),
        rtol=5e-4,
        atol=1e-3,
    )


def test_solid_angles_of_a_ring_of_latitude():
    ra, dec = np.meshgrid(np.linspace(10, 10.01, 11), np.linspace(60, 60.01, 11))
    strip = np.sin(np.radians(60.01)) - np.sin(np.radians(60))
    assert solid_angles(ra, dec).sum() == pytest.approx(np.radians(0.01) * strip, rel=1e-6)


@pytest.mark.parametrize("centres", [[1.0], [1.0, 0.9], [1.0, np.nan], [-1.0, 1.0]])
def test_wavelengths_that_cannot_be_are_errors(centres):
    with pytest.raises(FormatError, match="wavelength"):
        bin_edges(np.array(centres))
