"""Tables of injected and of detected sources, matched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from roman_dms.errors import FormatError, UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.matching import (
    JANSKY_ZERO_POINT,
    Pairs,
    Places,
    Values,
    by_magnitude,
    magnitudes,
    match,
)

BAND = "(_(?P<band>f[0-9]{3}))?"
"""What names a filter inside a column of RAD's catalogues."""

POSITIONS = (
    ("ra", "dec"),
    (f"ra_psf{BAND}", "dec_psf{}"),
    ("ra_centroid_win", "dec_centroid_win"),
    ("ra_centroid", "dec_centroid"),
    ("alphawin_j2000", "deltawin_j2000"),
    ("alpha_j2000", "delta_j2000"),
    ("raj2000", "dej2000"),
)
"""Columns of right ascension and declination, the best ones first; case does not matter."""

FLUXES = ("flux", f"kron{BAND}_flux", f"segment{BAND}_flux", f"psf{BAND}_flux")
"""Columns of flux, in nJy unless they have another unit."""

MAGNITUDES = ("magnitude", "mag", "mag_ab", "mag_auto", "mag_psf")
"""Columns of AB magnitudes, where there is no flux."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a table hold positions and flux; found by their names where ``None``."""

    ra: str | None = None
    dec: str | None = None
    flux: str | None = None
    """A flux, or an AB magnitude if its unit or name says so."""


@dataclass(frozen=True)
class Matched:
    """What came of a match."""

    table: Table
    """A row for each source of either table: ``match`` (both, input or output),
    ``separation`` [arcsec], ``flux_ratio``, and all columns of both, with prefixes."""

    summary: Table
    """Completeness, purity and errors by magnitude; see :func:`by_magnitude`."""


def match_tables(
    given: Table,
    found: Table,
    *,
    radius: float = 0.3,
    columns: tuple[Columns, Columns] = (Columns(), Columns()),
    band: str | None = None,
    edges: Sequence[float] | None = None,
    step: float = 0.5,
) -> Matched:
    """Match a table of what was put in with one of what was found.

    Parameters
    ----------
    given, found
        Tables with positions on the sky [deg] and fluxes [nJy] or AB magnitudes.
    radius
        Largest separation [arcsec].
    columns
        Which columns of the two tables count.
    band
        Filter, where a table has columns of several.
    edges
        Edges of the bins, increasing [AB magnitude]; by default as wide as the
        magnitudes reach.
    step
        Width of these bins [mag].

    Raises
    ------
    UsageError
        For a radius or bins that cannot be, and positions that are not finite.
    FormatError
        Where columns are missing.
    """
    one = places_of(given, "input", columns[0], band)
    other = places_of(found, "output", columns[1], band)
    pairs = match(one, other, radius)
    bins = np.asarray(_edges((one, other), step) if edges is None else edges, float)
    if bins.size < 2 or not (np.diff(bins) > 0).all():
        raise UsageError(f"The edges of the bins are {bins.tolist()}.", "two or more, increasing")
    summary = Table(by_magnitude(one, other, pairs, bins))
    for name in ("bright", "faint"):
        summary[name].unit = u.mag
    for name in ("ra_bias", "dec_bias", "position_scatter"):
        summary[name].unit = u.arcsec
    return Matched(_joined(given, found, (one, other), pairs), summary)


def places_of(table: Table, name: str, columns: Columns, band: str | None = None) -> Places:
    """Positions and fluxes of a table.

    Parameters
    ----------
    name
        What the table is called in messages.

    Raises
    ------
    FormatError
        Where columns are missing or hold no numbers.
    """
    if (columns.ra is None) != (columns.dec is None):
        raise UsageError(f"Only one column of positions was named for the {name}.", "both of them")
    if columns.ra and columns.dec:
        ra, dec = columns.ra, columns.dec
    else:
        ra, dec = _position_columns(table, name, band)
    flux = columns.flux or _flux_column(table, name, band)
    return Places(
        _numbers(table, ra, name, u.deg),
        _numbers(table, dec, name, u.deg),
        _fluxes(table, flux, name),
    )


def _position_columns(table: Table, name: str, band: str | None) -> tuple[str, str]:
    lower = {column.lower(): column for column in table.colnames}
    for pattern, partner in POSITIONS:
        for column, matched in _matching(table, pattern, band):
            other = lower.get(partner.format(_suffix(matched)))
            if other:
                return column, other
    raise _no_column(table, name, "positions", "ra and dec, or those of RAD's catalogues")


def _flux_column(table: Table, name: str, band: str | None) -> str:
    for pattern in (*FLUXES, *MAGNITUDES):
        found = _matching(table, pattern, band)
        if len(found) > 1:
            raise UsageError(
                f"The {name} has fluxes in several bands: {', '.join(c for c, _ in found)}.",
                "one of them",
                "choose it with --band",
            )
        if found:
            return found[0][0]
    bands = [f for f in FILTERS if f in table.colnames and band in {None, f.lower(), f}]
    if len(bands) == 1:
        return bands[0]
    raise _no_column(table, name, "fluxes", "flux, kron_f158_flux, magnitude or a filter's name")


def _matching(table: Table, pattern: str, band: str | None) -> list[tuple[str, re.Match[str]]]:
    """Columns whose whole name has a pattern, in a band if one is asked for."""
    found = []
    for column in table.colnames:
        matched = re.fullmatch(pattern, column.lower())
        if matched and not (band and _suffix(matched) not in {"", f"_{band.lower()}"}):
            found.append((column, matched))
    return found


def _suffix(matched: re.Match[str]) -> str:
    """The band in a column's name, with its underscore."""
    band = matched.groupdict().get("band")
    return f"_{band}" if band else ""


def _no_column(table: Table, name: str, what: str, expected: str) -> FormatError:
    return FormatError(
        f"The {name} has no columns of {what}: it has {', '.join(table.colnames[:40])}.",
        expected,
        "name them with the options for the columns",
    )


def _numbers(table: Table, column: str, name: str, unit: u.UnitBase | None) -> Values:
    """A column as numbers, NaN where it is masked, in a unit if it has one."""
    if column not in table.colnames:
        raise _no_column(table, name, column, f"a column {column!r}")
    values = table[column]
    try:
        numbers: Values = np.asarray(np.ma.asarray(values, dtype=float).filled(np.nan))
        if unit is None or values.unit is None:
            return numbers
        return np.asarray((numbers * u.Unit(values.unit)).to_value(unit))
    except (ValueError, TypeError) as error:
        raise FormatError(
            f"The column {column!r} of the {name} is no quantity in {unit or 'numbers'}: {error}.",
            f"numbers, in {unit}" if unit else "numbers",
        ) from error


def _fluxes(table: Table, column: str, name: str) -> Values:
    """Fluxes in nJy of a column of fluxes or AB magnitudes."""
    if column in FILTERS and column in table.colnames and table[column].unit is None:
        return _numbers(table, column, name, None) * JANSKY_ZERO_POINT  # a scene's maggies
    unit = table[column].unit if column in table.colnames else None
    magnitude = unit in {u.mag, u.ABmag} or (unit is None and column.lower() in MAGNITUDES)
    if magnitude:
        return JANSKY_ZERO_POINT * 10 ** (-0.4 * _numbers(table, column, name, None))
    return _numbers(table, column, name, u.nJy)


def _edges(places: Sequence[Places], step: float) -> Values:
    """Edges of bins that hold all magnitudes."""
    if not 0.01 <= step <= 50:
        raise UsageError(f"The bins are {step} mag wide.", "between 0.01 and 50")
    known = np.concatenate([magnitudes(p.flux) for p in places])
    known = known[np.isfinite(known)]
    if not known.size:
        raise UsageError("No source has a positive flux.", "fluxes in nJy, or AB magnitudes")
    low, high = np.floor(known.min() / step), np.floor(known.max() / step) + 1
    return step * np.arange(low, high + 1)


def _joined(given: Table, found: Table, places: Sequence[Places], pairs: Pairs) -> Table:
    """All sources of both tables: those of the input in its order, then the others."""
    partner = np.full(len(given), -1)
    partner[pairs.given] = pairs.found
    alone = np.setdiff1d(np.arange(len(found)), pairs.found)
    rows = np.concatenate([np.arange(len(given)), np.full(alone.size, -1)])
    others = np.concatenate([partner, alone])
    both = (rows >= 0) & (others >= 0)
    table = Table()
    table["match"] = np.where(both, "both", np.where(rows >= 0, "input", "output"))
    separation = np.zeros(len(given))
    separation[pairs.given] = pairs.separation
    table["separation"] = MaskedColumn(_taken(separation, rows), mask=~both, unit=u.arcsec)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _taken(places[1].flux, others) / _taken(places[0].flux, rows)
    table["flux_ratio"] = MaskedColumn(ratio, mask=~both)
    for prefix, source, index in (("input", given, rows), ("output", found, others)):
        for name in source.colnames:
            column = source[name]
            values = _taken(np.ma.getdata(column), index)
            mask = (index < 0) | _taken(np.ma.getmaskarray(column), index)
            table[f"{prefix}_{name}"] = MaskedColumn(values, mask=mask, unit=column.unit)
    return table


def _taken(values: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Values by index; anything where it is -1."""
    if not len(values):
        return np.zeros(len(index), np.asarray(values).dtype)
    return np.asarray(values)[index]
