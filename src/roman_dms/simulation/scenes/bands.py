"""Bands of the detectors, and count rates of spectra in them.

Sources without a spectrum of their own get one through the fluxes of their
bands: log f_nu is linear in log wavelength between the pivot wavelengths, and
f_nu is constant beyond the first and last.  F146, which overlaps three other
bands, is left out of it where there are others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument import throughput
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.throughput import PLANCK
from roman_dms.simulation.scenes.spectra import Spectrum, Values

MEAN = "mean"
"""Stands for the mean of all detectors, whose bands the fluxes of a catalogue are in."""

WIDE = "F146"
"""The band that overlaps others."""

FAINTEST = 1e-4
"""Fluxes below this part of the brightest band's are raised to it where a spectrum is
interpolated, since zero has no logarithm."""

_STEP = 0.005
"""Step of the tables in ln(f_b / f_a)."""

_SLOPES = np.arange(np.log(FAINTEST) - _STEP, -np.log(FAINTEST) + 2 * _STEP, _STEP)
"""Differences of ln f_nu from node to node for which integrals are tabulated."""


@dataclass(frozen=True)
class Band:
    """The effective area of a detector, or of the mean detector, behind an element."""

    wavelengths: Values
    """(m,) evenly spaced [micron]."""
    weights: Values
    """(m,) electron/s of 1 Jy in the interval around each wavelength."""

    @property
    def electrons_per_jansky(self) -> float:
        """Count rate of a flat f_nu of 1 Jy [electron / s]."""
        return float(self.weights.sum())

    @cached_property
    def pivot(self) -> float:
        """Wavelength that links f_lambda and f_nu [micron] (Tokunaga & Vacca 2005)."""
        ratio = (self.weights * self.wavelengths**2).sum() / self.weights.sum()
        return float(np.sqrt(ratio))

    @cached_property
    def edges(self) -> Values:
        """(m + 1,) borders of the intervals [micron]."""
        half = 0.5 * (self.wavelengths[1] - self.wavelengths[0])
        return np.append(self.wavelengths - half, self.wavelengths[-1] + half)

    def moments(self, spectrum: Spectrum, redshift: Values) -> tuple[Values, Values]:
        """(n,) count rates where f_nu is in Jy [electron / s], (n,) mean wavelengths [micron]."""
        redshifts, where = np.unique(redshift, return_inverse=True)
        rates, lights = np.empty(redshifts.size), np.empty(redshifts.size)
        for start in range(0, redshifts.size, 1024):
            part = slice(start, start + 1024)
            means = spectrum.means(self.edges, redshifts[part])
            rates[part] = means @ self.weights
            lights[part] = means @ (self.weights * self.wavelengths)
        return rates[where], _ratio(lights, rates, self.pivot)[where]


@cache
def band(detector: str, element: str) -> Band:
    """The band of a detector, ``WFI01`` to ``WFI18`` or ``mean``, behind an element.

    Raises
    ------
    UsageError
        For a detector or an element that has none.
    """
    names = NAMES if detector == MEAN else (detector,)
    area = np.mean([throughput.effective_area(name, element) for name in names], axis=0)
    wavelengths = throughput.wavelengths(names[0])
    used = np.flatnonzero(area > 0)
    inside = slice(max(used[0] - 1, 0), used[-1] + 2)
    step = wavelengths[1] - wavelengths[0]
    weights = 1e-26 / PLANCK * area[inside] / wavelengths[inside] * step
    return Band(wavelengths[inside], weights)


def nodes(names: Sequence[str]) -> tuple[list[str], Values]:
    """The bands that a spectrum is interpolated through, and their wavelengths [micron]."""
    used = [name for name in names if name != WIDE] or list(names)
    used.sort(key=lambda name: band(MEAN, name).pivot)
    return used, np.array([band(MEAN, name).pivot for name in used])


class Interpolated:
    """Integrals over a band of spectra that are given at nodes, for millions of sources.

    In a segment between nodes a and b, f_nu = f_a exp(s t), with s = ln(f_b / f_a)
    and t from 0 to 1 in log wavelength: the integral over it is f_a times a
    function of s alone, which is tabulated (error 3e-6).
    """

    def __init__(self, through: Band, pivots: Values) -> None:
        self.pivot = through.pivot
        segments = np.searchsorted(pivots, through.wavelengths, side="right") - 1
        self._constant: list[tuple[int, float, float]] = []
        self._sloped: list[tuple[int, Values, Values]] = []
        for segment in np.unique(segments):
            inside = segments == segment
            wavelengths, weights = through.wavelengths[inside], through.weights[inside]
            if segment in {-1, pivots.size - 1}:
                node = max(int(segment), 0)
                light = float((weights * wavelengths).sum())
                self._constant.append((node, float(weights.sum()), light))
            else:
                t = np.log(wavelengths / pivots[segment])
                growth = np.exp(
                    np.outer(_SLOPES, t / np.log(pivots[segment + 1] / pivots[segment]))
                )
                tables = growth @ np.stack([weights, weights * wavelengths], axis=1)
                self._sloped.append((int(segment), *tables.T))

    def moments(self, fluxes: NDArray[np.floating]) -> tuple[Values, Values]:
        """Count rate and mean wavelength of sources with fluxes (n, node) in Jy.

        Returns
        -------
        tuple
            (n,) [electron / s] and (n,) [micron].
        """
        fluxes = raised(fluxes)
        rates, lights = np.zeros(len(fluxes)), np.zeros(len(fluxes))
        for node, rate, light in self._constant:
            rates += rate * fluxes[:, node]
            lights += light * fluxes[:, node]
        for node, rate_table, light_table in self._sloped:
            first = fluxes[:, node]
            with np.errstate(divide="ignore", invalid="ignore"):  # sources without light
                slope = np.log(fluxes[:, node + 1] / first)
            place = np.where(first > 0, (slope - _SLOPES[0]) / _STEP, 0)
            below = place.astype(np.int32)
            part = place - below
            rates += first * ((1 - part) * rate_table[below] + part * rate_table[below + 1])
            lights += first * ((1 - part) * light_table[below] + part * light_table[below + 1])
        return rates, _ratio(lights, rates, self.pivot)


@cache
def interpolated(detector: str, element: str, names: tuple[str, ...]) -> Interpolated:
    """Integrals over a band of spectra through the fluxes of others, see :func:`nodes`."""
    return Interpolated(band(detector, element), nodes(names)[1])


def raised(fluxes: NDArray[np.floating]) -> Values:
    """Fluxes (n, node) with those that are zero, or nearly, raised to ``FAINTEST``."""
    fluxes = np.asarray(fluxes, np.float64)
    return np.maximum(fluxes, FAINTEST * fluxes.max(axis=1, keepdims=True))


def interpolate(fluxes: NDArray[np.floating], pivots: Values, wavelengths: Values) -> Values:
    """F_nu of spectra given at nodes, (n, node), at wavelengths (m,): (n, m)."""
    fluxes = raised(fluxes)
    bright = fluxes[:, :1] > 0
    logs = np.log(np.where(bright, fluxes, 1.0))
    position = np.interp(np.log(wavelengths), np.log(pivots), np.arange(pivots.size))
    left = np.minimum(position.astype(int), max(pivots.size - 2, 0))
    right = np.minimum(left + 1, pivots.size - 1)
    part = position - left
    return np.exp(logs[:, left] * (1 - part) + logs[:, right] * part) * bright


def _ratio(lights: Values, rates: Values, otherwise: float) -> Values:
    """Mean wavelength; that of the band for a source without light."""
    return np.divide(lights, rates, where=rates > 0, out=np.full_like(rates, otherwise))
