"""Recipes: ordered steps with their parameters, as a user reads and edits them.

A recipe is a TOML file::

    description = "L1 to L2"

    [[step]]
    name = "dq_init"

    [[step]]
    name = "glow"                      # a step of the user's own
    function = "glow.py:remove_glow"   # file beside the recipe, or package.module:function
    strength = 0.5                     # its parameters stand beside its name
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from roman_dms.errors import FileError, RecipeError
from roman_dms.pipeline.own_code import own_object
from roman_dms.pipeline.step import Parameters, Step


@dataclass(frozen=True)
class RecipeStep:
    """A step of a recipe with its parameters."""

    step: Step
    parameters: Parameters
    skip: bool = False
    """Whether the user asked to leave it out."""

    @property
    def name(self) -> str:
        """Name of the step."""
        return self.step.name


@dataclass(frozen=True)
class Recipe:
    """Ordered steps; every change gives a new recipe."""

    description: str
    steps: tuple[RecipeStep, ...]
    ends_early: bool = False
    """Whether steps were cut off its end: what comes out is not the product."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the steps in their order."""
        return tuple(entry.name for entry in self.steps)

    def index(self, name: str) -> int:
        """Place of a step; a name that is not there is an error that names the near ones."""
        if name not in self.names:
            raise _unknown("step", name, self.names)
        return self.names.index(name)

    def with_settings(self, settings: Iterable[str]) -> Recipe:
        """Override single parameters, each written ``step.name=value`` (value as in TOML)."""
        recipe = self
        for setting in settings:
            key, equals, text = setting.partition("=")
            name, dot, parameter = key.strip().partition(".")
            if not (equals and dot):
                raise RecipeError(f"The setting {setting!r} was found.", "step.parameter=value")
            recipe = recipe._with_value(name, parameter, _toml_value(text.strip()))
        return recipe

    def _with_value(self, name: str, parameter: str, value: Any) -> Recipe:
        place = self.index(name)
        entry = self.steps[place]
        values = {**entry.parameters.model_dump(), parameter: value}
        changed = dataclasses.replace(entry, parameters=bound_parameters(entry.step, values))
        return dataclasses.replace(
            self, steps=(*self.steps[:place], changed, *self.steps[place + 1 :])
        )

    def skipping(self, names: Iterable[str]) -> Recipe:
        """Leave steps out; one that changes the type of product cannot be left out."""
        steps = list(self.steps)
        for name in names:
            place = self.index(name)
            if steps[place].step.changes_product:
                raise RecipeError(
                    f"The step {name!r} makes a {steps[place].step.gives.__name__} "
                    f"out of a {steps[place].step.takes.__name__}.",
                    "a step whose product can go on without it",
                    "end the recipe before it with --until",
                )
            steps[place] = dataclasses.replace(steps[place], skip=True)
        return dataclasses.replace(self, steps=tuple(steps))

    def until(self, name: str) -> Recipe:
        """End after the named step."""
        end = self.index(name) + 1
        return dataclasses.replace(
            self, steps=self.steps[:end], ends_early=self.ends_early or end < len(self.steps)
        )


def load_recipe(path: Path, steps: Mapping[str, Step]) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path
        The TOML file.
    steps
        The steps that come with the system, by name.

    Raises
    ------
    RecipeError
        For an unknown step or parameter, a value out of range, or steps whose
        products do not fit each other.
    """
    try:
        tree = tomllib.loads(path.read_text())
    except OSError as error:
        raise FileError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} is not valid TOML: {error}.") from None
    entries = tree.get("step", [])
    if not isinstance(entries, list) or not entries or not all(map(_is_entry, entries)):
        raise RecipeError(f"The recipe {path} lists no steps.", "[[step]] tables, each with a name")
    bound = tuple(_bind(dict(entry), steps, path) for entry in entries)
    _check_chain(bound)
    return Recipe(str(tree.get("description", "")), bound)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _bind(entry: dict[str, Any], steps: Mapping[str, Step], path: Path) -> RecipeStep:
    name = entry.pop("name")
    where = entry.pop("function", None)
    if where is not None:
        found = _import_step(str(where), path.parent)
    elif name in steps:
        found = steps[name]
    else:
        raise _unknown("step", name, steps)
    if found.name != name:
        raise RecipeError(
            f"The step {name!r} of the recipe is the function {found.name!r}.",
            "the name of the function as the name of the step",
        )
    return RecipeStep(found, bound_parameters(found, entry))


def _import_step(where: str, folder: Path) -> Step:
    """The step ``module:function`` or ``file.py:function`` (relative to the recipe)."""
    found = own_object(where, folder, RecipeError)
    if not isinstance(found, Step):
        raise RecipeError(
            f"{where!r} is not a step.",
            "a function declared with @step from roman_dms.pipeline.step",
        )
    return found


def bound_parameters(step: Step, values: Mapping[str, Any]) -> Parameters:
    """Parameters of a step from values by name; what does not fit is an error."""
    for name in values:
        if name not in step.parameters.model_fields:
            raise _unknown(
                f"parameter of the step {step.name!r}", name, step.parameters.model_fields
            )
    try:
        return step.parameters(**values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RecipeError(
            f"The parameter {step.name}.{name} is {json.dumps(first['input'], default=str)}.",
            first["msg"],
        ) from None


def _check_chain(entries: tuple[RecipeStep, ...]) -> None:
    """Each step must take what the one before it gives."""
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"The step {name!r} stands in the recipe more than once.")
    for before, after in itertools.pairwise(entries):
        if not issubclass(before.step.gives, after.step.takes):
            raise RecipeError(
                f"The step {after.name!r} follows {before.name!r}, "
                f"which gives a {before.step.gives.__name__}.",
                f"a step that gives a {after.step.takes.__name__}",
            )


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string


def _unknown(what: str, name: str, known: Iterable[str]) -> RecipeError:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else ""
    return RecipeError(f"There is no {what} named {name!r}.", f"one of {', '.join(names)}", hint)
