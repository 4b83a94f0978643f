"""The sky between the sources: zodiacal light by place and date, stray light, glow.

Zodiacal light depends on the ecliptic latitude b and on the longitude from the Sun,
l - l_sun.  Its shape on the sky is that of the table that ``galsim.roman`` carries,
made with the exposure-time calculator of C. Hirata (Hirata et al. 2012,
arXiv:1204.5151) from the maps of Leinert et al. (1998, A&AS 127, 1) and the colour of
Aldering (2001, LBNL-51157); it is uncertain by 10 %.  Its scale is the rate that the
mission publishes for the faintest sky (:mod:`~roman_dms.instrument.backgrounds`),
reached at b = 77 degrees and 152 degrees from the Sun, shared among the detectors by
their effective areas.  The Sun is taken to stand where the Earth sees it, which from
the observatory's orbit is right to 0.3 degree.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.backgrounds import background
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.installed_tables import installed_file
from roman_dms.instrument.throughput import electrons_per_jansky

STRAY_LIGHT = 0.1
"""Light scattered from outside the field, as a fraction of the zodiacal light
(``galsim.roman.stray_light_fraction``)."""

SUN_ANGLES = (54.0, 126.0)
"""Angles from the Sun at which the telescope may look [deg]: 90 +- 36
(``Observatory/Visibility`` of roman-technical-information)."""

OBLIQUITY = 23.4392911
"""Obliquity of the ecliptic at J2000 [deg]."""

COLUMNS = {
    "F062": "R062", "F087": "Z087", "F106": "Y106", "F129": "J129", "F146": "W146",
    "F158": "H158", "F184": "F184", "F213": "K213", "GRISM": "Grism_1stOrder",
    "PRISM": "SNPrism",
}  # fmt: skip
"""Column of the table by optical element."""


def sky_rate(
    detector: str,
    element: str,
    ra: float,
    dec: float,
    mjd: float,
    *,
    zodiacal: Literal["position", "minimum"] | float = "position",
    stray_light: float = STRAY_LIGHT,
    any_sun_angle: bool = False,
) -> float:
    """Rate of the smooth background on a pixel of nominal area [electron / s].

    Zodiacal and stray light of a pixel go with its area on the sky; the variation
    of a few per cent over the field is the caller's.

    >>> round(sky_rate("WFI01", "F158", 268.5, -29.2, 61480.0), 3)
    0.972

    Parameters
    ----------
    detector
        ``WFI01`` to ``WFI18``.
    element
        A filter, ``GRISM`` or ``PRISM``.
    ra, dec
        Where the telescope looks, ICRS [deg].
    mjd
        When, UTC as a modified Julian date [d].
    zodiacal
        ``position``: as bright as at that place and date; ``minimum``: as bright as
        where it is faintest; a number: that many times the minimum.
    stray_light
        As a fraction of the zodiacal light.
    any_sun_angle
        Allow pointings that the observatory may not take, as far as the table goes.

    Raises
    ------
    UsageError
        For an unknown detector or element, a position, date or fraction that cannot
        be, and a place that is too close to the Sun or to the point opposite it.
    """
    if detector not in NAMES:
        raise UsageError(f"There is no detector {detector!r}.", "one of WFI01 to WFI18")
    _check(ra, dec, mjd, stray_light)
    rates = background(element)
    angle = sun_angle(ra, dec, mjd)
    if not any_sun_angle and not SUN_ANGLES[0] <= angle <= SUN_ANGLES[1]:
        raise UsageError(
            f"The pointing RA {ra:.4f}, Dec {dec:.4f} is {angle:.1f} degrees from the Sun "
            f"on MJD {mjd:.2f}.",
            f"{SUN_ANGLES[0]:.0f} to {SUN_ANGLES[1]:.0f} degrees, where Roman may look",
            "choose another date or place, or allow any angle from the Sun",
        )
    factor = _zodiacal_factor(zodiacal, element, ra, dec, mjd)
    zodi = rates.zodiacal * factor * _relative_area(detector, element)
    return zodi * (1 + stray_light) + rates.thermal


def sun_angle(ra: float, dec: float, mjd: float) -> float:
    """Angle between a position (ICRS) and the Sun [deg]."""
    longitude, latitude = _from_the_sun(ra, dec, mjd)
    cosine = np.cos(np.radians(longitude)) * np.cos(np.radians(latitude))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def sun_longitude(mjd: float) -> float:
    """Ecliptic longitude of the Sun, equinox of J2000 [deg].

    The low-precision formula of the Astronomical Almanac (page C5), 0.01 degree
    from 1950 to 2050, less the general precession.
    """
    days = mjd - 51544.5
    anomaly = np.radians(357.528 + 0.9856003 * days)
    mean = 280.460 + 0.9856474 * days
    equation = 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    return float((mean + equation - 1.396971 * days / 36525) % 360)


def zodiacal_ratio(element: str, longitude: float, latitude: float) -> float:
    """Zodiacal light as a multiple of the faintest.

    Parameters
    ----------
    element
        A filter, ``GRISM`` or ``PRISM``.
    longitude, latitude
        Ecliptic, longitude from the Sun [deg].

    Raises
    ------
    UsageError
        Where the table has nothing, within 16 degrees of the Sun.
    """
    longitudes, sines, levels = _table(element)
    x = np.interp(abs((longitude + 180) % 360 - 180), longitudes, np.arange(longitudes.size))
    y = np.interp(np.sin(np.radians(abs(latitude))), sines, np.arange(sines.size))
    i, j = min(int(x), longitudes.size - 2), min(int(y), sines.size - 2)
    corners, u, v = levels[i : i + 2, j : j + 2], x - i, y - j
    if np.any(corners <= 0):
        raise UsageError(
            f"The zodiacal light at {abs(longitude):.0f} degrees of longitude from the Sun "
            f"and {latitude:.0f} degrees of latitude is not known.",
            "a place farther than 16 degrees from the Sun",
            "choose another date or place, or give the zodiacal light as a number",
        )
    level = np.array([1 - u, u]) @ corners @ np.array([1 - v, v])
    return float(level / levels[levels > 0].min())


def _check(ra: float, dec: float, mjd: float, stray_light: float) -> None:
    if not (np.isfinite(ra) and -90 <= dec <= 90 and np.isfinite(mjd)):
        raise UsageError(
            f"The pointing RA {ra}, Dec {dec} on MJD {mjd} cannot be.",
            "degrees, a declination from -90 to 90, and a modified Julian date",
        )
    if not 0 <= stray_light < np.inf:
        raise UsageError(
            f"The stray light is {stray_light}.", "a fraction of the zodiacal light, 0 or more"
        )


def _zodiacal_factor(
    zodiacal: str | float, element: str, ra: float, dec: float, mjd: float
) -> float:
    if zodiacal == "position":
        return zodiacal_ratio(element, *_from_the_sun(ra, dec, mjd))
    if zodiacal == "minimum":
        return 1.0
    if isinstance(zodiacal, str) or not 0 <= zodiacal < np.inf:
        raise UsageError(
            f"The zodiacal light {zodiacal!r} is not known.",
            "'position', 'minimum', or a number of times the minimum, 0 or more",
        )
    return float(zodiacal)


def _from_the_sun(ra: float, dec: float, mjd: float) -> tuple[float, float]:
    """Ecliptic longitude from the Sun, -180 to 180, and latitude [deg]."""
    a, d, tilt = np.radians([ra, dec, OBLIQUITY])
    x, y, z = np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)
    along = y * np.cos(tilt) + z * np.sin(tilt)
    latitude = np.degrees(np.arcsin(np.clip(z * np.cos(tilt) - y * np.sin(tilt), -1, 1)))
    longitude = np.degrees(np.arctan2(along, x)) - sun_longitude(mjd)
    return float((longitude + 180) % 360 - 180), float(latitude)


@cache
def _relative_area(detector: str, element: str) -> float:
    """Response of a detector to light of all wavelengths, over the mean of the 18."""
    mean = sum(electrons_per_jansky(name, element) for name in NAMES) / len(NAMES)
    return electrons_per_jansky(detector, element) / mean


@cache
def _table(
    element: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Longitudes [deg], sines of latitudes, and levels (longitude, latitude); not known: < 0."""
    path = installed_file("galsim", "share/roman/roman_sky_backgrounds.txt")
    with path.open(encoding="ascii") as file:
        names = file.readline().lstrip("# ").split()
        rows = np.loadtxt(file)
    longitudes = np.unique(rows[:, names.index("Longitude")])
    latitudes = np.unique(rows[:, names.index("Latitude")])
    levels = rows[:, names.index(COLUMNS[element])].reshape(longitudes.size, latitudes.size)
    return longitudes, np.sin(np.radians(latitudes)), levels
