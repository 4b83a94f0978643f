"""What is known of the sources of a visit as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import vstack

from roman_dms.formats.tables import write_table
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.scenes.truth import light_curves


def write_light_curves(scene: Scene, plan: Sequence[PlannedExposure], folder: Path) -> Path | None:
    """Write ``plan_light_curves.parquet``: what varies, at the middle of each exposure.

    Returns
    -------
    Path or None
        The file; ``None`` where nothing in the scene varies, or no exposure is an image.

    Raises
    ------
    FileError
        Where it cannot be written.
    """
    times: dict[str, list[float]] = {}
    for exposure in plan:
        if optical_element(exposure.element).is_imaging:
            times.setdefault(exposure.element, []).append((exposure.start + exposure.end) / 2)
    if not times or not np.any(scene["variability"] != ""):
        return None
    path = folder / "plan_light_curves.parquet"
    write_table(vstack([light_curves(scene, mjds, name) for name, mjds in times.items()]), path)
    return path
