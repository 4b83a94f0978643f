"""The colour of light in a band: the mean wavelength of its detected photons.

Within a band what matters of a spectrum for the image of a star is, nearly, that mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.throughput import effective_area, wavelengths

SPECTRAL_TYPES = {"A0V": 9700.0, "G2V": 5800.0, "M5V": 3000.0}
"""Temperatures of the black bodies that stand for spectral types [K] (Pecaut & Mamajek 2013,
ApJS 208, 9, rounded); the types are those of the mission's effective PSFs."""

FIRST_LETTERS = {"O": 33000.0, "B": 15000.0, "A": 8500.0, "F": 6700.0, "G": 5650.0,
                 "K": 4550.0, "M": 3250.0, "L": 1800.0, "T": 1050.0}  # fmt: skip
"""Temperatures in the middle of the spectral classes [K] (the same source)."""

HC_OVER_K = 14387.77
"""Second radiation constant [micron K] (SI)."""


def star_wavelength(detector: str, element: str, temperature: float) -> float:
    """Mean wavelength of the photons that a detector sees of a black body [micron].

    Parameters
    ----------
    temperature
        [K].

    Raises
    ------
    UsageError
        For a temperature that is not above zero, an unknown detector or element.

    Examples
    --------
    >>> hot, cool = (star_wavelength("WFI01", "F158", t) for t in (9700, 3000))
    >>> round(hot, 3), round(cool, 3)
    (1.567, 1.581)
    """
    if not temperature > 0:
        raise UsageError(f"A temperature of {temperature} K was given.", "one above zero")
    wave = wavelengths(detector)
    with np.errstate(over="ignore"):  # no photons at all from what is very cold
        density = 1 / (wave**5 * np.expm1(HC_OVER_K / (wave * temperature)))
    return spectrum_wavelength(detector, element, wave, density)


def spectrum_wavelength(detector: str, element: str, wave: ArrayLike, density: ArrayLike) -> float:
    """Mean wavelength of the photons that a detector sees of a spectrum [micron].

    Parameters
    ----------
    wave
        (n,) [micron], increasing.
    density
        (n,) energy an interval of wavelength (f_lambda), in any unit; 0 outside ``wave``.

    Raises
    ------
    UsageError
        If the spectrum has no light in the band, is not finite or does not increase.
    """
    tabulated, area = wavelengths(detector), effective_area(detector, element)
    known, values = np.asarray(wave, float), np.asarray(density, float)
    if known.ndim != 1 or known.shape != values.shape or not (np.diff(known) > 0).all():
        raise UsageError(
            f"A spectrum of {known.shape} wavelengths and {values.shape} values was given.",
            "as many values as wavelengths, and wavelengths that increase",
        )
    photons = np.interp(tabulated, known, values, left=0, right=0) * tabulated * area
    total = photons.sum()
    if not (np.isfinite(total) and total > 0):
        raise UsageError(
            f"The spectrum has no light in {element}, or values that are not finite.",
            f"energy between {tabulated[area > 0][0]:.2f} and {tabulated[area > 0][-1]:.2f} micron",
        )
    return float(photons @ tabulated / total)


def light_wavelength(
    detector: str,
    element: str,
    *,
    wavelength: float | None = None,
    temperature: float | None = None,
    spectrum: str | tuple[ArrayLike, ArrayLike] | None = None,
) -> float | None:
    """The mean wavelength of light that is described in one of three ways [micron].

    Parameters
    ----------
    wavelength
        The mean wavelength itself [micron].
    temperature
        Of a black body [K].
    spectrum
        A spectral type (``G2V``), or wavelengths [micron] and energy an interval of them.

    Returns
    -------
    float or None
        None where nothing is described.

    Raises
    ------
    UsageError
        For more than one description, one that cannot be, or none for dispersed light.
    """
    given: list[object] = [one for one in (wavelength, temperature, spectrum) if one is not None]
    if len(given) > 1:
        raise UsageError("Wavelength, temperature and spectrum were given together.", "one of them")
    if wavelength is not None:
        _check_wavelength(element, wavelength)
        return float(wavelength)
    if not given and not optical_element(element).is_dispersed:
        return None
    if optical_element(element).is_dispersed:
        raise UsageError(
            f"No wavelength was given for {element}.", "a single wavelength: it disperses light"
        )
    if temperature is not None:
        return star_wavelength(detector, element, temperature)
    if isinstance(spectrum, str):
        return star_wavelength(detector, element, temperature_of(spectrum))
    assert spectrum is not None
    return spectrum_wavelength(detector, element, *spectrum)


def temperature_of(spectral_type: str) -> float:
    """Temperature of the black body that stands for a spectral type [K].

    Raises
    ------
    UsageError
        For a name that begins with no spectral class.
    """
    name = spectral_type.strip().upper()
    if name in SPECTRAL_TYPES:
        return SPECTRAL_TYPES[name]
    if name[:1] not in FIRST_LETTERS:
        raise UsageError(
            f"{spectral_type!r} is no spectral type.",
            "one such as G2V, of the classes " + " ".join(FIRST_LETTERS),
        )
    classes = list(FIRST_LETTERS)
    place = classes.index(name[0]) + (float(name[1]) - 4.5 if name[1:2].isdigit() else 0) / 10
    logarithm: NDArray[np.float64] = np.log(list(FIRST_LETTERS.values()))
    return float(np.exp(np.interp(place, np.arange(len(classes)), logarithm)))


def _check_wavelength(element: str, wavelength: float) -> None:
    band = optical_element(element)
    low, high = band.blue_edge or 0.0, band.red_edge or np.inf
    if not 0.9 * low <= wavelength <= 1.1 * high:
        raise UsageError(
            f"A wavelength of {wavelength:g} micron was given for {element}.",
            f"one within its band, {low:g} to {high:g} micron",
        )
