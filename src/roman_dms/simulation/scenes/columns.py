"""What a row of a scene says: every column, its unit, default and meaning, in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roman_dms.instrument.optical_elements import FILTERS


@dataclass(frozen=True)
class Column:
    """A column of the table of a scene."""

    name: str
    unit: str
    """Unit, as astropy writes it; empty for names and pure numbers."""
    dtype: str
    default: Any
    """Value where the column is absent; ``None`` where it must be there."""
    description: str
    low: float = -math.inf
    """Smallest value that makes sense."""
    high: float = math.inf
    """Largest value that makes sense."""
    only: str = ""
    """``SER`` where the limits hold for galaxies alone."""


POINT, SERSIC = "PSF", "SER"
"""Values of ``type``: a point source, and a Sersic profile."""

DEFAULT_EPOCH = 2016.0
"""Epoch of positions where a scene names none: that of Gaia DR3 [Julian year]."""

SERSIC_INDEX = (0.3, 6.2)
"""Sersic indices that GalSim can draw."""


def _flux(band: str) -> Column:
    description = f"Flux in {band}, the mean band of the detectors; AB magnitude 0 is 1 maggie."
    return Column(band, "", "float64", None, description, low=0)


COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column("id", "", "int64", None, "Number of the source; rows are counted where absent."),
        Column("ra", "deg", "float64", None, "Right ascension, ICRS, at the epoch.", -360, 720),
        Column("dec", "deg", "float64", None, "Declination, ICRS, at the epoch.", -90, 90),
        Column("type", "", "str", None, "PSF, a point source, or SER, a Sersic profile."),
        Column("n", "", "float64", 1.0, "Sersic index.", *SERSIC_INDEX, only=SERSIC),
        Column(
            "half_light_radius", "arcsec", "float64", 0.0,
            "Radius of the circle with the area of the ellipse that holds half of the light.",
            low=1e-4, high=600, only=SERSIC,
        ),
        Column("ba", "", "float64", 1.0, "Minor over major axis.", 1e-3, 1, only=SERSIC),
        Column("pa", "deg", "float64", 0.0, "Position angle of the major axis, north to east."),
        Column("epoch", "yr", "float64", DEFAULT_EPOCH,
               "Julian year of the position; may stand in the metadata.", 1000, 3000),
        Column("pmra", "mas / yr", "float64", 0.0, "Proper motion to the east, times cos(dec)."),
        Column("pmdec", "mas / yr", "float64", 0.0, "Proper motion to the north."),
        Column("parallax", "mas", "float64", 0.0, "Parallax; measured ones may be negative."),
        Column("motion_ra", "arcsec / h", "float64", 0.0,
               "Apparent motion of a moving object to the east, from its place at the epoch."),
        Column("motion_dec", "arcsec / h", "float64", 0.0, "The same to the north."),
        Column("sed", "", "str", "",
               "Spectrum, see spectra.spectrum; empty: interpolated between the band fluxes."),
        Column("redshift", "", "float64", 0.0, "Redshift of the spectrum and of its times.", 0, 30),
        Column("variability", "", "str", "", "Kind of light curve, see variability.KINDS."),
        Column("t_ref", "d", "float64", 0.0, "Time of the light curve's reference [MJD, UTC]."),
        Column("timescale", "d", "float64", 1.0, "Time scale of the light curve.", low=1e-6),
        Column("amplitude", "", "float64", 0.0, "Amplitude of the light curve.", low=0),
        Column("host", "", "int64", 0, "Number of the host galaxy of a supernova; 0 for none."),
    )
}  # fmt: skip
"""All columns but the fluxes, by name."""

FLUXES: Mapping[str, Column] = {band: _flux(band) for band in FILTERS}
"""Columns of fluxes [maggie], by filter; a scene has at least one."""
