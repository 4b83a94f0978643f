"""Where grism and prism send each wavelength, at first order.

Sources.  Dispersion in nm a pixel: ``Spectroscopy/Dispersion`` of
``roman-technical-information`` 1.5, at the centre of the field, from the second
thermal-vacuum test and the optical model (beyond 1.6 micron the prism's is not fully
calibrated).  Undeviated wavelength: Bray et al. (2024, JATIS 10, 014003), as given in
the mission's pages on grism and prism.  Direction, and place of the zeroth order: the
optical models of IPAC (``Roman_grism_OpticalModel_v0.8.yaml`` and
``Roman_prism_OpticalModel_v0.8.yaml``, V. Mehta, 17 September 2025), in which spectra
run along the focal plane's y, which is that of the science frame of all detectors,
towards +y with wavelength in the grism and towards -y in the prism.

Left out, as a first order: the dispersion varies by up to 6 % over the field, and
spectra at its sides are tilted by up to 2.5 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.installed_tables import instrument_table

Values = NDArray[np.float64]

UNDEVIATED = 1.55
"""Wavelength that grism and prism leave where a filter puts it [micron]."""

DIRECTIONS = {"GRISM": 1, "PRISM": -1}
"""Sign of y, in the science frame, towards which the wavelength increases."""

ZEROTH_ORDER = -1375.0
"""Displacement of the grism's zeroth order along y [pixel]: (-14.090 + 0.341) mm at the
centre of the field and 100 pixels a mm; its own dispersion is left out."""

TABLES = {"GRISM": ("WFI_grism_dispersion", "g"), "PRISM": ("WFI_prism_dispersion", "p")}
"""File, and first letter of its columns."""

ENDS = (0.4, 2.6)
"""Wavelengths to which the dispersion at the ends of a table is continued [micron]."""


@dataclass(frozen=True)
class Dispersion:
    """The trace of a point source through a disperser, along y of the science frame."""

    element: str
    """``GRISM`` (first order) or ``PRISM``."""

    wavelengths: Values
    """(n,) increasing [micron]."""

    displacements: Values
    """(n,) along y, from where a filter would put the source [pixel]."""

    def displacement(self, wavelength: Values | float) -> Values:
        """How far along y a wavelength falls from the undeviated place [pixel].

        >>> round(float(dispersion("GRISM").displacement(1.551)), 2)
        0.92

        Parameters
        ----------
        wavelength
            [micron], any shape.
        """
        return np.asarray(np.interp(wavelength, self.wavelengths, self.displacements))

    def wavelength(self, displacement: Values | float) -> Values:
        """The wavelength that falls there [micron]; the inverse of :meth:`displacement`."""
        sign = DIRECTIONS[self.element]
        along = sign * np.asarray(displacement)
        return np.asarray(np.interp(along, sign * self.displacements, self.wavelengths))


@cache
def dispersion(element: str) -> Dispersion:
    """The trace of the grism's first order or of the prism.

    The displacement is the integral of the reciprocal of the published dispersion.

    Raises
    ------
    UsageError
        For an element that does not disperse.
    """
    if element not in TABLES:
        raise UsageError(f"{element!r} does not disperse light.", f"one of {', '.join(TABLES)}")
    name, letter = TABLES[element]
    table = instrument_table(f"Spectroscopy/Dispersion/{name}.ecsv")
    wavelength = np.array(table[f"{letter}_mean_lam"], float) / 1000
    pixels = 1000 / np.array(table[f"{letter}_dispersion"], float)
    wavelength = np.r_[ENDS[0], wavelength, ENDS[1]]
    pixels = np.r_[pixels[0], pixels, pixels[-1]]
    steps = np.diff(wavelength) * (pixels[1:] + pixels[:-1]) / 2
    along = np.r_[0, np.cumsum(steps)]
    along = DIRECTIONS[element] * (along - np.interp(UNDEVIATED, wavelength, along))
    for values in (wavelength, along):
        values.setflags(write=False)
    return Dispersion(element, wavelength, along)
