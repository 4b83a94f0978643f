"""Parameters that come from reference files: the mission's ``pars-*`` kinds.

Such a file holds parameters of a step by the names that romancal gives them.
It changes the recipe that comes with the system; a recipe or a setting of the
user's own is stronger.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from roman_dms.pipeline.recipe import Recipe, RecipeStep, bound_parameters
from roman_dms.pipeline.runner import References
from roman_dms.products.metadata import Metadata

NOT_OURS = frozenset(
    {
        "pre_hooks", "post_hooks", "output_file", "output_dir", "output_ext", "output_use_model",
        "output_use_index", "save_results", "search_output_file", "input_dir", "suffix",
        "update_version", "include_var_rnoise", "record_jumps", "maximum_cores",
    }
)  # fmt: skip
"""Names that tell romancal how to run, name or save, and not what to compute."""


def with_parameter_references(
    recipe: Recipe, references: References, meta: Metadata
) -> tuple[Recipe, tuple[str, ...]]:
    """Take over what the parameter references of an exposure say.

    Parameters
    ----------
    recipe
        The recipe that comes with the system.
    references
        Where the files come from.
    meta
        The exposure for which they are selected.

    Returns
    -------
    recipe, notes
        The changed recipe, and for the log what was taken from where and what
        was found that no parameter of ours stands for.
    """
    kinds = {entry.step.parameters.kind for entry in recipe.steps} - {""}
    found = references.parameters(meta, sorted(kinds))
    steps, notes = [], []
    for entry in recipe.steps:
        if entry.step.parameters.kind not in found:
            steps.append(entry)
            continue
        file, values = found[entry.step.parameters.kind]
        changed, foreign = _changed(entry, values)
        steps.append(changed)
        notes.append(f"{entry.name}: parameters from {file}")
        if foreign:
            notes.append(f"{entry.name}: {file} also sets {', '.join(foreign)}, which are not ours")
    return dataclasses.replace(recipe, steps=tuple(steps)), tuple(notes)


def _changed(entry: RecipeStep, values: Mapping[str, Any]) -> tuple[RecipeStep, list[str]]:
    """The step with the values that are ours, and the names of those that are not."""
    model = entry.step.parameters
    ours = entry.parameters.model_dump()
    foreign = []
    for name, value in values.items():
        own = model.mission_names.get(name, name)
        if own in model.model_fields:
            ours[own] = model.mission_values.get(value, value) if isinstance(value, str) else value
        elif name != "skip" and name not in NOT_OURS:
            foreign.append(name)
    skip = bool(values.get("skip", False)) and not entry.step.changes_product
    parameters = bound_parameters(entry.step, ours)
    return dataclasses.replace(entry, parameters=parameters, skip=entry.skip or skip), foreign
