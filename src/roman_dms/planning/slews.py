"""How long it takes from the end of one exposure to the start of the next.

Slew and settle: ``SlewSettle.ecsv`` (10 December 2023) of
``roman-technical-information`` 1.5.  Element wheel: differences between the
durations of exposures in a plan that the mission's planning tool wrote,
``roman_gps.sim.ecsv`` in ``spacetelescope/roman_notebooks`` (81 s where the
filter stays; 108, 120 and 142 s where the wheel turns by one, three and five
positions).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.installed_tables import installed_file
from roman_dms.planning.exposure import PlannedExposure

ELEMENT_WHEEL = (
    "GRISM", "F213", "F062", "F106", "F129", "PRISM", "F158", "F184", "F146", "F087", "DARK",
)  # fmt: skip
"""Elements in the order in which the wheel carries them (RDox, 'WFI Optical Elements')."""

WHEEL_POSITIONS = (0, 1, 3, 5)
WHEEL_SECONDS = (0.0, 27.0, 39.0, 61.0)
"""Time that the wheel takes to turn by so many positions [s]."""


def overhead(before: PlannedExposure, after: PlannedExposure) -> float:
    """Time between two exposures: the telescope slews and settles, then the wheel turns [s]."""
    return slew_and_settle(slew_angle(before, after)) + wheel_time(before.element, after.element)


def slew_and_settle(angle: float) -> float:
    """Time to turn the observatory and come to rest [s].

    A turn smaller than the smallest of the table takes as long as that one, for
    it is the settling that counts; beyond the table time grows as at its end.

    Parameters
    ----------
    angle
        Angle of the turn, from 0 to 180 [deg].
    """
    if angle == 0:
        return 0.0
    angles, seconds = _slew_table()
    slope = (seconds[-1] - seconds[-2]) / (angles[-1] - angles[-2])
    beyond = max(angle - angles[-1], 0.0)
    return float(np.interp(angle, angles, seconds) + slope * beyond)


def slew_angle(before: PlannedExposure, after: PlannedExposure) -> float:
    """Angle of the rotation that takes one attitude to another, roll included [deg].

    For rotations R and S, ``|R - S|`` (Frobenius) is ``2 sqrt(2) sin(angle / 2)``.
    """
    places = [(p.ra, p.dec, p.position_angle) for p in (before, after)]
    if places[0] == places[1]:
        return 0.0
    distance = np.linalg.norm(attitude(*places[0]) - attitude(*places[1]))
    return float(np.degrees(2 * np.arcsin(min(distance / np.sqrt(8), 1.0))))


def attitude(ra: float, dec: float, position_angle: float) -> NDArray[np.float64]:
    """Rotation from a frame that looks along x, with z up, onto the sky.

    Parameters
    ----------
    ra, dec
        Where x looks [deg].
    position_angle
        Of z there, from north to east [deg].

    Returns
    -------
    ndarray
        ``(3, 3)``: its columns are x, y (to the east where ``position_angle`` is 0)
        and z on the sky.
    """
    a, d, p = np.radians([ra, dec, position_angle])
    look = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.cross(look, east)
    return np.stack(
        [look, np.cos(p) * east - np.sin(p) * north, np.sin(p) * east + np.cos(p) * north], axis=1
    )


def wheel_time(before: str, after: str) -> float:
    """Time to turn the wheel from one element to another, the shorter way round [s]."""
    steps = abs(ELEMENT_WHEEL.index(before) - ELEMENT_WHEEL.index(after))
    steps = min(steps, len(ELEMENT_WHEEL) - steps)
    return float(np.interp(steps, WHEEL_POSITIONS, WHEEL_SECONDS))


@cache
def _slew_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angles [deg] and times [s]."""
    file = installed_file(
        "roman_technical_information", "data/Observatory/SlewSettle/SlewSettle.ecsv"
    )
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    angles, seconds = np.loadtxt(lines[1:], delimiter=",", unpack=True)
    return angles, seconds
