"""Sources that change or move: variable stars, supernovae in hosts, lensed stars, asteroids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.astrometry import displaced
from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.columns import COLUMNS, POINT, SERSIC
from roman_dms.simulation.scenes.populations import random
from roman_dms.simulation.scenes.region import Region
from roman_dms.simulation.scenes.spectra import blackbody

Values = NDArray[np.float64]

ARCSECOND = float(np.deg2rad(1 / 3600))
"""[rad]."""

SUPERNOVA_PEAK = -19.25
"""Absolute AB magnitude in B of a normal Type Ia at its peak (Riess et al. 2016, ApJ 826, 56)."""

SUPERNOVA_SCATTER = 0.15
"""Scatter of it after standardisation [mag]."""

SUPERNOVA_TEMPERATURE = 1.1e4
"""Colour temperature at the peak [K]; a blackbody, red of 0.4 micron, to some tenths of a mag."""

SUPERNOVA_DECLINE = (17.0, 24.0)
"""Range of 1/e decline times at rest [d]."""

REDSHIFTS = (0.1, 1.5)
"""Range of redshifts of supernovae, drawn by volume."""

HUBBLE_DISTANCE = 4282.7
"""c / H0 [Mpc] for H0 = 70 km/s/Mpc."""

MATTER = 0.3
"""Density of matter over the critical one, in a flat universe."""

MOTIONS = (5.0, 60.0)
"""Range of apparent motions [arcsec / h]: asteroids of the main belt near quadrature, where
Roman observes, and faster ones."""


def add_variables(table: Table, count: int, mjd: float, seed: int) -> None:
    """Make some of the stars of a table variable: sine, sawtooth and eclipse in turn.

    Raises
    ------
    UsageError
        Where there are not that many stars.
    """
    draw = random(seed, "variables")
    rows = _pick(table, table["type"] == POINT, count, "stars", draw)
    kinds = np.array(["sine", "sawtooth", "eclipse"])[np.arange(count) % 3]
    _change(table, rows, kinds, {
        "timescale": 10 ** draw.uniform(-0.5, 1.5, count),
        "t_ref": mjd + draw.uniform(0, 30, count),
        "amplitude": np.where(kinds == "eclipse", draw.uniform(0.1, 0.7, count),
                              draw.uniform(0.2, 1.2, count)),
    })  # fmt: skip


def add_microlensing(table: Table, count: int, mjd: float, seed: int) -> None:
    """Put a lens before some of the stars of a table, closest within 30 d of a time.

    Einstein times are log-normal about 20 d (Mroz et al. 2019, ApJS 244, 29); the
    closest approach is uniform up to one Einstein radius.

    Raises
    ------
    UsageError
        Where there are not that many stars.
    """
    draw = random(seed, "microlensing")
    rows = _pick(table, table["type"] == POINT, count, "stars", draw)
    _change(table, rows, np.full(count, "microlensing"), {
        "timescale": 20 * 10 ** (0.35 * draw.standard_normal(count)),
        "t_ref": mjd + draw.uniform(-30, 30, count),
        "amplitude": draw.uniform(0.01, 1, count),
    })  # fmt: skip


def supernovae(table: Table, count: int, mjd: float, seed: int) -> Table:
    """Supernovae of Type Ia in galaxies of a table, placed by the light of their hosts.

    The hosts get the redshifts of their supernovae.

    Raises
    ------
    UsageError
        Where there are not that many galaxies.
    """
    draw = random(seed, "supernovae")
    rows = _pick(table, table["type"] == SERSIC, count, "galaxies", draw)
    low, high = (comoving_distance(z) ** 3 for z in REDSHIFTS)
    grid = np.linspace(*REDSHIFTS, 500)
    redshift = np.interp(
        draw.uniform(low, high, count), [comoving_distance(z) ** 3 for z in grid], grid
    )
    ra, dec = _in_hosts(table[rows], draw)
    result = Table({"ra": ra, "dec": dec, "type": np.full(count, POINT)})
    scatter = SUPERNOVA_SCATTER * draw.standard_normal(count)
    fluxes = _supernova_fluxes(redshift) * 10 ** (-0.4 * scatter[:, None])
    for number, name in enumerate(FILTERS):
        result[name] = fluxes[:, number]
    result["redshift"] = redshift
    result["variability"] = np.full(count, "supernova")
    result["timescale"] = draw.uniform(*SUPERNOVA_DECLINE, count)
    result["t_ref"] = mjd + draw.uniform(-30, 30, count)
    result["host"] = np.asarray(table["id"])[rows]
    if "redshift" not in table.colnames:
        table["redshift"] = np.zeros(len(table))
    table["redshift"][rows] = redshift
    return result


def moving_objects(region: Region, count: int, limit: float, seed: int) -> Table:
    """Objects of sunlight's colour that move straight, as bright as 5 mag above a limit."""
    draw = random(seed, "moving")
    ra, dec = region.uniform(count, draw)
    angle, speed = draw.uniform(0, 2 * np.pi, count), draw.uniform(*MOTIONS, count)
    pivots = np.array([band(MEAN, name).pivot for name in FILTERS])
    colour = blackbody(pivots, 5772.0)
    flux = 10 ** (-0.4 * (limit - draw.uniform(0, 5, count)))
    reference = FILTERS.index("F158")
    columns = {
        name: flux * colour[number] / colour[reference] for number, name in enumerate(FILTERS)
    }
    return Table(
        {
            "ra": ra,
            "dec": dec,
            "type": np.full(count, POINT),
            "motion_ra": speed * np.sin(angle),
            "motion_dec": speed * np.cos(angle),
            **columns,
        }
    )


def comoving_distance(redshift: float) -> float:
    """In a flat universe of matter and a cosmological constant [Mpc] (Hogg 1999, eq. 15)."""
    z = np.linspace(0, redshift, 257)
    return float(HUBBLE_DISTANCE * np.trapezoid(1 / np.sqrt(MATTER * (1 + z) ** 3 + 1 - MATTER), z))


def joined(tables: list[Table]) -> Table:
    """Tables below each other, where a column is absent its default."""
    table = vstack(tables, metadata_conflicts="silent")
    for name in table.colnames:
        if hasattr(table[name], "mask"):
            table[name] = table[name].filled(COLUMNS[name].default)
    return table


def _supernova_fluxes(redshift: Values) -> Values:
    """(n, filter) at the peak [maggie]: a blackbody as bright at 0.44 micron at rest."""
    pivots = np.array([band(MEAN, name).pivot for name in FILTERS])
    rest = pivots / (1 + redshift[:, None])
    shape = blackbody(rest, SUPERNOVA_TEMPERATURE) / blackbody(
        np.array(0.44), SUPERNOVA_TEMPERATURE
    )
    distance = np.array([comoving_distance(z) * (1 + z) for z in redshift])
    # L_nu at a rest frequency arrives as f_nu (1 + z) brighter at the redshifted one.
    modulus = 5 * np.log10(distance * 1e5) - 2.5 * np.log10(1 + redshift)
    return shape * 10 ** (-0.4 * (SUPERNOVA_PEAK + modulus[:, None]))


def _in_hosts(hosts: Table, draw: np.random.Generator) -> tuple[Values, Values]:
    """Places drawn from the light of Sersic galaxies.

    With b the scale of Ciotti & Bertin (1999, A&A 352, 447, eq. 18), the light
    within r is gamma(2 n, b (r / r_half)^(1/n)), so that b (r / r_half)^(1/n) is
    distributed as a gamma variable of shape 2 n.
    """
    n = np.asarray(hosts["n"], float)
    b = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)
    radius = np.asarray(hosts["half_light_radius"]) * (draw.gamma(2 * n) / b) ** n
    angle = draw.uniform(0, 2 * np.pi, n.size)
    ratio, tilt = np.sqrt(np.asarray(hosts["ba"], float)), np.deg2rad(np.asarray(hosts["pa"]))
    major, minor = radius * np.cos(angle) / ratio, radius * np.sin(angle) * ratio
    east = major * np.sin(tilt) + minor * np.cos(tilt)
    north = major * np.cos(tilt) - minor * np.sin(tilt)
    return displaced(
        np.asarray(hosts["ra"]), np.asarray(hosts["dec"]), east * ARCSECOND, north * ARCSECOND
    )


def _pick(
    table: Table, usable: NDArray[np.bool_], count: int, what: str, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Rows that may change and do not yet."""
    if "variability" in table.colnames:
        usable = usable & (np.asarray(table["variability"]) == "")
    candidates = np.flatnonzero(usable)
    if candidates.size < count:
        raise UsageError(
            f"{count} {what} were asked for to change, and the scene has {candidates.size}.",
            f"at most as many as there are {what}",
            "ask for fewer, or for a larger or deeper scene",
        )
    return draw.choice(candidates, count, replace=False)


def _change(
    table: Table, rows: NDArray[np.int64], kinds: NDArray[np.str_], values: Mapping[str, Values]
) -> None:
    """Write light curves into rows, making the columns where they are absent."""
    if "variability" not in table.colnames:
        table["variability"] = np.full(len(table), "", dtype="U12")
        for name, default in (("t_ref", 0.0), ("timescale", 1.0), ("amplitude", 0.0)):
            table[name] = np.full(len(table), default)
    table["variability"][rows] = kinds
    for name, column in values.items():
        table[name][rows] = column
