"""Stars at high latitude: Gaia's where it sees them, a model of the Galaxy beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.coordinates import Galactic, SkyCoord
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.columns import POINT
from roman_dms.simulation.scenes.populations import random, sample
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.scenes.spectra import blackbody
from roman_dms.simulation.scenes.stellar_sequence import Stars, old_population

Values = NDArray[np.float64]
Fluxes = NDArray[np.float32]

GAIA_LIMIT = 20.0
"""G magnitude up to which stars are Gaia's; the model gives the fainter ones."""

SUN_RADIUS, SUN_HEIGHT = 8000.0, 25.0
"""Place of the Sun in the Galaxy [pc], as Juric et al. take it."""

LOCAL_DENSITY = 0.08
"""Stars of the thin disc around the Sun [pc^-3] (Reid, Gizis & Hawley 2002, AJ 124, 2721)."""

SUN_MOTION = (11.1, 12.24, 7.25)
"""Motion of the Sun against the local standard of rest, U, V, W [km/s]
(Schoenrich, Binney & Dehnen 2010, MNRAS 403, 1829)."""

KM_S = 4.740470446
"""Speed of 1 au a year [km/s]: mas/yr of 1 km/s at 1 kpc is its inverse."""

NEAREST, FARTHEST = 20.0, 60e3
"""Distances of stars of the model [pc]."""


@dataclass(frozen=True)
class Component:
    """A part of the Galaxy (Juric et al. 2008, ApJ 673, 864, table 10, bias-corrected)."""

    local: float
    """Density at the Sun over that of the thin disc."""
    length: float
    """Scale length [pc], 0 for the halo."""
    height: float
    """Scale height [pc]; for the halo, its flattening."""
    dispersion: tuple[float, float, float]
    """Of the velocity, U, V, W [km/s] (Bensby, Feltzing & Lundstroem 2003, A&A 410, 527;
    the halo's: Chiba & Beers 2000, AJ 119, 2843)."""
    lag: float
    """Of the rotation behind the local standard of rest [km/s]."""


COMPONENTS = (
    Component(1.0, 2600.0, 300.0, (35.0, 20.0, 16.0), 15.0),
    Component(0.12, 3600.0, 900.0, (67.0, 38.0, 35.0), 46.0),
    Component(0.0051, 0.0, 0.64, (141.0, 106.0, 94.0), 220.0),
)
"""Thin disc, thick disc, halo."""

HALO_SLOPE = 2.77
"""Density of the halo falls with this power of the distance from the centre (Juric et al.)."""


def high_latitude_stars(region: Region, limit: float, seed: int) -> Table:
    """Stars up to an F158 magnitude, as a table of scene columns.

    Stars that Gaia sees are drawn from its rows around (270, +66) deg, galactic
    latitude 30 deg, in their number there, with their proper motions and
    parallaxes; fainter ones from the model of Juric et al. (2008) in the
    direction of the region, with Kroupa's (2001, MNRAS 322, 231) mass function.
    """
    tables = [_gaia(region, seed), _model(region, limit, seed)]
    columns = {
        name: np.concatenate([np.asarray(table[name]) for table in tables])
        for name in tables[0].colnames
    }
    bright = columns["F158"] > 10 ** (-0.4 * limit)
    table = Table({name: values[bright] for name, values in columns.items()})
    draw = random(seed, "stars", "places")
    table["ra"], table["dec"] = region.uniform(len(table), draw)
    table["type"] = np.full(len(table), POINT)
    return table


def point_table(fluxes: Fluxes, pmra: Values, pmdec: Values, parallax: Values) -> Table:
    """A table of stars without places, from fluxes (filter, n) in ``FILTERS`` [maggie]."""
    columns = dict(zip(FILTERS, fluxes, strict=True))
    return Table({**columns, "pmra": pmra, "pmdec": pmdec, "parallax": parallax}, copy=False)


def _gaia(region: Region, seed: int) -> Table:
    """Rows of Gaia; a star's spectrum is Planck's at the temperature of its colour."""
    rows = sample("gaia")
    known = np.flatnonzero(rows["g"] < GAIA_LIMIT)
    draw = random(seed, "stars", "gaia")
    number = draw.poisson(known.size / float(rows["area"]) * region.area)
    chosen = known[draw.integers(known.size, size=number)]
    colour = rows["colour"][chosen]
    # Temperatures of dwarfs by BP - RP (Pecaut & Mamajek 2013, as in stellar_sequence).
    temperature = np.interp(
        colour,
        [0.0, 0.587, 0.782, 0.98, 1.45, 1.84, 2.25, 2.95, 4.0],
        [9700, 6510, 5920, 5280, 4410, 3870, 3550, 3200, 2800],
    )
    wavelengths = np.array([0.673, *(band(MEAN, name).pivot for name in FILTERS)])
    density = blackbody(wavelengths, temperature[:, None])
    # G of Vega is 0.11 mag (AB) (Riello et al. 2021, A&A 649, A3), at a pivot of 0.622;
    # of the cooler stars it holds the light near 0.673 micron, the nominal band.
    magnitudes = rows["g"][chosen, None] + 0.11 - 2.5 * np.log10(density[:, 1:] / density[:, :1])
    fluxes = (10 ** (-0.4 * magnitudes.T)).astype(np.float32)
    return point_table(
        fluxes, rows["pmra"][chosen], rows["pmdec"][chosen], rows["parallax"][chosen]
    )


def _model(region: Region, limit: float, seed: int) -> Table:
    stars = old_population(0.5, 1.3, 2.3)
    sky = SkyCoord(region.ra, region.dec, unit="deg").galactic
    edges = np.geomspace(NEAREST, FARTHEST, 161)
    distances = np.sqrt(edges[1:] * edges[:-1])
    modulus = 5 * np.log10(distances / 10)
    volumes = np.diff(edges**3) / 3 * region.area * np.deg2rad(1) ** 2
    seen = stars.magnitudes[:, FILTERS.index("F158")] + modulus[:, None] < limit + 0.5
    seen &= stars.gaia + modulus[:, None] > GAIA_LIMIT
    draw = random(seed, "stars", "model")
    tables = []
    for component in COMPONENTS:
        density = LOCAL_DENSITY * density_along(component, sky, distances)
        expected = (density * volumes)[:, None] * stars.numbers * seen
        cells = np.repeat(np.arange(expected.size), draw.poisson(expected).ravel())
        where, kind = np.divmod(cells, stars.numbers.size)
        width = edges[where + 1] / edges[where]
        distance = edges[where] * width ** draw.random(where.size)
        fluxes = scattered(stars, kind, distance, draw)
        east, north = _proper_motions(component, sky, distance, draw)
        tables.append(point_table(fluxes, east, north, 1e3 / distance))
    columns = {
        name: np.concatenate([np.asarray(table[name]) for table in tables])
        for name in tables[0].colnames
    }
    return Table(columns, copy=False)


def scattered(
    stars: Stars, kind: NDArray[np.int64], distance: Values, draw: np.random.Generator
) -> Fluxes:
    """Fluxes (filter, n) of stars of some kinds at distances [pc], each with its scatter."""
    modulus = 5 * np.log10(distance / 10) + stars.spread[kind] * draw.standard_normal(kind.size)
    dimming = (10 ** (-0.4 * modulus)).astype(np.float32)
    intrinsic = (10 ** (-0.4 * stars.magnitudes.T)).astype(np.float32)
    return intrinsic[:, kind] * dimming


def rotated(sky: SkyCoord, along: Values, across: Values) -> tuple[Values, Values]:
    """Motions along galactic longitude and latitude as motions to the east and north."""
    here = sky.icrs
    pole = SkyCoord(0, 90, unit="deg", frame=Galactic)
    angle = float(here.position_angle(pole).rad)
    # Galactic north lies at this angle from north to east, growing longitude 90 deg on.
    east = across * np.sin(angle) + along * np.cos(angle)
    north = across * np.cos(angle) - along * np.sin(angle)
    return east, north


def density_along(component: Component, sky: SkyCoord, distances: Values) -> Values:
    """Density along a line of sight over that of the thin disc at the Sun."""
    longitude, latitude = sky.l.rad, sky.b.rad
    x = SUN_RADIUS - distances * np.cos(latitude) * np.cos(longitude)
    y = distances * np.cos(latitude) * np.sin(longitude)
    z = distances * np.sin(latitude) + SUN_HEIGHT
    radius = np.hypot(x, y)
    if not component.length:
        from_centre = np.sqrt(radius**2 + (z / component.height) ** 2 + 1.0)
        return component.local * (SUN_RADIUS / from_centre) ** HALO_SLOPE
    return component.local * np.exp(
        (SUN_RADIUS - radius) / component.length - (np.abs(z) - SUN_HEIGHT) / component.height
    )


def _proper_motions(
    component: Component, sky: SkyCoord, distance: Values, draw: np.random.Generator
) -> tuple[Values, Values]:
    """Towards east and north [mas / yr]; U, V, W as near the Sun, whatever the distance."""
    mean = -np.array(SUN_MOTION) - np.array([0.0, component.lag, 0.0])
    u, v, w = (mean + component.dispersion * draw.standard_normal((distance.size, 3))).T
    longitude, latitude = sky.l.rad, sky.b.rad
    along = -u * np.sin(longitude) + v * np.cos(longitude)
    outward = u * np.cos(longitude) + v * np.sin(longitude)
    across = w * np.cos(latitude) - outward * np.sin(latitude)
    scale = 1e3 / KM_S / distance
    return rotated(sky, along * scale, across * scale)
