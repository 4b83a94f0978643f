"""Dither patterns: small moves between exposures of one field.

The mission's own patterns, described in the Roman documentation (RDox,
'Gap-filling Dithers' and 'Sub-pixel Dithers', changes before launch announced).
Offsets are those of the planning tool's tables ``WfiImagingGap.txt`` and
``WfiImagingSubpixel.txt``, as public code carries them (``AstroMusers/mejiro``,
``data/roman_dither_patterns``); of patterns that come in several sizes the
smallest, number 1, which covers the gaps between detectors.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Kind = Literal["line", "box", "sub"]
Offset = tuple[float, float]

_BOX4 = ((0.0, 0.0), (-205.2, 0.88), (-204.32, 206.08), (0.88, 205.2))
_BOX6 = (
    (0.0, 0.0), (-102.6, 0.88), (-205.19, 1.76), (-203.43, 206.95), (-100.84, 206.07),
    (1.76, 205.19),
)  # fmt: skip

PATTERNS: dict[Kind, dict[int, tuple[Offset, ...]]] = {
    "line": {  # LINEGAPn_1
        2: ((0.0, 0.0), (-178.2, 178.2)),
        3: ((0.0, 0.0), (-170.1, 170.1), (-340.2, 340.2)),
        4: ((0.0, 0.0), (-113.4, 113.4), (-226.8, 226.8), (-340.2, 340.2)),
        5: ((0.0, 0.0), (-113.4, 113.4), (-170.1, 170.1), (-226.8, 226.8), (-340.2, 340.2)),
    },
    "box": {  # BOXGAPn_1
        4: _BOX4,
        5: (*_BOX4, (-102.16, 103.04)),
        6: _BOX6,
        7: (*_BOX6, (-153.01, 103.92)),
        8: (
            (0.0, 0.0), (-136.8, 0.88), (-273.59, 1.76), (-410.39, 2.64), (-409.07, 207.84),
            (-272.27, 206.96), (-135.48, 206.08), (1.32, 205.2),
        ),
        9: (
            (0.0, 0.0), (-205.2, 0.88), (-410.4, 1.76), (-409.52, 206.96), (-204.32, 206.08),
            (0.88, 205.2), (1.76, 410.4), (-203.44, 411.28), (-408.64, 412.16),
        ),
    },
    "sub": {  # SUBn
        2: ((0.0, 0.0), (0.0275, 0.0825)),
        3: ((0.0, 0.0), (0.0367, 0.0733), (0.055, 0.0367)),
        4: ((0.0, 0.0), (-0.0825, -0.0275), (-0.0275, 0.055), (0.055, 0.0825)),
        5: ((0.0, 0.0), (0.044, 0.088), (0.077, 0.044), (0.033, -0.044), (-0.044, -0.088)),
        6: (
            (0.0, 0.0), (0.0187, 0.0902), (0.0902, 0.0187), (0.0363, -0.0638),
            (-0.055, -0.0814), (-0.0363, 0.0091),
        ),
        7: (
            (0.0, 0.0), (0.0616, 0.0693), (0.1012, -0.0154), (0.0385, -0.0858),
            (-0.0308, -0.0616), (-0.077, 0.0077), (-0.0385, 0.0858),
        ),
        8: (
            (0.0, 0.0), (0.0132, -0.0682), (-0.0682, -0.0946), (-0.0682, -0.0132),
            (-0.0946, 0.0682), (0.0, 0.0814), (0.0814, 0.0814), (0.0814, 0.0),
        ),
        9: (
            (0.0, 0.0), (-0.0539, 0.0726), (0.0187, 0.0902), (0.0902, 0.0902),
            (0.0902, 0.0187), (0.0726, -0.0539), (0.0, -0.0726), (-0.0902, -0.0902),
            (-0.0726, 0.0),
        ),
    },
}  # fmt: skip
"""Where the target falls in the ideal frame of the aperture, x and y [arcsec], by kind
and number of exposures."""


def dither_pattern(kind: Kind, count: int) -> tuple[Offset, ...]:
    """Offsets of a pattern, of the target in the aperture's ideal frame [arcsec].

    >>> dither_pattern("line", 2)
    ((0.0, 0.0), (-178.2, 178.2))

    Raises
    ------
    UsageError
        For a number of exposures for which there is no pattern of this kind.
    """
    if count == 1:
        return ((0.0, 0.0),)
    if count not in PATTERNS[kind]:
        known = ", ".join(str(number) for number in (1, *PATTERNS[kind]))
        others = [name for name in PATTERNS if count in PATTERNS[name]]
        raise UsageError(
            f"There is no {kind!r} dither pattern of {count} exposures.",
            f"one of {known}",
            f"choose the pattern {' or '.join(others)}" if others else "take fewer exposures",
        )
    return PATTERNS[kind][count]


def combined(gaps: tuple[Offset, ...], small: tuple[Offset, ...]) -> tuple[Offset, ...]:
    """A small pattern at each position of a large one, as the mission nests them."""
    return tuple((x + dx, y + dy) for x, y in gaps for dx, dy in small)


def dithered(
    ra: float, dec: float, position_angle: float, offsets: tuple[Offset, ...]
) -> NDArray[np.float64]:
    """Where the aperture points when the target shall fall at offsets from its reference point.

    The position angle is kept, as in plans of the mission: at the pole it is that
    of the plan's rows that is the same, not the direction on the sky.

    Parameters
    ----------
    ra, dec
        The target, which the undithered aperture looks at [deg].
    position_angle
        Of the aperture's ideal y axis, from north to east; x grows towards the west
        of y [deg].
    offsets
        Ideal x, y of the target [arcsec].

    Returns
    -------
    ndarray
        ``(n, 2)``: right ascension in [0, 360) and declination [deg].
    """
    x, y = -np.radians(np.array(offsets) / 3600).T  # the aperture moves the other way
    angle = np.radians(position_angle)
    east = -x * np.cos(angle) + y * np.sin(angle)
    north = x * np.sin(angle) + y * np.cos(angle)
    distance, direction = np.hypot(east, north), np.arctan2(east, north)
    d = np.radians(dec)
    new_dec = np.arcsin(np.sin(d) * np.cos(distance)
                        + np.cos(d) * np.sin(distance) * np.cos(direction))  # fmt: skip
    moved = np.arctan2(
        np.sin(direction) * np.sin(distance) * np.cos(d),
        np.cos(distance) - np.sin(d) * np.sin(new_dec),
    )
    still = distance == 0
    new_ra = np.where(still, ra, ra + np.degrees(moved))
    return np.stack([np.mod(new_ra, 360.0), np.where(still, dec, np.degrees(new_dec))], axis=1)
