"""Stars of the Galactic bulge, up to millions in a detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.columns import POINT
from roman_dms.simulation.scenes.populations import random
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.scenes.stars import point_table, rotated, scattered
from roman_dms.simulation.scenes.stellar_sequence import Stars, old_population

Values = NDArray[np.float64]

MASS_SLOPE = 1.33
"""dN/dm ~ m^-1.33 from 1 to 0.15 solar masses (Zoccali et al. 2000, ApJ 530, 418)."""

DISTANCE, DEPTH = 8178.0, 900.0
"""Mean distance (GRAVITY Collaboration 2019, A&A 625, L10) and its scatter [pc]; the scatter
is the 0.24 mag by which the red clump is widened."""

DISPERSION = (2.9, 2.5)
"""Of proper motions along l and b [mas / yr], in Baade's window (Kuijken & Rich 2002,
AJ 124, 2054)."""

REFLEX = (-6.379, -0.202)
"""Mean proper motion along l and b [mas / yr]: that of Sgr A* (Reid & Brunthaler 2004,
ApJ 616, 872), a bulge that does not rotate."""

EXTINCTION = 1.4
"""A_V [mag] of Baade's window: 3.1 times E(B-V) = 0.45 (Zoccali et al. 2003, A&A 399, 931)."""

DENSITY = 5.7e7
"""Stars a square degree brighter than ``DENSITY_LIMIT`` by default: 115,000 stars in one
field of WFC3, 7.3 square arcmin, down to I = 25 (Terry et al. 2020, ApJ 889, 126)."""

DENSITY_LIMIT = 24.0
"""F158 magnitude of these: a dwarf of I = 25 has 24 or so."""

_EXTENT = 3.0
"""Distances are cut at this many scatters."""


def extinction(wavelengths: Values) -> Values:
    """A over A_V: 0.404 lambda^-1.61 (Cardelli, Clayton & Mathis 1989, ApJ 345, 245, R_V = 3.1).

    Their law for 0.9 to 3.3 micron, carried on to 0.6, where it is 6 % too high.
    """
    return 0.404 * wavelengths**-1.61


def bulge_stars(region: Region, limit: float, seed: int, *, count: int | None = None,
                visual_extinction: float = EXTINCTION) -> Table:  # fmt: skip
    """Stars of the bulge up to an F158 magnitude at its centre, as a table of scene columns.

    Parameters
    ----------
    count
        How many; by default as many as ``DENSITY`` gives, Poisson distributed.
    visual_extinction
        A_V [mag].

    Raises
    ------
    UsageError
        Where the limit is so bright that no star is left.
    """
    stars = old_population(0.5, MASS_SLOPE, MASS_SLOPE)
    pivots = np.array([band(MEAN, name).pivot for name in FILTERS])
    reddening = visual_extinction * extinction(pivots)
    modulus = 5 * np.log10(DISTANCE / 10) + reddening[FILTERS.index("F158")]
    reference = stars.magnitudes[:, FILTERS.index("F158")] + modulus
    numbers = stars.numbers * (reference < limit)
    if not numbers.sum():
        raise UsageError(
            f"No star of the bulge is brighter than magnitude {limit} in F158.",
            f"a limit beyond {reference.min():.1f}",
        )
    draw = random(seed, "bulge")
    if count is None:
        known = stars.numbers[reference < DENSITY_LIMIT].sum()
        count = int(draw.poisson(DENSITY * region.area * numbers.sum() / known))
    kind = np.repeat(np.arange(numbers.size), draw.multinomial(count, numbers / numbers.sum()))
    table = _stars(region, stars, kind, reddening, draw)
    table["ra"], table["dec"] = region.uniform(count, random(seed, "bulge", "places"))
    table["type"] = np.full(count, POINT)
    return table


def _stars(
    region: Region,
    stars: Stars,
    kind: NDArray[np.int64],
    reddening: Values,
    draw: np.random.Generator,
) -> Table:
    """Stars of given kinds at random distances, with their motions."""
    depth = np.clip(draw.standard_normal(kind.size), -_EXTENT, _EXTENT)
    distance = DISTANCE + DEPTH * depth
    seen = replace(stars, magnitudes=stars.magnitudes + reddening)
    fluxes = scattered(seen, kind, distance, draw)
    along, across = (
        mean + width * draw.standard_normal(kind.size)
        for mean, width in zip(REFLEX, DISPERSION, strict=True)
    )
    sky = SkyCoord(region.ra, region.dec, unit="deg").galactic
    return point_table(fluxes, *rotated(sky, along, across), 1e3 / distance)
