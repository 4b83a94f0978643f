"""Stars of a reference catalogue, in the columns of Gaia's ``gaia_source``.

Columns after the data model of Gaia DR3, section 20.1.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.astrometry.plane import directions
from roman_dms.astrometry.propagation import MAS, propagated
from roman_dms.errors import ReferenceDataError

Values = NDArray[np.float64]

PARAMETERS = ("ra", "dec", "parallax", "pmra", "pmdec")
"""The five that describe how a star moves, in Gaia's order."""

CORRELATIONS = tuple(f"{a}_{b}_corr" for i, a in enumerate(PARAMETERS) for b in PARAMETERS[i + 1 :])
"""Gaia's ten names, ``ra_dec_corr`` to ``pmra_pmdec_corr``."""

MOTION_DISPERSION = 6.0
"""Proper motion along one axis of a star of which none is known [mas/yr].

Gaia has no motion of stars fainter than G = 20.5 mostly.  At 1-3 kpc from the
Sun, where such stars of the disc are, random velocities of 30-60 km/s are
3-10 mas/yr.
"""

PARALLAX_DISPERSION = 1.0
"""Parallax of such a star [mas]."""


@dataclass(frozen=True)
class ReferenceStars:
    """Stars with their motion; every row can be used."""

    astrometry: Values
    """(n, 5): ra, dec [deg], parallax [mas], pmra with cos dec, pmdec [mas/yr]."""

    covariance: Values
    """(n, 5, 5): of these, mas and mas/yr; ra with cos dec."""

    ref_epoch: Values
    """(n): Julian year at which ra and dec hold."""

    magnitude: Values
    """(n): ``phot_g_mean_mag``; NaN where it is not known."""

    ruwe: Values
    """(n): renormalised unit weight error; NaN where it is not known."""

    assumed_motion: NDArray[np.bool_]
    """(n): no motion is known; 0 was taken, with the dispersion of such stars as error."""

    row: NDArray[np.intp]
    """(n): place of the star in the table that was read."""

    notes: tuple[str, ...] = ()
    """What was left out or assumed, a sentence each."""

    @classmethod
    def of(
        cls,
        columns: Mapping[str, ArrayLike],
        *,
        ref_epoch: float | None = None,
        motion_dispersion: float = MOTION_DISPERSION,
    ) -> ReferenceStars:
        """Check and take a table.

        Rows without a position or its errors are dropped, and a star that is
        there twice (within 1 mas, the same motion) is taken once; ``notes`` has
        the counts.  A star without motion keeps its place and gets a large error.

        Parameters
        ----------
        columns
            By Gaia's names, masked or not: ``ra``, ``dec``, ``ra_error``,
            ``dec_error`` and ``ref_epoch``; ``pmra``, ``pmdec``, ``parallax`` with
            their errors, the ten correlations, ``phot_g_mean_mag`` and ``ruwe``
            where there are such.
        ref_epoch
            Julian year for a table that has no such column.
        motion_dispersion
            Standard deviation along one axis of motions that are not known [mas/yr].

        Raises
        ------
        ReferenceDataError
            For a table without positions, errors or epochs, or with columns of
            different lengths.
        """
        table = _columns(columns, ref_epoch)
        kept, notes = _kept(table)
        table = {name: column[kept] for name, column in table.items()}
        unknown = ~np.isfinite(table["pmra"] + table["pmdec"])
        unknown |= ~np.isfinite(table["pmra_error"] + table["pmdec_error"])
        if unknown.any():
            notes.append(
                f"no proper motion is known of {unknown.sum()}; 0 +- {motion_dispersion} mas/yr "
                "was assumed."
            )
        errors, astrometry = _assumed(table, unknown, motion_dispersion)
        return cls(
            astrometry,
            errors[:, :, np.newaxis] * _correlations(table) * errors[:, np.newaxis, :],
            table["ref_epoch"],
            table["phot_g_mean_mag"],
            table["ruwe"],
            unknown,
            np.flatnonzero(kept),
            tuple(notes),
        )

    def __len__(self) -> int:
        return len(self.astrometry)

    def at(self, epoch: float, observer: ArrayLike) -> tuple[Values, Values]:
        """Where the stars are seen.

        Parameters
        ----------
        epoch
            Julian year (TDB, or UTC: a minute of proper motion is nothing).
        observer
            (3): barycentric position of the observer, ICRS [au].

        Returns
        -------
        positions, covariance
            (n, 2): ra in [0, 360), dec [deg]; (n, 2, 2): to the east and north [mas^2].
        """
        years = epoch - self.ref_epoch
        return propagated(self.astrometry, self.covariance, years, observer)


_REQUIRED = ("ra", "dec", "ra_error", "dec_error", "ref_epoch")
_OPTIONAL = (
    *("parallax", "pmra", "pmdec", "parallax_error", "pmra_error", "pmdec_error"),
    *CORRELATIONS,
    *("phot_g_mean_mag", "ruwe"),
)


def _columns(columns: Mapping[str, ArrayLike], ref_epoch: float | None) -> dict[str, Values]:
    """All columns as float64, NaN where there is nothing."""
    given: dict[str, Any] = {name: columns[name] for name in columns}
    if "ref_epoch" not in given and ref_epoch is not None and "ra" in given:
        given["ref_epoch"] = np.full(np.shape(given["ra"]), ref_epoch)
    missing = [name for name in _REQUIRED if name not in given]
    if missing:
        raise ReferenceDataError(
            f"The reference catalogue has no column {', '.join(missing)}.",
            f"Gaia's columns {', '.join(_REQUIRED)}",
            "give the epoch of the catalogue, or take one that states it"
            if missing == ["ref_epoch"]
            else "take the columns of gaia_source",
        )
    table = {name: _filled(given[name]) for name in (*_REQUIRED, *_OPTIONAL) if name in given}
    shapes = {name: column.shape for name, column in table.items()}
    n = len(table["ra"]) if table["ra"].ndim else 0
    if set(shapes.values()) != {(n,)}:
        raise ReferenceDataError(f"The columns have the shapes {shapes}.", "one length for all")
    return {name: table.get(name, np.full(n, np.nan)) for name in (*_REQUIRED, *_OPTIONAL)}


def _filled(column: ArrayLike) -> Values:
    """A column as float64; masked values are NaN."""
    return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)


def _kept(table: dict[str, Values]) -> tuple[NDArray[np.bool_], list[str]]:
    """Rows that can be used, and what is to be said about the others."""
    notes = []
    if len(table["ra"]) and not np.isfinite(table["ref_epoch"]).any():
        raise ReferenceDataError(
            "No star of the reference catalogue has an epoch.",
            "the Julian year of the positions in ref_epoch (2016.0 for Gaia DR3)",
            "fill the column, or take a catalogue that has it",
        )
    usable = np.isfinite(sum(table[name] for name in _REQUIRED))
    usable &= (np.abs(table["dec"]) <= 90) & (table["ra_error"] > 0) & (table["dec_error"] > 0)
    if not usable.all():
        notes.append(f"{(~usable).sum()} rows have no position, error or epoch and were dropped.")
    repeated = usable.copy()
    repeated[usable] = _repeats({name: column[usable] for name, column in table.items()})
    if repeated.any():
        notes.append(f"{repeated.sum()} rows repeat another star and were dropped.")
    return usable & ~repeated, notes


def _repeats(table: dict[str, Values]) -> NDArray[np.bool_]:
    """(n): whether an earlier row is the same star: 1 mas, 1 mas/yr, 0.1 mag near."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    places = directions(np.deg2rad(table["ra"]), np.deg2rad(table["dec"]))[0]
    repeats = np.zeros(len(places), bool)
    if len(places) < 2:
        return repeats
    first, second = cKDTree(places).query_pairs(MAS, output_type="ndarray").T
    same = np.ones(len(first), bool)
    for name, within in (("pmra", 1.0), ("pmdec", 1.0), ("phot_g_mean_mag", 0.1)):
        a, b = table[name][first], table[name][second]
        same &= (np.abs(a - b) <= within) | ~np.isfinite(a - b)
    repeats[np.maximum(first, second)[same]] = True
    return repeats


def _assumed(
    table: dict[str, Values], unknown: NDArray[np.bool_], motion_dispersion: float
) -> tuple[Values, Values]:
    """Errors and parameters (n, 5), with what is assumed where they are not known."""
    errors = np.stack([table[f"{name}_error"] for name in PARAMETERS], axis=1)
    astrometry = np.stack([table[name] for name in PARAMETERS], axis=1)
    no_parallax = ~np.isfinite(astrometry[:, 2] + errors[:, 2])
    for lacking, column, dispersion in (
        (no_parallax, 2, PARALLAX_DISPERSION),
        (unknown, 3, motion_dispersion),
        (unknown, 4, motion_dispersion),
    ):
        astrometry[lacking, column], errors[lacking, column] = 0.0, dispersion
    return errors, astrometry


def _correlations(table: dict[str, Values]) -> Values:
    """(n, 5, 5): correlation matrices; what is not known, or was assumed, is not correlated."""
    n = len(table["ra"])
    matrix = np.broadcast_to(np.eye(5), (n, 5, 5)).copy()
    for i, a in enumerate(PARAMETERS):
        for j, b in enumerate(PARAMETERS[i + 1 :], i + 1):
            known = np.isfinite(table[a] + table[b] + table[f"{a}_error"] + table[f"{b}_error"])
            value = np.where(known, np.nan_to_num(table[f"{a}_{b}_corr"]), 0.0)
            matrix[:, i, j] = matrix[:, j, i] = value
    return matrix
