"""Which sources of a catalogue are used to align its image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError
from roman_dms.instrument.quality import Pixel
from roman_dms.measure.point_sources.fits import FitFlag

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

REQUIRED = ("x_psf", "y_psf", "x_psf_err", "y_psf_err", "psf_flux", "psf_flux_err")
OWN = "detection_snr"
"""A column that the catalogues of this package have, and others have not."""
OPTIONAL = ("psf_flags", "warning_flags", "is_extended", "nn_distance", OWN)

HARMLESS = FitFlag.EDGE | FitFlag.SATURATED | FitFlag.BLENDED
"""Bits of our fit of the PSF with which its position is good, and its error larger."""


@dataclass(frozen=True)
class Selection:
    """What a source must be to be used."""

    lowest_snr: float = 10.0
    """Flux over its error."""
    isolation: float = 0.25
    """Distance to the nearest neighbour [arcsec]; the light of nearer ones is hard to part."""
    largest_error: float = 0.1
    """Of the position along an axis [pixel]."""
    most: int = 3000
    """Stars that are used of one detector, the brightest; more do not help."""


@dataclass(frozen=True)
class DetectedStars:
    """Sources that are used, in pixels."""

    x: Values
    """(n): column by the fit of the PSF."""
    y: Values
    err: Values
    """(n): error along one axis, the mean of x and y [pixel]."""
    flux: Values
    sources: int
    """How many the catalogue has."""

    def __len__(self) -> int:
        return len(self.x)


NOTHING = DetectedStars(np.empty(0), np.empty(0), np.empty(0), np.empty(0), 0)
"""Of a detector without a catalogue."""


def detected_stars(path: Path, selection: Selection) -> DetectedStars:
    """Read the stars of a catalogue that are good enough.

    Positions and fluxes are those of the fit of the PSF, which stars have whose
    core is saturated, too.

    Raises
    ------
    FileError
        If the catalogue cannot be read.
    FormatError
        If it is none.
    """
    table = read_columns(path, REQUIRED, OPTIONAL)
    flux, error = table["psf_flux"], table["psf_flux_err"]
    sigma = np.hypot(table["x_psf_err"], table["y_psf_err"]) / np.sqrt(2)
    good = _measured(table) & (flux > selection.lowest_snr * error)
    good &= (sigma > 0) & (sigma <= selection.largest_error)
    if "nn_distance" in table:
        good &= ~(table["nn_distance"] < selection.isolation)
    rows = np.flatnonzero(good)
    rows = np.sort(rows[np.argsort(-flux[rows], kind="stable")[: selection.most]])
    x, y = table["x_psf"], table["y_psf"]
    return DetectedStars(x[rows], y[rows], sigma[rows], flux[rows], len(flux))


def _measured(table: dict[str, NDArray[Any]]) -> Mask:
    """Points whose fit of the PSF can be trusted."""
    good = np.logical_and.reduce([np.isfinite(table[name]) for name in REQUIRED])
    flags = table.get("psf_flags", np.zeros(len(good), np.int64)).astype(np.int64)
    unusable = table.get("warning_flags", np.zeros(len(good), np.int64)).astype(np.int64)
    unusable &= Pixel.DO_NOT_USE  # the pixel at the centre
    if OWN in table:  # a saturated core was left out of the fit
        good &= (flags & ~int(HARMLESS) == 0) & ((unusable == 0) | (flags & FitFlag.SATURATED != 0))
    else:  # bits of other makers mean other things
        good &= (flags == 0) & (unusable == 0)
    if "is_extended" in table:
        good &= ~table["is_extended"].astype(bool)
    return np.asarray(good)


def read_columns(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    """Columns of a catalogue in Parquet; those that are optional may be missing.

    Raises
    ------
    FileError, FormatError
        If it cannot be read, or lacks a column.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first needed
    from pyarrow import parquet  # noqa: PLC0415

    try:
        names = parquet.read_schema(path).names
        missing = [name for name in required if name not in names]
        if missing:
            raise FormatError(
                f"The catalogue {path} has no column {', '.join(missing)}.",
                "a catalogue of sources of the mission (_cat.parquet)",
                "make it with 'rdms catalog'",
            )
        wanted = [*required, *(name for name in optional if name in names)]
        table = parquet.read_table(path, columns=wanted, memory_map=False)
    except pa.ArrowInvalid as error:
        raise FormatError(f"{path} is no Parquet file: {error}.", "a catalogue") from error
    except OSError as error:
        raise FileError(
            f"The catalogue {path} cannot be read: {error.strerror or error}.",
            "a file that can be read",
        ) from error
    return {name: _values(table[name]) for name in wanted}


def _values(column: Any) -> NDArray[Any]:
    values = column.to_numpy()
    return values.astype(float) if values.dtype.kind == "f" else np.asarray(values)
