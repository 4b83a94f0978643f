"""What a table must be to stand as a scene; errors name the row and the column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import FormatError, RdmsError
from roman_dms.simulation.scenes.columns import COLUMNS, FLUXES, POINT, SERSIC, Column
from roman_dms.simulation.scenes.spectra import spectrum
from roman_dms.simulation.scenes.variability import KINDS

JANSKY_OF_MAGGIE = 3631.0
"""Flux density of AB magnitude 0 [Jy] (Oke & Gunn 1983)."""

_MAGGIES = {"": 1.0, "maggy": 1.0, "mgy": 1.0, "maggie": 1.0, "nmgy": 1e-9}
"""Units of flux that are multiples of a maggie."""


_FEW_NAMES = 16
"""Distinct names that are found by comparison, before the rest are sorted."""


def validated(table: Table) -> Table:
    """The table with our units and types, checked; columns that we do not know are kept.

    Raises
    ------
    FormatError
        For missing columns, values that are missing, not finite or outside of
        their limits, and unknown names of types, spectra and light curves.
    """
    result = Table(table, copy=False)
    _check_columns(result)
    kinds = _names(result, COLUMNS["type"])
    is_galaxy = kinds == SERSIC
    _refuse(~is_galaxy & (kinds != POINT), kinds, COLUMNS["type"], f"{POINT} or {SERSIC}")
    if is_galaxy.any() and "half_light_radius" not in result.colnames:
        raise FormatError(
            f"The scene has galaxies (type {SERSIC}) but no column half_light_radius.",
            "n, half_light_radius [arcsec], ba and pa [deg] for galaxies",
        )
    for column in (*COLUMNS.values(), *FLUXES.values()):
        if column.name in result.colnames:
            values = _values(result, column)
            _check_limits(values, column, is_galaxy if column.only else None)
            _replace(result, column, values)
    _number(result)
    _check_names(result)
    _check_epoch(result)
    return result


def distinct(names: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each name that occurs, and in which rows.

    Where millions of rows have a few names, comparing is faster than sorting.

    >>> [(name, rows.tolist()) for name, rows in distinct(np.array(["a", "b", "a"]))]
    [('a', [0, 2]), ('b', [1])]
    """
    remaining = np.arange(names.size)
    for _ in range(_FEW_NAMES):
        if not remaining.size:
            return
        name = names[remaining[0]]
        same = names[remaining] == name
        yield str(name), remaining[same]
        remaining = remaining[~same]
    rest, starts = np.unique(names[remaining], return_inverse=True)
    order = np.argsort(starts, kind="stable")
    borders = np.cumsum(np.bincount(starts, minlength=rest.size))[:-1]
    for name, rows in zip(rest, np.split(remaining[order], borders), strict=True):
        if rows.size:
            yield str(name), rows


def _check_columns(table: Table) -> None:
    missing = [name for name in ("ra", "dec", "type") if name not in table.colnames]
    if missing:
        raise FormatError(
            f"The scene has no column {' and none '.join(missing)}; "
            f"it has {', '.join(table.colnames) or 'no columns at all'}.",
            "ra and dec [deg], type (PSF or SER) and a flux in maggies for each filter",
        )
    if not any(band in table.colnames for band in FLUXES):
        raise FormatError(
            f"The scene has no flux: its columns are {', '.join(table.colnames)}.",
            f"at least one of {', '.join(FLUXES)} [maggie]",
        )


def _values(table: Table, column: Column) -> NDArray[Any]:
    """The values of a column in our unit and type."""
    if column.dtype == "str":
        return _names(table, column)
    found = table[column.name]
    mask = np.asarray(getattr(found, "mask", False))
    if mask.any():
        if column.default is None:
            raise _error(column, int(np.argmax(mask)), "missing", "a value in every row")
        found = found.filled(column.default)
    unit = str(found.unit or "")
    values = np.asarray(getattr(found, "value", found))
    if values.dtype.kind not in "fiub":
        raise FormatError(
            f"The column {column.name} of the scene holds {values.dtype}.",
            f"numbers [{column.unit or 'no unit'}]",
        )
    if column.dtype == "int64" and values.dtype.kind == "f":
        _refuse(values != np.trunc(values), values, column, "a whole number")
    if column.name in FLUXES:
        return _maggies(values, unit, column)
    values = values.astype(column.dtype, copy=False)
    if unit and column.unit and unit != column.unit:
        values = _converted(values, unit, column)
    return values


def _converted(values: NDArray[Any], unit: str, column: Column) -> NDArray[Any]:
    try:
        return (values * u.Unit(unit)).to_value(column.unit)
    except (u.UnitConversionError, ValueError, TypeError) as error:
        raise FormatError(
            f"The column {column.name} of the scene is in {unit}.", column.unit
        ) from error


def _maggies(values: NDArray[Any], unit: str, column: Column) -> NDArray[np.floating[Any]]:
    """Fluxes in maggies, from maggies, flux densities or AB magnitudes."""
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    if unit in _MAGGIES:
        return values if _MAGGIES[unit] == 1 else values * _MAGGIES[unit]
    if unit in {"mag", "mag(AB)", "ABmag"}:
        return 10 ** (-0.4 * values.astype(np.float64))
    try:
        return (values * u.Unit(unit)).to_value("Jy") / JANSKY_OF_MAGGIE
    except (u.UnitConversionError, ValueError, TypeError) as error:
        raise FormatError(
            f"The flux {column.name} of the scene is in {unit}.",
            "maggies (no unit), Jy or a multiple of it, or mag(AB)",
        ) from error


def _names(table: Table, column: Column) -> NDArray[np.str_]:
    found = table[column.name]
    if hasattr(found, "filled"):
        found = found.filled("")
    values = np.asarray(found)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    return values.astype(str, copy=False)


def _check_limits(values: NDArray[Any], column: Column, only: NDArray[np.bool_] | None) -> None:
    if values.dtype.kind not in "fiub" or not values.size:
        return
    # Minimum and maximum are cheap and say for most columns that all is well; NaN fails.
    least, most = values.min(), values.max()
    if column.low <= least and most <= column.high and np.isfinite([least, most]).all():
        return
    bad = ~((values >= column.low) & (values <= column.high) & np.isfinite(values))
    if only is not None:
        bad &= only
    _refuse(bad, values, column, _limits(column))


def _limits(column: Column) -> str:
    unit = f" [{column.unit}]" if column.unit else ""
    if np.isfinite([column.low, column.high]).all():
        return f"{column.low:g} to {column.high:g}{unit}"
    if np.isfinite(column.low):
        return f"a finite number, {column.low:g} or more{unit}"
    return f"a finite number{unit}"


def _refuse(bad: NDArray[np.bool_], values: Any, column: Column, expected: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        more = int(bad.sum()) - 1
        found = f"{values[row]!s}" + (f" ({more} more rows like it)" if more else "")
        raise _error(column, row, found, expected)


def _error(column: Column, row: int, found: str, expected: str) -> FormatError:
    return FormatError(
        f"Row {row} of the scene, counted from 0, has {column.name} = {found}.",
        expected,
        "correct the row or drop it",
    )


def _replace(table: Table, column: Column, values: NDArray[Any]) -> None:
    unit = column.unit or None
    found = table[column.name]
    description = found.info.description or column.description
    table[column.name] = TableColumn(values, unit=unit, description=description, copy=False)


def _number(table: Table) -> None:
    """Number the sources, or check that their numbers differ."""
    if "id" not in table.colnames:
        table.add_column(TableColumn(np.arange(1, len(table) + 1), name="id"), index=0)
    else:
        _check_numbers(np.asarray(table["id"]))


def _check_epoch(table: Table) -> None:
    """The epoch in the metadata, which FITS calls EPOCH, under the one name."""
    epoch = table.meta.pop("EPOCH", table.meta.get("epoch"))
    if epoch is None:
        return
    column = COLUMNS["epoch"]
    try:
        table.meta["epoch"] = float(epoch)
    except (TypeError, ValueError):
        table.meta["epoch"] = np.nan
    if not column.low <= table.meta["epoch"] <= column.high:
        raise FormatError(
            f"The metadata of the scene say that its epoch is {epoch!r}.",
            "a Julian year, for instance 2016.0",
        )


def _check_numbers(numbers: NDArray[np.int64]) -> None:
    if (np.diff(numbers) > 0).all():
        return
    _, first = np.unique(numbers, return_index=True)
    repeated = np.ones(numbers.size, dtype=bool)
    repeated[first] = False
    _refuse(repeated, numbers, COLUMNS["id"], "a number that no other row has")


def _check_names(table: Table) -> None:
    """Refuse spectra and light curves that we do not know."""
    if "sed" in table.colnames:
        for name, rows in distinct(np.asarray(table["sed"])):
            if name:
                try:
                    spectrum(name)
                except RdmsError as error:
                    row = int(rows[0])
                    raise FormatError(
                        f"Row {row} of the scene, counted from 0, has sed = {name}: {error}"
                    ) from error
    if "variability" in table.colnames:
        names = np.asarray(table["variability"])
        known: Sequence[str] = ("", *KINDS)
        _refuse(~np.isin(names, known), names, COLUMNS["variability"],
                f"empty or one of {', '.join(KINDS)}")  # fmt: skip
