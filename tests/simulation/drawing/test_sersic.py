"""Fourier transforms of Sersic profiles against closed forms and GalSim's."""

import galsim
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammainc

from roman_dms.simulation.drawing import sersic

K = np.logspace(-4, 2.5, 60)


def test_a_gaussian():
    expected = np.exp(-(K**2) / (4 * np.log(2)))
    assert np.abs(sersic.transform(0.5, K) - expected).max() < 2e-6


def test_an_exponential():
    b = sersic.half_light_constant(np.array(1.0))
    assert np.abs(sersic.transform(1.0, K) - (1 + (K / b) ** 2) ** -1.5).max() < 1e-6


@pytest.mark.parametrize("n", [0.31, 0.8, 2.37, 4.0])
def test_any_index_as_galsim(n):
    precise = galsim.GSParams(
        kvalue_accuracy=1e-8,
        integration_relerr=1e-9,
        integration_abserr=1e-11,
        folding_threshold=1e-4,
        maxk_threshold=1e-5,
    )
    profile = galsim.Sersic(n, half_light_radius=1, gsparams=precise)
    expected = [profile.kValue(k, 0).real for k in K]
    assert np.abs(sersic.transform(n, K) - expected).max() < 1e-5


def test_an_index_beyond_galsims():
    """At n = 8 the light inside a radius, from the transform, is the incomplete Gamma function."""
    # a Gaussian aperture: the mean of the profile under it, in both spaces
    k = np.logspace(-4, 4, 20000)
    width = 0.7
    light = np.trapezoid(
        sersic.transform(8.0, k) * np.exp(-((k * width) ** 2) / 2) * k**2, np.log(k)
    )
    b = sersic.half_light_constant(np.array(8.0))
    # by parts: the aperture's fall times the light inside, r = u^8
    expected, _ = quad(
        lambda u: gammainc(16, b * u) * np.exp(-(u**16) / (2 * width**2)) * u**15 * 8 / width**2,
        0,
        1.6,
        epsabs=1e-10,
    )
    assert light * width**2 == pytest.approx(expected, abs=1e-4)


def test_where_the_surface_brightness_ends():
    profile = galsim.Sersic(2.0, half_light_radius=1)
    radius = sersic.surface_brightness_radius(np.array([2.0]), np.array([1e-3]))[0]
    assert profile.xValue(radius, 0) == pytest.approx(1e-3, rel=1e-4)
