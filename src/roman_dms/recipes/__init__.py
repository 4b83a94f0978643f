"""The recipes that come with the system."""

from __future__ import annotations

from pathlib import Path

from roman_dms.pipeline.recipe import Recipe, load_recipe

EXPOSURE = Path(__file__).parent / "exposure.toml"
"""L1 to L2 of one exposure, with its sources."""


def load(path: Path | None = None) -> Recipe:
    """Read a recipe whose steps are those of the system or a user's own.

    Parameters
    ----------
    path
        A TOML file; the default recipe from L1 to L2 where ``None``.
    """
    from roman_dms.calibration.steps import STEPS  # noqa: PLC0415  compiled kernels, only when run

    return load_recipe(path or EXPOSURE, STEPS)
