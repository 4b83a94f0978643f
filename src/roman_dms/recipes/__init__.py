"""The recipes that come with the system: which steps of which science, in which order."""

from __future__ import annotations

from pathlib import Path

from roman_dms.pipeline.recipe import Recipe, load_recipe
from roman_dms.pipeline.step import Step

_FOLDER = Path(__file__).parent

EXPOSURE = _FOLDER / "exposure.toml"
"""L1 to L2 of one exposure, with its sources."""

MOSAIC = _FOLDER / "mosaic.toml"
"""L2 images to the L3 mosaic of a sky cell."""

RECIPES = {"exposure": EXPOSURE, "mosaic": MOSAIC}
"""The recipes by name."""


def steps() -> dict[str, Step]:
    """The steps that come with the system, by name, in the order of the default recipes."""
    from roman_dms.calibration.steps import STEPS as CALIBRATION  # noqa: PLC0415  compiled kernels
    from roman_dms.catalogs.steps import STEPS as CATALOGS  # noqa: PLC0415
    from roman_dms.mosaics.steps import STEPS as MOSAICS  # noqa: PLC0415

    return {**CALIBRATION, **CATALOGS, **MOSAICS}


def load(path: Path | None = None) -> Recipe:
    """Read a recipe whose steps are those of the system or a user's own.

    Parameters
    ----------
    path
        A TOML file; the default recipe from L1 to L2 where ``None``.
    """
    return load_recipe(path or EXPOSURE, steps())
