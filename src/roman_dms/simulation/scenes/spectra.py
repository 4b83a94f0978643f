"""Spectra of sources, and what a detector counts of them.

A count rate is int f_nu / (h nu) A dnu = (1 / h) int f_nu A / lambda dlambda, with
A the effective area of a detector behind an element; the AB magnitude of a
spectrum in a band is that of the flat f_nu that gives the same rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.instrument.installed_tables import installed_file
from roman_dms.instrument.throughput import PLANCK

Values = NDArray[np.float64]

BOLTZMANN = 1.380649e-23
"""Boltzmann constant [J / K] (SI, exact)."""

LIGHT_SPEED = 299792458.0
"""[m / s] (SI, exact)."""

GALAXIES = ("E", "Sbc", "Scd", "Im")
"""Galaxies of Coleman, Wu & Weedman (1980, ApJS 43, 393), extended to the infrared by
Bolzonella, Miralles & Pello (2000), as they come with GalSim."""

RANGE = (0.03, 5.0)
"""Wavelengths over which spectra that are formulae are tabulated [micron]."""

_STEP = 2e-4
"""Step of tables of spectra in the logarithm of wavelength; a band's is 1 nm or 4e-4 and more."""

_SMOOTH_STEP = 5e-4
"""The same of formulae, which have no lines."""


@dataclass(frozen=True)
class Spectrum:
    """The shape of a spectrum at rest."""

    name: str
    wavelengths: Values
    """(m,) increasing [micron]."""
    density: Values
    """(m,) f_nu, in any unit, linear between the wavelengths."""
    integral: Values
    """(m,) int f_nu dlambda from the first wavelength on."""

    def at(self, wavelengths: Values, redshift: Values | float = 0.0) -> Values:
        """F_nu at observed wavelengths, (n, m) for (n,) redshifts, (m,) for one."""
        rest = self.at_rest(wavelengths, redshift)
        return np.interp(rest, self.wavelengths, self.density)

    def means(self, edges: Values, redshift: Values | float = 0.0) -> Values:
        """Mean f_nu between neighbouring wavelengths, so that no line falls between samples.

        Parameters
        ----------
        edges
            (m + 1,) increasing [micron].
        redshift
            One, or (n,).

        Returns
        -------
        ndarray
            (m,), or (n, m).
        """
        rest = self.at_rest(edges, redshift)
        integral = np.interp(rest, self.wavelengths, self.integral)
        return np.diff(integral, axis=-1) / np.diff(rest, axis=-1)

    def at_rest(self, wavelengths: Values, redshift: Values | float) -> Values:
        """Wavelengths at rest, (m,) or (n, m), within what the spectrum covers.

        Raises
        ------
        UsageError
            Where the spectrum does not reach so far.
        """
        rest = wavelengths / (1 + np.asarray(redshift, float)[..., None])
        if rest.size and (rest.min() < self.wavelengths[0] or rest.max() > self.wavelengths[-1]):
            raise UsageError(
                f"The spectrum {self.name} is needed from {rest.min():.3f} to {rest.max():.3f} "
                f"micron at rest, and reaches from {self.wavelengths[0]:.3f} to "
                f"{self.wavelengths[-1]:.3f}.",
                "a spectrum that covers the band at the redshift of the source",
            )
        return rest


def spectrum(name: str) -> Spectrum:
    """The spectrum that a name stands for.

    Parameters
    ----------
    name
        ``E``, ``Sbc``, ``Scd``, ``Im``: see :data:`GALAXIES`.
        ``blackbody:5800``: Planck's law at a temperature [K].
        ``power:-1``: f_nu proportional to nu to this power (``power:0`` is flat).
        ``file:NAME``: two columns of text, wavelength [micron] and f_nu.

    Raises
    ------
    UsageError
        For another name.
    FileError, FormatError
        Where the file cannot be read, or holds no spectrum.
    """
    if name in GALAXIES:
        return _galaxy(name)
    kind, _, value = name.partition(":")
    if kind == "file" and value:
        return _from_file(value)
    if kind in _FORMULAE and value:
        try:
            return _from_formula(kind, float(value))
        except ValueError as error:
            raise UsageError(f"{value!r} is no number.", f"{kind}:NUMBER") from error
    raise UsageError(
        f"There is no spectrum {name!r}.",
        f"{', '.join(GALAXIES)}, blackbody:TEMPERATURE, power:INDEX or file:NAME",
    )


def make_spectrum(name: str, wavelengths: Values, density: Values) -> Spectrum:
    """A spectrum from samples, f_nu linear between them.

    Raises
    ------
    FormatError
        Where wavelengths do not increase, or values are negative or not finite.
    """
    good = np.isfinite(wavelengths).all() and np.isfinite(density).all() and (density >= 0).all()
    if not good or wavelengths.size < 2 or (np.diff(wavelengths) <= 0).any() or wavelengths[0] <= 0:
        raise FormatError(
            f"The spectrum {name} cannot be used.",
            "two columns and two rows or more: increasing wavelengths [micron], f_nu >= 0",
        )
    fine = _refined(wavelengths)
    return _with_integral(name, fine, np.interp(fine, wavelengths, density))


def _with_integral(name: str, wavelengths: Values, density: Values) -> Spectrum:
    pieces = 0.5 * (density[1:] + density[:-1]) * np.diff(wavelengths)
    return Spectrum(name, wavelengths, density, np.concatenate([[0.0], np.cumsum(pieces)]))


@cache
def _galaxy(name: str) -> Spectrum:
    path = installed_file("galsim", f"share/SEDs/CWW_{name}_ext.sed")
    angstrom, per_wavelength = np.loadtxt(path, unpack=True)
    # The files end at 2.2 micron, within F213; stars follow the Rayleigh-Jeans law there.
    tail = np.geomspace(angstrom[-1] * 1.01, 1e4 * RANGE[1], 50)
    per_wavelength = np.append(per_wavelength, per_wavelength[-1] * (angstrom[-1] / tail) ** 4)
    angstrom = np.append(angstrom, tail)
    # They are linear in f_lambda, with steps of up to 7 %.
    fine = _refined(angstrom)
    return make_spectrum(name, fine * 1e-4, np.interp(fine, angstrom, per_wavelength) * fine**2)


def _refined(wavelengths: Values) -> Values:
    """Wavelengths with others between them, close enough for straight lines."""
    steps = int(np.ceil(np.log(wavelengths[-1] / wavelengths[0]) / _STEP)) + 1
    even = np.geomspace(wavelengths[0], wavelengths[-1], steps)
    return np.clip(np.union1d(even, wavelengths), wavelengths[0], wavelengths[-1])


@lru_cache(maxsize=256)
def _from_file(name: str) -> Spectrum:
    try:
        wavelengths, density = np.loadtxt(Path(name), unpack=True)
    except OSError as error:
        raise FileError(
            f"The spectrum {name} cannot be read: {error}", "a file that you may read"
        ) from error
    except ValueError as error:
        raise FormatError(
            f"The spectrum {name} cannot be read: {error}",
            "two columns of text, wavelength [micron] and f_nu",
        ) from error
    return make_spectrum(f"file:{name}", wavelengths, density)


@lru_cache(maxsize=256)
def _from_formula(kind: str, value: float) -> Spectrum:
    count = int(np.log(RANGE[1] / RANGE[0]) / _SMOOTH_STEP) + 1
    wavelengths = np.geomspace(*RANGE, count)
    density = _FORMULAE[kind](wavelengths, value)
    if not np.isfinite(density).all():
        raise ValueError(value)
    return _with_integral(f"{kind}:{value:g}", wavelengths, density)


def blackbody(wavelengths: Values, temperature: Values | float) -> Values:
    """Planck's law, f_nu, 1 at 1 micron.

    A star's spectrum differs from it by lines and by the opacity of its atmosphere.

    Parameters
    ----------
    wavelengths
        [micron].
    temperature
        Effective temperature [K].

    Raises
    ------
    ValueError
        For a temperature that is not positive.
    """
    if np.min(temperature) <= 0:
        raise ValueError(temperature)
    unit = 1e6 * PLANCK * LIGHT_SPEED / BOLTZMANN
    with np.errstate(over="ignore"):  # far in the blue of a cool star
        return np.expm1(unit / temperature) / np.expm1(unit / wavelengths / temperature) / (
            wavelengths**3
        )  # fmt: skip


def power_law(wavelengths: Values, index: float) -> Values:
    """F_nu = nu^index, 1 at 1 micron."""
    return wavelengths**-index


_FORMULAE: Mapping[str, Callable[[Values, float], Values]] = {
    "blackbody": blackbody,
    "power": power_law,
}
