"""A scene: a catalogue of stars and galaxies, as they are on the sky."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.simulation.scenes.astrometry import (
    MILLIARCSECOND,
    displaced,
    julian_year,
    parallactic,
)
from roman_dms.simulation.scenes.bands import MEAN, band, interpolate, interpolated, nodes
from roman_dms.simulation.scenes.columns import COLUMNS, FLUXES
from roman_dms.simulation.scenes.spectra import spectrum
from roman_dms.simulation.scenes.validation import JANSKY_OF_MAGGIE, distinct, validated
from roman_dms.simulation.scenes.variability import KINDS

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

CHUNK = 1 << 16
"""Sources whose rates are worked out at a time, so that memory stays small."""


@dataclass(frozen=True)
class Scene:
    """Sources on the sky, one row each; see ``COLUMNS`` for what a row says.

    A flux column is in the mean band of the 18 detectors.  A source's spectrum is
    that which its ``sed`` names, or runs through its fluxes (``scenes.bands``); it
    carries the flux to the band of each detector.  In a band without a flux of
    its own, a spectrum that is named takes its level from the nearest band.

    Raises
    ------
    FormatError
        For a table that is no scene; row and column are named.
    """

    table: Table

    checked: bool = False
    """Whether the table comes from another scene."""

    _kept: dict[tuple[str, str], tuple[Values, Values]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not self.checked:
            object.__setattr__(self, "table", validated(self.table))
            object.__setattr__(self, "checked", True)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """(n,) values of a column, its default where the table has none."""
        if name in self.table.colnames:
            return np.asarray(self.table[name])
        column = COLUMNS[name]
        default = self.table.meta.get("epoch", column.default) if name == "epoch" else None
        return np.broadcast_to(column.default if default is None else default, (len(self),))

    def select(self, chosen: NDArray[Any] | slice) -> Scene:
        """Some of the sources, by a mask, a slice or indices."""
        return replace(self, table=self.table[chosen])

    @cached_property
    def bands(self) -> tuple[str, ...]:
        """Filters whose fluxes the scene has."""
        return tuple(name for name in FLUXES if name in self.table.colnames)

    def positions(self, mjd: float, observer: ArrayLike | None = None) -> tuple[Values, Values]:
        """Directions at a time, ICRS, without aberration.

        Parameters
        ----------
        mjd
            Modified Julian date, UTC.
        observer
            Barycentric x, y, z of the observatory [au]; without it, no parallax.

        Returns
        -------
        tuple
            (n,) right ascensions and (n,) declinations [deg].
        """
        ra, dec = self["ra"], self["dec"]
        moving = [name for name in ("pmra", "motion_ra", "pmdec", "motion_dec") if self._has(name)]
        seen = observer is not None and self._has("parallax")
        if not moving and not seen:
            return ra, dec
        years = julian_year(mjd) - self["epoch"]
        hours = years * 365.25 * 24
        east = (self["pmra"] * years + self["motion_ra"] * hours * 1e3) * MILLIARCSECOND
        north = (self["pmdec"] * years + self["motion_dec"] * hours * 1e3) * MILLIARCSECOND
        if seen:
            assert observer is not None
            parallax = self["parallax"] * MILLIARCSECOND
            shift_east, shift_north = parallactic(ra, dec, observer)
            east, north = east + parallax * shift_east, north + parallax * shift_north
        return displaced(ra, dec, east, north)

    def motions(self, mjd: float) -> Values:  # noqa: ARG002 - motions are uniform
        """Apparent motion of moving objects, 0 of others, at any time.

        Returns
        -------
        ndarray
            (n, 2), to the east and to the north [arcsec / s].
        """
        return np.stack([self["motion_ra"], self["motion_dec"]], axis=1) / 3600

    def relative_fluxes(self, mjd: float) -> Values:
        """(n,) flux at a time over that of the catalogue, by the light curves."""
        factor = np.ones(len(self))
        if not self._has("variability"):
            return factor
        for kind, rows in distinct(self["variability"]):
            if kind:
                elapsed = (mjd - self["t_ref"][rows]) / (1 + self["redshift"][rows])
                factor[rows] = KINDS[kind](
                    elapsed, self["timescale"][rows], self["amplitude"][rows]
                )
        return factor

    def count_rates(self, detector: str, element: str, mjd: float) -> Values:
        """(n,) light that a detector counts of each source at a time [electron / s].

        Raises
        ------
        UsageError
            For an element that the fluxes of the scene say nothing about.
        """
        return self._moments(detector, element)[0] * self.relative_fluxes(mjd)

    def wavelengths(self, detector: str, element: str) -> Values:
        """(n,) mean wavelength of the photons that a detector counts [micron].

        Raises
        ------
        UsageError
            As :meth:`count_rates`.
        """
        return self._moments(detector, element)[1].copy()

    def flux_densities(self, wavelengths: ArrayLike, mjd: float) -> Values:
        """(n, m) f_nu of the spectra at (m,) wavelengths [micron], at a time [Jy].

        Spectra that are named take their level from the band nearest to F158.
        """
        wavelengths = np.asarray(wavelengths, float)
        names, pivots = nodes(self.bands)
        result = np.empty((len(self), wavelengths.size))
        for name, rows in distinct(self["sed"]):
            if name:
                shape, redshift = spectrum(name), self["redshift"][rows]
                result[rows] = (
                    shape.at(wavelengths, redshift) * self._level(name, rows, "F158")[:, None]
                )
            else:
                result[rows] = interpolate(self._janskys(names, rows), pivots, wavelengths)
        return result * self.relative_fluxes(mjd)[:, None]

    def _moments(self, detector: str, element: str) -> tuple[Values, Values]:
        """Count rates of the catalogue's fluxes, and mean wavelengths; the last ones are kept."""
        moments = self._kept.get((detector, element))
        if moments is None:
            moments = self._new_moments(detector, element)
            self._kept.clear()
            self._kept[detector, element] = moments
        return moments

    def _new_moments(self, detector: str, element: str) -> tuple[Values, Values]:
        through = band(detector, element)
        rates, wavelengths = np.empty(len(self)), np.empty(len(self))
        for name, rows in distinct(self["sed"]):
            if name:
                redshift = self["redshift"][rows]
                rate, wavelength = through.moments(spectrum(name), redshift)
                rate = rate * self._level(name, rows, element)
            else:
                rate, wavelength = self._interpolated(rows, detector, element)
            rates[rows], wavelengths[rows] = rate, wavelength
        return rates, wavelengths

    def _interpolated(self, rows: Rows, detector: str, element: str) -> tuple[Values, Values]:
        """Rates and wavelengths of sources whose spectrum runs through their fluxes."""
        self._require(element)
        names, _ = nodes(self.bands)
        through = interpolated(detector, element, tuple(names))
        through_mean = interpolated(MEAN, element, tuple(names))
        zero_point = band(MEAN, element).electrons_per_jansky
        rates, wavelengths = np.empty(rows.size), np.empty(rows.size)
        for start in range(0, rows.size, CHUNK):
            part = slice(start, start + CHUNK)
            fluxes = self._janskys(names, rows[part])
            rates[part], wavelengths[part] = through.moments(fluxes)
            if element in self.bands:
                # The band's own flux says how bright the source is, the others its colour.
                expected = zero_point * self._janskys([element], rows[part])[:, 0]
                found, _ = through_mean.moments(fluxes)
                rates[part] *= np.divide(expected, found, where=found > 0, out=np.zeros(found.size))
        return rates, wavelengths

    def _level(self, sed: str, rows: Rows, element: str) -> Values:
        """Factor from a named spectrum to Jy: by the flux in the nearest band."""
        centre = band(MEAN, element).pivot
        nearest = min(self.bands, key=lambda name: abs(band(MEAN, name).pivot - centre))
        mean = band(MEAN, nearest)
        shape_rate, _ = mean.moments(spectrum(sed), self["redshift"][rows])
        if not shape_rate.all():
            row = int(rows[np.argmin(shape_rate)])
            raise UsageError(
                f"Row {row} of the scene, counted from 0, has the spectrum {sed}, "
                f"which has no light in {nearest}.",
                f"light in the band whose flux says how bright the source is, {nearest}",
            )
        flux = self._janskys([nearest], rows)[:, 0]
        return flux * mean.electrons_per_jansky / shape_rate

    def _janskys(self, names: list[str] | tuple[str, ...], rows: Rows) -> Values:
        columns = [np.asarray(self.table[name])[rows] for name in names]
        return np.stack(columns, axis=1).astype(np.float64) * JANSKY_OF_MAGGIE

    def _has(self, name: str) -> bool:
        return name in self.table.colnames

    def _require(self, element: str) -> None:
        """Refuse an element that lies outside of all fluxes."""
        wanted = optical_element(element)
        pivots = [band(MEAN, name).pivot for name in self.bands]
        low, high = wanted.blue_edge or 0.0, wanted.red_edge or 0.0
        inside = any(low <= pivot <= high for pivot in pivots)
        if not inside and not min(pivots) < (wanted.centre or 0.0) < max(pivots):
            raise UsageError(
                f"The scene says nothing about {element}: it has {', '.join(self.bands)}.",
                f"a flux in {element}, or in filters on both sides of it, or a sed for each source",
                "add a column, or give the sources spectra (column sed)",
            )
