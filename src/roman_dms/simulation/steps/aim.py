"""Pointing the telescope so that a detector sees what is wanted."""

from __future__ import annotations

import dataclasses

import numpy as np

from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps.metadata import pointing_of


def aimed(exposure: PlannedExposure, detector: str) -> PlannedExposure:
    """The exposure with the telescope moved: a detector's centre looks where ``WFI_CEN`` did."""
    ra, dec = exposure.ra, exposure.dec
    for _ in range(6):  # the error shrinks a hundredfold each time, but close to the poles
        found = pointing_of(exposure, detector)
        east = (ra - found.ra_ref + 180) % 360 - 180
        moved = np.clip(exposure.dec + dec - found.dec_ref, -90, 90)
        exposure = dataclasses.replace(exposure, ra=(exposure.ra + east) % 360, dec=float(moved))
    return exposure


def middle_of(scene: Scene) -> tuple[float, float]:
    """Middle of the sources of a scene on the sphere: right ascension, declination [deg]."""
    ra, dec = (np.radians(np.asarray(scene.table[name], float)) for name in ("ra", "dec"))
    x, y, z = (
        np.mean(axis) for axis in (np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec))
    )
    return float(np.degrees(np.arctan2(y, x)) % 360), float(
        np.degrees(np.arctan2(z, np.hypot(x, y)))
    )
