"""Sersic profiles of any index and their Fourier transforms.

With r in scale lengths the profile exp(-r^(1/n)) is a Mellin-Barnes integral of
Gamma functions, and the Hankel transform of a power is a ratio of Gamma
functions, so that the transform of the profile with a light of 1 is

    F(k) = 1 / (2 pi Gamma(2 n)) int Gamma(n s) Gamma(1 - s/2) / Gamma(s/2)
           2^(1 - s) k^(s - 2) dt,    s = c + i t,  1/2 < c < 2

The integrand falls as exp(-pi n |t| / 2): a plain sum over t converges
exponentially.  The profile is not truncated.  Sersic 1968; Graham & Driver 2005
(PASA 22, 118); Mellin transforms as in Fang & Wang 2020 (JCAP 2020, 010).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import scipy.special
from numba import njit
from numpy.typing import NDArray

SMALLEST, LARGEST = 0.3, 8.0
"""Range of the Sersic index."""

LOG_FIRST, LOG_LAST, WAVES = np.log(1e-4), np.log(1e4), 512
"""Table of wavenumber times half-light radius, equally spaced in its logarithm."""

INDICES = 48
"""Sersic indices in the table, equally spaced in their logarithm."""

STEPS, WIDEST = 200, 100
"""Steps a unit of the square root of wavenumber times half-light radius in the table that is
interpolated linearly, and where it ends."""

CONTOUR = 1.5
"""Real part of s."""


class SersicTable(NamedTuple):
    """Transforms of profiles with a light of 1 and a half-light radius of 1."""

    log_indices: NDArray[np.float64]
    """(index,)."""
    values: NDArray[np.float64]
    """(index, wave)."""


def half_light_constant(n: NDArray[np.float64]) -> NDArray[np.float64]:
    """What b is in exp(-b r^(1/n)), with r in half-light radii."""
    constant: NDArray[np.float64] = scipy.special.gammaincinv(2 * n, 0.5)
    return constant


def surface_brightness_radius(
    n: NDArray[np.float64], fraction: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Half-light radii to where the surface brightness falls to a fraction.

    Parameters
    ----------
    n
        (n,) Sersic indices.
    fraction
        (n,) of the light, in the area of a square whose side is one half-light radius.
    """
    b = half_light_constant(n)
    log_central = 2 * n * np.log(b) - np.log(2 * np.pi * n) - scipy.special.gammaln(2 * n)
    falls = np.maximum(log_central - np.log(np.maximum(fraction, 1e-300)), 0)
    radius: NDArray[np.float64] = (falls / b) ** n
    return radius


@cache
def table() -> SersicTable:
    """Transforms for all indices, made once."""
    log_indices = np.linspace(np.log(SMALLEST), np.log(LARGEST), INDICES)
    n = np.exp(log_indices)[:, None]
    # Gamma(n s) falls slowly for small n and turns fast for large n and large s
    t = np.arange(-120, 120, 0.02)
    s = CONTOUR + 1j * t
    gammas = np.exp(
        scipy.special.loggamma(n * s)
        + scipy.special.loggamma(1 - s / 2)
        - scipy.special.loggamma(s / 2)
        - scipy.special.gammaln(2 * n)
        # from scale lengths to half-light radii: k r_s = k r_e / b^n
        - (s - 2) * n * np.log(half_light_constant(n))
    )
    log_k = np.linspace(LOG_FIRST, LOG_LAST, WAVES)
    powers = np.exp(np.outer(s - 2, log_k) + ((1 - s) * np.log(2))[:, None])
    values = (gammas @ powers).real * (0.02 / (2 * np.pi))
    return SersicTable(log_indices, values)


def transform(n: float, k: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transform at wavenumbers in radians a half-light radius.

    Parameters
    ----------
    n
        Sersic index, 0.3 to 8.
    k
        Wavenumbers.
    """
    first, shares = between_indices(np.array([n]))
    curve = np.tensordot(shares[0], table().values[first[0] : first[0] + 4], 1)
    result = np.empty(np.shape(k))
    _look_up(np.ascontiguousarray(k, float).ravel(), curve, result.reshape(-1))
    return result


@cache
def curves() -> NDArray[np.float32]:
    """(index, STEPS * WIDEST + 1) transforms in equal steps of the wavenumber's square root.

    Two square roots of k squared find a place there, without a logarithm.
    """
    k = (np.arange(STEPS * WIDEST + 1) / STEPS) ** 2
    resampled = np.empty((INDICES, k.size))
    for values, row in zip(table().values, resampled, strict=True):
        _look_up(k, values, row)
    return resampled.astype(np.float32)


def between_indices(n: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The first of four indices of the table around each n (n,), and their shares (n, 4).

    Lagrange's cubic in the logarithm of n.
    """
    log_indices = table().log_indices
    place = (np.log(n) - log_indices[0]) / (log_indices[1] - log_indices[0])
    first = np.clip(np.floor(place).astype(np.int64) - 1, 0, INDICES - 4)
    p = place - first
    a, b, c = p - 1, p - 2, p - 3
    shares = np.stack([-a * b * c / 6, p * b * c / 2, -p * a * c / 2, p * a * b / 6], axis=1)
    return first, shares


@njit(nogil=True, cache=True)
def _at(k_squared, curve):  # type: ignore[no-untyped-def]
    """Cubic interpolation of a curve of the table; k_squared is (k r_e)^2."""
    if k_squared < np.exp(2 * LOG_FIRST):
        return 1.0
    step = (LOG_LAST - LOG_FIRST) / (WAVES - 1)
    place = (0.5 * np.log(k_squared) - LOG_FIRST) / step
    first = int(place) - 1
    if first > WAVES - 4:
        return 0.0
    first = max(first, 0)
    p = place - first
    a, b, c = p - 1, p - 2, p - 3
    return (
        -a * b * c / 6 * curve[first]
        + p * b * c / 2 * curve[first + 1]
        - p * a * c / 2 * curve[first + 2]
        + p * a * b / 6 * curve[first + 3]
    )


@njit(nogil=True, cache=True)
def _look_up(k, curve, result):  # type: ignore[no-untyped-def]
    for i in range(k.size):
        result[i] = _at(k[i] * k[i], curve)
