"""The tessellation of the sky: projection regions, and the cells that mosaics are made on."""

from roman_dms.sky.tessellation.cell import SkyCell, check_position, free_field
from roman_dms.sky.tessellation.cells import Places, SkyCells
from roman_dms.sky.tessellation.closed_form import MISSION, Tessellation
from roman_dms.sky.tessellation.regions import Regions

__all__ = [
    "MISSION", "Places", "Regions", "SkyCell", "SkyCells", "Tessellation", "check_position",
    "free_field",
]  # fmt: skip
