"""Where the detectors of a planned exposure lie on the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.apertures import aperture, detector_aperture
from roman_dms.instrument.detectors import NAMES
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.planning.slews import attitude


def footprints(exposure: PlannedExposure) -> dict[str, NDArray[np.float64]]:
    """Corners of all detectors on the sky, without aberration.

    Returns
    -------
    dict
        ``(4, 2)`` by detector: right ascension in [0, 360) and declination [deg]
        of the corners, in the order of the aperture's (JWST-STScI-001550, section 6).
    """
    centre = aperture("WFI_CEN")
    roll = exposure.position_angle - centre.v3_ideal_y_angle
    to_sky = attitude(exposure.ra, exposure.dec, roll) @ _local(centre.v2_ref, centre.v3_ref).T
    corners = {}
    for name in NAMES:
        directions = _direction(*detector_aperture(name).corners.T)
        x, y, z = to_sky @ directions
        ra, dec = np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z))
        corners[name] = np.stack([np.mod(ra, 360.0), dec], axis=1)
    return corners


def _direction(v2: NDArray[np.float64], v3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors of the telescope's frame, (3, n); V2 and V3 in arcsec."""
    a, d = np.radians(v2 / 3600), np.radians(v3 / 3600)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])


def _local(v2: float, v3: float) -> NDArray[np.float64]:
    """Rotation from the frame that looks at V2, V3, with V3 up, to the telescope's."""
    return attitude(v2 / 3600, v3 / 3600, 0.0)
