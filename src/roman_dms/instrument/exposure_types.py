"""What an exposure is taken for, and which calibration that implies.

Types are RAD's ``exposure_type``; what each goes through is what the mission's
exposure pipeline (``romancal`` 1.1) does.
"""

from __future__ import annotations

from dataclasses import dataclass

from roman_dms.errors import MetadataError


@dataclass(frozen=True)
class ExposureType:
    """A type of exposure."""

    name: str
    """Name in RAD's ``meta.exposure.type``."""

    description: str

    is_imaging: bool = False
    """Whether light comes through a filter and forms an image: it is flat-fielded."""

    is_spectral: bool = False
    """Whether it is made for the dispersed mode."""

    is_dark: bool = False
    """Whether no light falls on the detector."""

    is_catalogued: bool = False
    """Whether its sources are catalogued and aligned to the sky."""


EXPOSURE_TYPES = {
    kind.name: kind
    for kind in (
        ExposureType("WFI_IMAGE", "image of the sky", is_imaging=True, is_catalogued=True),
        ExposureType("WFI_SPECTRAL", "spectra of the sky", is_spectral=True),
        ExposureType("WFI_IM_DARK", "dark at the imaging frame rate", is_dark=True),
        ExposureType(
            "WFI_SP_DARK", "dark at the spectral frame rate", is_spectral=True, is_dark=True
        ),
        ExposureType("WFI_FLAT", "flat-field lamp"),
        ExposureType(
            "WFI_LOLO",
            "lamp on, lamp off: linearity at low count rates",
            is_imaging=True,
            is_catalogued=True,
        ),
        ExposureType("WFI_WFSC", "wavefront sensing", is_imaging=True),
    )
}
"""Exposure types by name, in the order of RAD."""


def exposure_type(name: str) -> ExposureType:
    """Return the exposure type of a name.

    >>> exposure_type("WFI_WFSC").is_catalogued
    False

    Raises
    ------
    MetadataError
        For a name that RAD does not know.
    """
    if name not in EXPOSURE_TYPES:
        raise MetadataError(
            f"The type of the exposure, meta.exposure.type, is {name!r}.",
            f"one of {', '.join(EXPOSURE_TYPES)}",
        )
    return EXPOSURE_TYPES[name]
