"""A field of stars and galaxies, drawn from what is known of the sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from astropy.table import Table

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.astrometry import julian_year
from roman_dms.simulation.scenes.bulge import bulge_stars
from roman_dms.simulation.scenes.galaxies import draw_galaxies
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.scenes.stars import high_latitude_stars
from roman_dms.simulation.scenes.transients import (
    add_microlensing,
    add_variables,
    joined,
    moving_objects,
    supernovae,
)

LIMITS = (5.0, 30.0)
"""Faintest magnitudes, AB in F158, that a scene can be asked for."""


@dataclass(frozen=True, kw_only=True)
class Population:
    """What a field holds."""

    galaxies: bool = True
    limit: float = 27.0
    """Faintest F158 magnitude (AB) of galaxies and stars."""
    clustered: bool = True
    """Whether galaxies are clustered."""
    stars: Literal["high-latitude", "bulge", "none"] = "high-latitude"
    star_count: int | None = None
    """Number of stars of the bulge; by default what is known of their density gives it."""
    variables: int = 0
    supernovae: int = 0
    microlensing: int = 0
    moving: int = 0


def draw_scene(
    region: Region,
    population: Population,
    *,
    filters: Sequence[str] = FILTERS,
    mjd: float = 61557.0,
    seed: int = 0,
) -> Scene:
    """Draw a scene.

    Parameters
    ----------
    region
        Where.
    population
        What.
    filters
        Whose fluxes the scene has.
    mjd
        Epoch of the positions, and the time about which light curves have their
        extremes; modified Julian date, UTC.
    seed
        Same seed, same scene.

    Raises
    ------
    UsageError
        For a request that cannot be met.
    """
    unknown = [name for name in filters if name not in FILTERS]
    if unknown or not filters:
        raise UsageError(
            f"Fluxes were asked for in {', '.join(unknown) or 'no filter'}.",
            f"one or more of {', '.join(FILTERS)}",
        )
    _check(population)
    table = _steady(region, population, seed)
    table["id"] = np.arange(1, len(table) + 1)
    if population.variables:
        add_variables(table, population.variables, mjd, seed)
    if population.microlensing:
        add_microlensing(table, population.microlensing, mjd, seed)
    table = _with_transients(table, region, population, mjd, seed)
    table["id"] = np.arange(1, len(table) + 1)
    table.remove_columns([name for name in FILTERS if name not in filters])
    leading = ["id", "ra", "dec", "type"]
    table = table[[*leading, *(name for name in table.colnames if name not in leading)]]
    table.meta.update(epoch=julian_year(mjd), seed=seed)
    return Scene(table)


def _check(population: Population) -> None:
    low, high = LIMITS
    if not low <= population.limit <= high:
        raise UsageError(
            f"Sources were asked for up to magnitude {population.limit}.",
            f"a limit from {low:g} to {high:g}, AB in F158",
        )
    if population.star_count is not None and population.stars != "bulge":
        raise UsageError(
            f"{population.star_count} stars were asked for at stars = {population.stars}.",
            "a number of stars for those of the bulge alone; others are as many as there are",
            "add --stars bulge, or leave the number out",
        )


def _steady(region: Region, population: Population, seed: int) -> Table:
    """Galaxies and stars that do not change."""
    tables = []
    if population.galaxies:
        tables.append(draw_galaxies(region, population.limit, seed, clustered=population.clustered))
    if population.stars == "high-latitude":
        tables.append(high_latitude_stars(region, population.limit, seed))
    elif population.stars == "bulge":
        tables.append(bulge_stars(region, population.limit, seed, count=population.star_count))
    if not tables:
        columns = ("ra", "dec", *FILTERS)
        empty = Table({name: np.empty(0) for name in columns})
        empty["type"] = np.empty(0, "U3")
        tables.append(empty)
    return joined(tables) if len(tables) > 1 else tables[0]


def _with_transients(
    table: Table, region: Region, population: Population, mjd: float, seed: int
) -> Table:
    extra = []
    if population.supernovae:
        extra.append(supernovae(table, population.supernovae, mjd, seed))
    if population.moving:
        extra.append(moving_objects(region, population.moving, population.limit, seed))
    return joined([table, *extra]) if extra else table
