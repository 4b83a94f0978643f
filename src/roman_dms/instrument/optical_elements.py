"""What can stand in the beam: eight filters, two dispersers, a shutter.

Wavelengths: ``filter_parameters.ecsv`` (25 July 2024) and
``grism_prism_parameters.ecsv`` (3 June 2024) of ``roman-technical-information``.
Names are RAD's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from roman_dms.errors import UsageError

Use = Literal["imaging", "dispersed", "blocked"]


@dataclass(frozen=True)
class OpticalElement:
    """A filter, grism, prism or shutter of the element wheel."""

    name: str
    """Name in RAD's ``meta.instrument.optical_element``."""

    use: Use
    """What it does with the light: pass it, disperse it or block it."""

    blue_edge: float | None = None
    """Shortest wavelength passed [micron]."""

    red_edge: float | None = None
    """Longest wavelength passed [micron]."""

    centre: float | None = None
    """Middle of the band [micron]."""

    @property
    def is_imaging(self) -> bool:
        """Whether it makes images of the sky."""
        return self.use == "imaging"

    @property
    def is_dispersed(self) -> bool:
        """Whether it makes spectra."""
        return self.use == "dispersed"


ELEMENTS = {
    element.name: element
    for element in (
        OpticalElement("F062", "imaging", 0.480, 0.760, 0.620),
        OpticalElement("F087", "imaging", 0.760, 0.977, 0.869),
        OpticalElement("F106", "imaging", 0.927, 1.192, 1.060),
        OpticalElement("F129", "imaging", 1.131, 1.454, 1.293),
        OpticalElement("F146", "imaging", 0.927, 2.000, 1.464),
        OpticalElement("F158", "imaging", 1.380, 1.774, 1.577),
        OpticalElement("F184", "imaging", 1.683, 2.000, 1.842),
        OpticalElement("F213", "imaging", 1.950, 2.300, 2.125),
        OpticalElement("GRISM", "dispersed", 1.00, 1.93, 1.465),
        OpticalElement("PRISM", "dispersed", 0.75, 1.80, 1.275),
        OpticalElement("DARK", "blocked"),
        OpticalElement("NOT_CONFIGURED", "blocked"),
    )
}
"""Optical elements by name, in the order of RAD."""

FILTERS = tuple(element.name for element in ELEMENTS.values() if element.is_imaging)
"""Names of the eight filters."""

DISPERSERS = tuple(element.name for element in ELEMENTS.values() if element.is_dispersed)
"""Names of the grism and the prism."""


def optical_element(name: str) -> OpticalElement:
    """Return the optical element of a name.

    >>> optical_element("F158").centre
    1.577

    Raises
    ------
    UsageError
        For a name that RAD does not know.
    """
    if name not in ELEMENTS:
        raise UsageError(f"There is no optical element {name!r}.", f"one of {', '.join(ELEMENTS)}")
    return ELEMENTS[name]
