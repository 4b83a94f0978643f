"""Where the telescope and its detectors look, and how to make them look somewhere."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from roman_dms.errors import UsageError
from roman_dms.instrument.apertures import aperture, detector_aperture
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.sky.attitude import Attitude
from roman_dms.sky.observatory import observatory_state, velocity_scale
from roman_dms.sky.wcs import Pointing


def attitude_of(exposure: PlannedExposure, *, aberration: bool = True) -> Attitude:
    """How the telescope is turned in an exposure.

    Parameters
    ----------
    exposure
        Where ``WFI_CEN`` looks, and its position angle.
    aberration
        Whether the field is stretched by the velocity aberration of the date.

    Raises
    ------
    UsageError
        For a pointing that cannot be.
    """
    _check_pointing(exposure)
    centre = aperture("WFI_CEN")
    scale = 1.0
    if aberration:
        velocity = observatory_state(exposure.start).velocity
        scale = velocity_scale(velocity, exposure.ra, exposure.dec)
    roll = exposure.position_angle - centre.v3_ideal_y_angle
    return Attitude(centre.v2_ref, centre.v3_ref, exposure.ra, exposure.dec, roll, scale)


def pointing_of(exposure: PlannedExposure, detector: str, *, aberration: bool = True) -> Pointing:
    """Where a detector's reference point looks, and how it is turned.

    >>> where = pointing_of(
    ...     PlannedExposure(ra=270, dec=66, position_angle=0, element="F158", ma_table=4,
    ...                     start=61557.0), "WFI01", aberration=False)
    >>> round(where.ra_ref, 7), round(where.dec_ref, 7), round(where.roll_ref, 7)
    (269.8325255, 66.0355095, 59.8466794)

    Parameters
    ----------
    exposure, aberration
        As of :func:`attitude_of`.
    detector
        ``WFI01`` to ``WFI18``.

    Raises
    ------
    UsageError
        For a pointing that cannot be, or an unknown detector.
    """
    attitude = attitude_of(exposure, aberration=aberration)
    place = detector_aperture(detector)
    ra, dec = attitude.sky(place.v2_ref, place.v3_ref)
    return Pointing(
        v2_ref=place.v2_ref,
        v3_ref=place.v3_ref,
        ra_ref=ra,
        dec_ref=dec,
        roll_ref=attitude.roll_at(place.v2_ref, place.v3_ref),
        velocity_scale=attitude.velocity_scale,
    )


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


def _check_pointing(exposure: PlannedExposure) -> None:
    limits = {"ra": (-360, 720), "dec": (-90, 90), "position_angle": (-360, 720)}
    for name, (low, high) in limits.items():
        value = getattr(exposure, name)
        if not (math.isfinite(value) and low <= value <= high):
            raise UsageError(
                f"Exposure {exposure.exposure} of visit {exposure.visit_id} points to "
                f"{name} = {value!r}.",
                f"degrees from {low} to {high}",
            )
