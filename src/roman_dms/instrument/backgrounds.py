"""What a detector records without a source: sky, warm telescope, dark current, noise.

Source: tables of ``roman-technical-information`` 1.5.  Detectors were measured
in the second thermal-vacuum test, at 89.5 K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.instrument.optical_elements import DISPERSERS, FILTERS


@dataclass(frozen=True)
class Background:
    """Smooth light that falls on every pixel."""

    zodiacal: float
    """Zodiacal light where it is faintest [electron / s / pixel]."""

    thermal: float
    """Glow of the telescope and instrument [electron / s / pixel]."""


@dataclass(frozen=True)
class DetectorNoise:
    """Median over the pixels of a detector, measured on the ground."""

    dark_current: float
    """An upper limit: glow of the test chamber included [electron / s]."""

    cds_noise: float
    """Noise of the difference of two reads [electron]."""

    total_noise: float
    """Noise of the count after 55 reads in 170 s, of the slope times the time [electron]."""

    @property
    def read_noise(self) -> float:
        """Noise of one read [electron]."""
        return self.cds_noise / math.sqrt(2)


DISPERSED = {"GRISM": "Grism (G150)", "PRISM": "Prism (P127)"}
"""Name of a disperser in the table of zodiacal light, where all orders are summed."""

DISPERSED_THERMAL = 0.0
"""Thermal rate through grism and prism [electron / s / pixel]: none is published for
them; below 2 micron the telescope is dark, and ``galsim.roman`` has 0."""


def background(element: str) -> Background:
    """Return the background of a filter, of the grism or of the prism.

    >>> background("F213").thermal
    4.38

    Raises
    ------
    UsageError
        For anything that is neither one of the eight filters nor a disperser.
    """
    if element not in FILTERS + DISPERSERS:
        known = ", ".join(FILTERS + DISPERSERS)
        raise UsageError(f"There is no background for {element!r}.", f"one of {known}")
    if element in DISPERSED:
        sky = instrument_table("Spectroscopy/ZodiacalLight/grism_prism_zodiacal_light.ecsv")
        rate = float(sky["rate"][sky["element"].index(DISPERSED[element])])
        return Background(rate, DISPERSED_THERMAL)
    zodiacal = instrument_table("Imaging/ZodiacalLight/zodiacal_light.ecsv")
    thermal = instrument_table("Imaging/Backgrounds/internal_thermal_backgrounds.ecsv")
    return Background(
        zodiacal=float(zodiacal["rate"][zodiacal["filter"].index(element)]),
        thermal=float(thermal["rate"][thermal["filter"].index(element)]),
    )


def detector_noise(detector: str) -> DetectorNoise:
    """Return the noise of a detector, ``WFI01`` to ``WFI18``.

    The tables go by sensor control unit, whose number is the detector's.

    Raises
    ------
    UsageError
        For a name that is none of the 18.
    """
    if detector not in NAMES:
        raise UsageError(f"There is no detector {detector!r}.", "one of WFI01 to WFI18")
    unit = str(int(detector[3:]))

    def median(table: str, unit_column: str, column: str) -> float:
        columns = instrument_table(f"FPSPerformance/{table}.ecsv")
        return float(columns[column][columns[unit_column].index(unit)])

    return DetectorNoise(
        dark_current=median("WFI_Dark_current_summary", "SCU", "Dark Current - Median"),
        cds_noise=median("WFI_CDS_Noise_summary", "SCU", "CDS Noise - Median"),
        total_noise=median("WFI_Total_noise", "SCU#", "Total noise - median"),
    )
