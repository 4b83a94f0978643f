"""Light in ellipses that grow with the source, and the radius that holds half of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roman_dms.measure.apertures import circle_sum, ellipse_shares
from roman_dms.measure.measurements import Caution
from roman_dms.measure.neighbours import BAD, OTHER

KRON_LIMITED, NEIGHBOUR, UNUSABLE = (
    int(Caution.KRON_LIMITED),
    int(Caution.NEIGHBOUR),
    int(Caution.UNUSABLE),
)

MEASURED_WITHIN = 6.0
"""Ellipse in which the first-moment radius is measured [axes of the source]."""

FACTOR, SMALLEST = 2.5, 1.4
"""The Kron ellipse is ``FACTOR`` times the first-moment radius, which is ``SMALLEST`` or more
[axes of the source]; both as in the mission's catalogue."""

LOOKED_AT = 7.5
"""Distance to which a source needs its surroundings [semi-major axes]."""

PRECISION = 3e-4
"""Of the radius with half of the light [share of the light]."""


@njit(nogil=True, cache=True, error_model="numpy")
def kron(value: Any, noise: Any, kind: Any, x: float, y: float, row: Any) -> None:
    """Kron photometry (Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996) of one source.

    Parameters
    ----------
    value, noise, kind
        (size, size) the source's surroundings (`neighbours.mirror`).
    x, y
        Its isophotal centroid in them.
    row
        Of ``measurements.ROW`` with the ellipse, changed.
    """
    size = value.shape[0]
    most = min(x, size - 1 - x, y, size - 1 - y) / row.semimajor
    if not most > 0:
        row.warning_flags |= KRON_LIMITED
        return
    radius = _first_moment(value, x, y, row, min(MEASURED_WITHIN, most))
    if np.isnan(radius):
        return
    if radius < 0 or FACTOR * max(radius, SMALLEST) > most:
        row.warning_flags |= KRON_LIMITED
    radius = min(max(radius, SMALLEST), most / FACTOR)
    row.kron_radius = radius
    row.kron_semimajor = FACTOR * radius * row.semimajor
    flux, variance = _ellipse_sum(value, noise, kind, x, y, FACTOR * radius, row)
    row.kron_flux, row.kron_flux_err = flux, np.sqrt(variance)
    row.fluxfrac_radius_50 = radius_with(value, noise, x, y, 0.5 * flux, most * row.semimajor)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _first_moment(value: Any, x: float, y: float, row: Any, within: float) -> float:
    """Mean elliptical radius, weighted by light; -1 where noise leaves none."""
    cxx, cxy, cyy = row.cxx, row.cxy, row.cyy
    weighted, total = 0.0, 0.0
    tall = within * np.sqrt(4 * cxx / (4 * cxx * cyy - cxy * cxy))
    for j in range(int(np.ceil(y - tall)), int(y + tall) + 1):
        dy = j - y
        root = cxy * cxy * dy * dy - 4 * cxx * (cyy * dy * dy - within * within)
        middle, half = x - cxy * dy / (2 * cxx), np.sqrt(max(root, 0.0)) / (2 * cxx)
        for i in range(
            max(0, int(np.ceil(middle - half))),
            min(value.shape[1], int(np.floor(middle + half)) + 1),
        ):
            dx = i - x
            r = np.sqrt(cxx * dx * dx + cxy * dx * dy + cyy * dy * dy)
            weighted += r * value[j, i]
            total += value[j, i]
    if np.isnan(total):
        return np.nan
    radius = weighted / total
    return radius if total > 0 and 0 < radius <= within else -1.0


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _ellipse_sum(
    value: Any, noise: Any, kind: Any, x: float, y: float, scale: float, row: Any
) -> Any:
    """Light in an ellipse and its variance; flags what was replaced in it."""
    cxx, cxy, cyy = row.cxx, row.cxy, row.cyy
    shares = np.empty(value.shape[1])
    total, variance, met = 0.0, 0.0, 0
    tall = scale * np.sqrt(4 * cxx / (4 * cxx * cyy - cxy * cxy)) + 0.5
    for j in range(max(0, int(np.ceil(y - tall))), min(value.shape[0], int(y + tall) + 1)):
        first, stop = ellipse_shares(x, y, cxx, cxy, cyy, scale, j, shares)
        for i in range(first, stop):
            if shares[i] > 0:
                total += shares[i] * value[j, i]
                variance += shares[i] * shares[i] * noise[j, i]
                met |= kind[j, i]
    if met & OTHER:
        row.warning_flags |= NEIGHBOUR
    if met & BAD:
        row.warning_flags |= UNUSABLE
    return total, variance


@njit(nogil=True, cache=True, error_model="numpy")
def radius_with(value: Any, noise: Any, x: float, y: float, light: float, largest: float) -> float:
    """Radius of the circle that holds an amount of light, by the Illinois method.

    Parameters
    ----------
    value, noise
        (size, size) the source's surroundings.
    x, y
        Centre of the circle in them.
    light
        What it should hold.
    largest
        Radius to look up to [pixel].

    Returns
    -------
    float
        NaN where no circle does, or the light is not positive.
    """
    if not light > 0:
        return np.nan
    low, below = 0.0, -light
    high, above = min(1.0, largest), circle_sum(value, noise, x, y, min(1.0, largest))[0] - light
    while above < 0 and high < largest:
        low, below = high, above
        high = min(1.5 * high, largest)
        above = circle_sum(value, noise, x, y, high)[0] - light
    if not above >= 0:
        return np.nan
    kept = 0
    for _ in range(50):
        # light grows with the area: the squares are nearly linear
        share = below / (below - above)
        r = np.sqrt(low * low + share * (high * high - low * low))
        here = circle_sum(value, noise, x, y, r)[0] - light
        if abs(here) < PRECISION * light or high - low < PRECISION:
            return r
        if here < 0:
            low, below = r, here
            above = 0.5 * above if kept == -1 else above
            kept = -1
        else:
            high, above = r, here
            below = 0.5 * below if kept == 1 else below
            kept = 1
    return r
