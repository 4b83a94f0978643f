"""The table of sky cells: part of the tessellation of the whole sky.

The tessellation is known in closed form (:mod:`roman_dms.sky.tessellation`).  The whole table
has eight million cells and more than a gigabyte; the baseline has those of the regions around
:data:`POSITIONS` alone.
"""

from __future__ import annotations

from typing import Any

from roman_dms.references.bootstrap.frame import Frame
from roman_dms.sky.tessellation import MISSION
from roman_dms.sky.tessellation.table import tables_of

POSITIONS = ((0.0, 90.0), (270.0, 66.0), (10.0, 0.0))
"""Positions whose regions the baseline has: north pole, a deep field, the equator [deg]."""


def skycells(_frame: Frame) -> dict[str, Any]:
    """All projection regions, and the cells of those around :data:`POSITIONS`."""
    ra, dec = zip(*POSITIONS, strict=True)
    regions, cells = tables_of(MISSION, MISSION.locate(ra, dec).region)
    meta = {
        "pedigree": "GROUND",
        "nxy_skycell": MISSION.size,
        "skycell_border_pixels": MISSION.border,
        "pixel_scale": MISSION.scale,
    }
    return {"meta": meta, "projection_regions": regions, "skycells": cells}
