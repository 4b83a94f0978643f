"""How much light arrives: effective areas, zero points, conversion to flux.

Source: effective areas and zero points of 1 March 2024, by detector, in
``roman-technical-information`` (``Imaging/EffectiveAreas``, ``Imaging/ZeroPoints``).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.instrument.optical_elements import FILTERS

PLANCK = 6.62607015e-34
"""Planck constant [J s] (SI, exact)."""

PIXEL_SCALE = 0.11
"""Nominal scale [arcsec / pixel] (``WFI_overview.yaml`` of roman-technical-information)."""

PIXEL_AREA = float(np.deg2rad(PIXEL_SCALE / 3600) ** 2)
"""Nominal solid angle of a pixel [sr]."""

COLLECTING_AREA = 3.757
"""Collecting area of the telescope without its obstructions [m2] (``galsim.roman``, Cycle 7)."""

COLUMNS = {
    **{name: name for name in FILTERS},
    "GRISM": "Grism_1stOrder",
    "GRISM_0": "Grism_0thOrder",
    "PRISM": "Prism",
}
"""Column of the table of effective areas by element; ``GRISM_0`` is the zeroth order."""


def wavelengths(detector: str) -> NDArray[np.float64]:
    """Wavelengths at which the effective areas of a detector are tabulated [micron]."""
    return _areas(detector)["Wave"]


def effective_area(detector: str, element: str) -> NDArray[np.float64]:
    """Effective area at each of :func:`wavelengths`, quantum efficiency included [m2].

    Parameters
    ----------
    detector
        ``WFI01`` to ``WFI18``.
    element
        A filter, ``GRISM``, ``GRISM_0`` or ``PRISM``.

    Raises
    ------
    UsageError
        For a detector or an element that has none.
    """
    if element not in COLUMNS:
        raise UsageError(
            f"There is no effective area of {element!r}.", f"one of {', '.join(COLUMNS)}"
        )
    return _areas(detector)[COLUMNS[element]]


def pivot_wavelength(detector: str, element: str) -> float:
    """Wavelength that links f_lambda and f_nu in this band [micron].

    The root of int A lambda dlambda / int A / lambda dlambda (Tokunaga & Vacca 2005).
    """
    area, wavelength = effective_area(detector, element), wavelengths(detector)
    blue = np.trapezoid(area / wavelength, wavelength)
    red = np.trapezoid(area * wavelength, wavelength)
    return float(np.sqrt(red / blue))


def electrons_per_jansky(detector: str, element: str) -> float:
    """Count rate of a source of 1 Jy at all wavelengths [electron / s].

    int (f_nu / h nu) A dnu = (f_nu / h) int A / lambda dlambda
    """
    area, wavelength = effective_area(detector, element), wavelengths(detector)
    return float(1e-26 / PLANCK * np.trapezoid(area / wavelength, wavelength))


def megajanskys_per_steradian(
    detector: str, element: str, gain: float, pixel_area: float = PIXEL_AREA
) -> float:
    """Conversion of a count rate to surface brightness [MJy / sr / (DN / s)].

    Parameters
    ----------
    gain
        [electron / DN].
    pixel_area
        [sr].
    """
    return gain / (1e6 * electrons_per_jansky(detector, element) * pixel_area)


def ab_zero_point(detector: str, element: str) -> float:
    """AB magnitude of a source that gives one electron a second, as published.

    Raises
    ------
    UsageError
        For a detector or filter that is not in the table.
    """
    table = instrument_table("Imaging/ZeroPoints/Roman_zeropoints_20240301.ecsv")
    rows = zip(table["detector"], table["element"], table["ABMag"], strict=True)
    for found_detector, found_element, magnitude in rows:
        if (found_detector, found_element) == (detector, element):
            return float(magnitude)
    raise UsageError(
        f"There is no zero point of {detector!r} with {element!r}.",
        f"a detector WFI01 to WFI18 and one of {', '.join(FILTERS)}",
    )


@cache
def _areas(detector: str) -> dict[str, NDArray[np.float64]]:
    if detector not in NAMES:
        raise UsageError(f"There is no detector {detector!r}.", "one of WFI01 to WFI18")
    name = f"Imaging/EffectiveAreas/Roman_effarea_v8_SCA{detector[3:]}_20240301.ecsv"
    areas = {column: np.array(cells, float) for column, cells in instrument_table(name).items()}
    for values in areas.values():
        values.setflags(write=False)
    return areas
