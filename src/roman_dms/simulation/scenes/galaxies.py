"""Galaxies as COSMOS2020 found them, and fainter ones by extrapolation."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.simulation.scenes.columns import SERSIC
from roman_dms.simulation.scenes.populations import random, sample
from roman_dms.simulation.scenes.region import Region

Values = NDArray[np.float64]

REFERENCE = "F158"
"""The band in which galaxies are counted."""

FAINT_SLOPE = 0.26
"""d log10 N / d magnitude beyond COSMOS2020's completeness: what Marin-Franch & Aparicio
(2003, ApJ 585, 714) measure in I814 down to magnitude 31, taken over to F158."""

FAINT_SHRINKING = 0.1
"""- d log10 radius / d magnitude there: at constant surface brightness it would be 0.2;
the sample's median falls by 0.09 from magnitude 22 to 24."""

FAINTEST = 30.0
"""Magnitude beyond which nothing is known."""

STEP = 0.25
"""Magnitudes from bin to bin."""

DISC, SPHEROID = 1.0, 4.0
"""Sersic indices of an exponential disc and of a de Vaucouleurs spheroid."""

RED = 0.9
"""F087 - F129 above which galaxies are mostly quiescent, so that two of three are taken to
be spheroids; of bluer ones, one of ten.  COSMOS2020 as carried has no Sersic indices."""

INDEX_SCATTER = 0.25
"""Scatter of ln(Sersic index) about that of a disc or spheroid."""


def counts(limit: float) -> tuple[Values, Values]:
    """Galaxies a square degree in bins of F158 magnitude, up to a limit.

    Returns
    -------
    tuple
        (m + 1,) borders of the bins, the last one the limit, and (m,) numbers.

    Raises
    ------
    UsageError
        For a limit that is brighter than any galaxy of the sample, or below ``FAINTEST``.
    """
    measured = sample("cosmos2020")
    edges, found = measured["edges"], measured["counts"]
    if not edges[0] < limit <= FAINTEST:
        raise UsageError(
            f"Galaxies were asked for up to magnitude {limit} in {REFERENCE}.",
            f"a limit from {edges[0]:g} to {FAINTEST:g}",
        )
    # The level at the edge comes from the last magnitude, where one bin is 1 % noise.
    growth = 10 ** (FAINT_SLOPE * STEP)
    last = int(1 / STEP)
    weights = growth ** -np.arange(last, 0, -1.0)
    level = found[-last:].sum() / weights.sum()
    extra = np.arange(1, round((FAINTEST - edges[-1]) / STEP) + 1)
    edges = np.append(edges, edges[-1] + extra * STEP)
    found = np.append(found, level * growth ** (extra - 1.0))
    bins = int(np.searchsorted(edges, limit))
    part = (limit - edges[bins - 1]) / STEP
    return np.append(edges[:bins], limit), np.append(found[: bins - 1], found[bins - 1] * part)


def draw_galaxies(region: Region, limit: float, seed: int, *, clustered: bool = False) -> Table:
    """A Poisson number of galaxies in a region, as a table of scene columns.

    A galaxy takes fluxes, radius and axis ratio together from one of the sample in
    its magnitude bin, moved by less than a bin; beyond the sample, from one of
    its last magnitude, dimmed and shrunk.

    Parameters
    ----------
    limit
        Faintest F158 magnitude (AB).
    seed
        Same seed, same galaxies.
    clustered
        With the correlation of :meth:`Region.clustered`, else independent.
    """
    draw = random(seed, "galaxies")
    edges, density = counts(limit)
    numbers = draw.poisson(density * region.area)
    widths = np.diff(edges)
    bins = np.repeat(np.arange(numbers.size), numbers)
    reference = edges[bins] + widths[bins] * draw.random(bins.size)
    rows = _rows(bins, edges, draw)
    place = region.clustered if clustered else region.uniform
    ra, dec = place(bins.size, random(seed, "galaxies", "places"))
    table = _galaxies(rows, reference, draw)
    table.add_columns([ra, dec, np.full(bins.size, SERSIC)], names=["ra", "dec", "type"])
    return table


def _rows(bins: NDArray[np.int64], edges: Values, draw: np.random.Generator) -> NDArray[np.int64]:
    """For each galaxy, a row of the sample in its bin, or in the last magnitude."""
    measured = sample("cosmos2020")
    reference = _reference_magnitudes()
    order = np.argsort(reference, kind="stable")
    borders = np.searchsorted(reference[order], np.append(measured["edges"], np.inf))
    first, last = borders[:-1].copy(), borders[1:].copy()
    known = measured["edges"].size - 1
    first, last = first[:known], last[:known]
    deepest = int(np.searchsorted(reference[order], measured["edges"][-1] - 1.0))
    extra = max(edges.size - 1 - known, 0)
    first = np.append(first, np.full(extra, deepest))
    last = np.append(last, np.full(extra, order.size))
    # A bin may be empty in the sample, at its bright end; the neighbours stand in.
    first = np.where(last > first, first, np.maximum(first - 1, 0))
    span = np.maximum(last - first, 1)
    picked = first[bins] + (draw.random(bins.size) * span[bins]).astype(np.int64)
    return order[np.minimum(picked, order.size - 1)]


def _galaxies(rows: NDArray[np.int64], reference: Values, draw: np.random.Generator) -> Table:
    measured = sample("cosmos2020")
    shift = reference - _reference_magnitudes()[rows]
    magnitudes = measured["magnitudes"][rows] + shift[:, None]
    filters = [str(name) for name in measured["filters"]]
    fluxes = 10 ** (-0.4 * magnitudes)
    colour = magnitudes[:, filters.index("F087")] - magnitudes[:, filters.index("F129")]
    spheroid = draw.random(rows.size) < np.where(colour > RED, 0.67, 0.1)
    index = np.where(spheroid, SPHEROID, DISC)
    index = index * np.exp(INDEX_SCATTER * draw.standard_normal(rows.size))
    return Table(
        {
            "n": np.clip(index, 0.5, 6.0),
            "half_light_radius": measured["radius"][rows] * 10 ** (-FAINT_SHRINKING * shift),
            "ba": np.clip(measured["ratio"][rows], 0.1, 1.0),
            "pa": draw.uniform(0, 180, rows.size),
            **{name: fluxes[:, number] for number, name in enumerate(filters)},
        }
    )


def _reference_magnitudes() -> Values:
    measured = sample("cosmos2020")
    column = [str(name) for name in measured["filters"]].index(REFERENCE)
    return np.asarray(measured["magnitudes"][:, column])
