"""Which spectra a grid of PSFs holds, and at which wavelengths the optics are computed.

Light of one wavelength makes one PSF; a star's is their mean over its detected photons.
Within a band what matters of a spectrum is, nearly, the mean wavelength of its photons: so
a grid holds the PSFs of a few power laws f_nu ~ nu^a, and light in between is interpolated
in that mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.throughput import effective_area
from roman_dms.instrument.throughput import wavelengths as tabulated_wavelengths

SLOPES = (3.0, -3.0)
"""Exponents a of the power laws of a filter, from blue to red."""

WIDE_SLOPES = {"F062": (6.0, 0.0, -6.0), "F146": (5.0, 0.0, -5.0)}
"""The same where PSFs differ more across the band."""

CURVATURE = {"F146": 0.5}
"""Factor exp(-c ln(wavelength / middle)2) on the power laws of a band so wide that it matters
that the spectra of stars and galaxies are peaked; it halves the error for an old galaxy."""

POINTS = {"F062": 8, "F146": 12}
"""Wavelengths at which the optics are computed, in wide bands."""

FEWEST_POINTS = 6
"""The same in narrower bands."""

WING_POINTS = 24
"""The same for the wings, where fringes of different wavelengths part."""

MONOCHROMATIC = 14
"""Wavelengths in the grid of a grism or prism, in equal ratios over its band."""


@dataclass(frozen=True)
class Colours:
    """Spectra, as sums of single wavelengths."""

    wavelengths: NDArray[np.float64]
    """(n,) where the optics are computed, increasing [micron]."""

    shares: NDArray[np.float64]
    """(component, n) share of a component's photons at each wavelength."""

    @property
    def means(self) -> NDArray[np.float64]:
        """(component,) mean wavelength of a component's photons [micron]."""
        return self.shares @ self.wavelengths


def colours(detector: str, element: str) -> Colours:
    """The components of an element's grid, from blue to red."""
    if optical_element(element).is_dispersed:
        return Colours(_band(element, MONOCHROMATIC), np.eye(MONOCHROMATIC))
    wavelengths, photons = _quadrature(detector, element, POINTS.get(element, FEWEST_POINTS))
    distance = np.log(wavelengths / (photons @ wavelengths))
    peaked = photons * np.exp(-CURVATURE.get(element, 0.0) * distance**2)
    shares = np.array([peaked * wavelengths**-a for a in WIDE_SLOPES.get(element, SLOPES)])
    return Colours(wavelengths, shares / shares.sum(axis=1, keepdims=True))


def wing_colours(detector: str, element: str) -> Colours:
    """One component, of a flat spectrum."""
    if optical_element(element).is_dispersed:
        return Colours(_band(element, WING_POINTS), np.full((1, WING_POINTS), 1 / WING_POINTS))
    wavelengths, photons = _quadrature(detector, element, WING_POINTS)
    return Colours(wavelengths, photons[None])


def _band(element: str, count: int) -> NDArray[np.float64]:
    band = optical_element(element)
    assert band.blue_edge is not None
    assert band.red_edge is not None
    return np.geomspace(band.blue_edge, band.red_edge, count)


def _quadrature(
    detector: str, element: str, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wavelengths [micron] and shares of the photons of a spectrum with flat f_nu."""
    wavelengths, area = tabulated_wavelengths(detector), effective_area(detector, element)
    passed = area > 1e-4 * area.max()
    photons = area[passed] / wavelengths[passed]
    return gaussian_quadrature(wavelengths[passed], photons / photons.sum(), count)


def gaussian_quadrature(
    points: NDArray[np.float64], weights: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Few points and weights that sum polynomials as many points and weights do.

    The eigenvalues of the Jacobi matrix that Lanczos' iteration finds (Golub & Welsch 1969,
    Math. Comp. 23, 221); exact up to the degree 2 count - 1.

    >>> points, weights = gaussian_quadrature(np.arange(9.0), np.full(9, 1 / 9), 2)
    >>> bool(np.isclose(weights @ points**3, np.mean(np.arange(9.0) ** 3)))
    True
    """
    middle, half = (points[0] + points[-1]) / 2, (points[-1] - points[0]) / 2
    place = (points - middle) / half
    vectors = [np.sqrt(weights / weights.sum())]
    for _ in range(count - 1):
        rest = place * vectors[-1]
        for vector in vectors:
            rest = rest - (vector @ rest) * vector
        vectors.append(rest / np.linalg.norm(rest))
    basis = np.array(vectors)
    roots, modes = np.linalg.eigh((basis * place) @ basis.T)
    return middle + half * roots, modes[0] ** 2
