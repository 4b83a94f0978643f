"""Where the observatory is and how it moves: parallax, velocity aberration.

Source: the orbit predicted for the nominal launch on 30 October 2026
(``Observatory/Orbit/RST_103026.oem`` of ``roman-technical-information``, a CCSDS
Orbit Ephemeris Message 2.0 of GSFC, one state a day around the Earth in EME2000,
until January 2032), and astropy's built-in ephemeris of the Earth.  EME2000 is
taken for ICRS, which moves the observatory by less than a kilometre.  On dates
that the orbit does not cover the observatory is put where it will be within a
lunar distance: one hundredth farther from the Sun than the Earth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.installed_tables import installed_file

ORBIT = "data/Observatory/Orbit/RST_103026.oem"
LIGHT = 299792.458
"""Speed of light [km / s]."""
ASTRONOMICAL_UNIT = 149597870.7
"""[km]"""
BEYOND_EARTH = 1.01
"""Distance of the second Lagrange point from the Sun over that of the Earth."""
DAY = 86400.0
_EPOCH = datetime(1858, 11, 17)


@dataclass(frozen=True)
class ObservatoryState:
    """Position and velocity, barycentric, along the axes of ICRS."""

    position: NDArray[np.float64]
    """(3,) [km]."""

    velocity: NDArray[np.float64]
    """(3,) [km / s]."""

    predicted: bool
    """Whether it is from the predicted orbit; otherwise from the place of the Earth."""


def observatory_state(mjd: float) -> ObservatoryState:
    """State of the observatory.

    Parameters
    ----------
    mjd
        UTC as a modified Julian date [d].

    Raises
    ------
    UsageError
        For a date that is no number.
    """
    from astropy.coordinates import get_body_barycentric_posvel  # noqa: PLC0415 - slow to import
    from astropy.time import Time  # noqa: PLC0415

    if not np.isfinite(mjd):
        raise UsageError(f"A date is {mjd!r}.", "a modified Julian date, for instance 61557.0")
    earth = get_body_barycentric_posvel("earth", Time(mjd, format="mjd"), ephemeris="builtin")
    position, velocity = earth[0].xyz.to_value("km"), earth[1].xyz.to_value("km/s")
    around_earth = _around_earth(mjd)
    if around_earth is None:
        return ObservatoryState(BEYOND_EARTH * position, BEYOND_EARTH * velocity, predicted=False)
    return ObservatoryState(position + around_earth[0], velocity + around_earth[1], predicted=True)


def observatory_position(mjd: float) -> NDArray[np.float64]:
    """Barycentric position of the observatory (3,) along the axes of ICRS [au]."""
    return observatory_state(mjd).position / ASTRONOMICAL_UNIT


def velocity_scale(velocity: NDArray[np.float64], ra: float, dec: float) -> float:
    """True over apparent angle in a small field.

    Lorentz's transformation of a direction shrinks a field around it by
    gamma (1 + beta cos theta), theta being the angle from the velocity.

    Parameters
    ----------
    velocity
        (3,) of the observatory, barycentric [km / s].
    ra, dec
        Of the field, ICRS [deg].
    """
    beta = velocity / LIGHT
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    line = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    return float((1 + beta @ line) / np.sqrt(1 - beta @ beta))


def _around_earth(mjd: float) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Position [km] and velocity [km/s] from the Earth; ``None`` on dates without a state.

    Cubic Hermite interpolation between the two states around the date, better
    than a kilometre once the observatory is on its way to its orbit.
    """
    days, states = _orbit()
    if not days[0] <= mjd <= days[-1]:
        return None
    last = min(int(np.searchsorted(days, mjd, side="right")), len(days) - 1)
    before, after = states[last - 1], states[last]
    span = (days[last] - days[last - 1]) * DAY
    t = (mjd - days[last - 1]) * DAY / span
    x0, x1, v0, v1 = before[:3], after[:3], before[3:] * span, after[3:] * span
    position = x0 + t * (v0 + t * (3 * (x1 - x0) - 2 * v0 - v1 + t * (2 * (x0 - x1) + v0 + v1)))
    velocity = v0 + t * (2 * (3 * (x1 - x0) - 2 * v0 - v1) + 3 * t * (2 * (x0 - x1) + v0 + v1))
    return position, velocity / span


@cache
def _orbit() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dates (n,) [MJD], increasing, and states (n, 6) [km, km/s] of the orbit file.

    Where a manoeuvre parts two segments both give the state; the later is kept.
    """
    text = installed_file("roman_technical_information", ORBIT).read_text(encoding="utf-8")
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    since = [datetime.strptime(row[0], "%Y-%jT%H:%M:%S.%f") - _EPOCH for row in rows]
    days = np.array([delta.total_seconds() / DAY for delta in since])
    states = np.array([[float(value) for value in row[1:7]] for row in rows])
    kept = np.r_[np.diff(days) > 0, True]
    return days[kept], states[kept]
