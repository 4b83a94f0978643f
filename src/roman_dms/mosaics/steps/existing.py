"""A mosaic that is there: its pixels, how it was made, and what may be added to it."""

from __future__ import annotations

import dataclasses
import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from roman_dms.errors import FileError, MetadataError, UsageError
from roman_dms.mosaics.steps.combination import STEPS
from roman_dms.mosaics.steps.stack import Stack
from roman_dms.pipeline.recipe import Recipe, RecipeStep, bound_parameters
from roman_dms.products.mosaic import Mosaic
from roman_dms.sky.tangent import TangentPlane
from roman_dms.sky.tessellation import SkyCell

OWN = "roman_dms"
"""Branch of a mosaic's file in which it tells what RAD has no place for."""

NEEDED = ("images", "recipe", "exposure_time", "rejected_pixels", "correlated_noise")
"""What of it adding asks for."""

SAME: Mapping[str, tuple[str, ...]] = {
    "select_images": ("good_bits",),
    "flux": ("pixel_area",),
    "skymatch": ("skip", "method"),
    "resample": ("kernel", "pixfrac", "weight_type"),
}
"""Parameters that all exposures of a mosaic must share; others are judged exposure by exposure."""


def record_of(recipe: Recipe) -> list[dict[str, Any]]:
    """A recipe as a mosaic keeps it: its steps in order, with all parameters."""
    return [
        {"name": entry.name, "skip": entry.skip}
        | ({} if STEPS.get(entry.name) is entry.step else {"function": "own"})
        | entry.parameters.model_dump(mode="json")
        for entry in recipe.steps
    ]


def with_record(mosaic: Mosaic, recipe: Recipe) -> Mosaic:
    """A mosaic that tells by which recipe it was made."""
    own = {**mosaic.extras.get(OWN, {}), "recipe": record_of(recipe)}
    return dataclasses.replace(mosaic, extras={**mosaic.extras, OWN: own})


def recipe_of(mosaic: Mosaic) -> Recipe:
    """The recipe by which a mosaic was made.

    Raises
    ------
    MetadataError
        If it does not tell, or had steps of its own.
    """
    steps = []
    for entry in _told(mosaic, "recipe"):
        values = {key: value for key, value in entry.items() if value is not None}
        name, skip = values.pop("name"), bool(values.pop("skip", False))
        if name not in STEPS or "function" in values:
            raise MetadataError(
                f"The mosaic was made with a step {name!r} of its own.",
                f"the steps {', '.join(STEPS)}",
                "give its recipe with --recipe",
            )
        step = STEPS[name]
        steps.append(RecipeStep(step, bound_parameters(step, values), skip))
    return Recipe("as the mosaic was made", tuple(steps))


def cell_of(mosaic: Mosaic) -> SkyCell:
    """The pixels of a mosaic."""
    info = mosaic.meta["wcsinfo"]
    name = info.get("skycell_name")
    plane = TangentPlane.of_wcsinfo(info)
    return SkyCell(None if name in {None, "None"} else str(name), plane, mosaic.shape)


def check_recipe(mosaic: Mosaic, recipe: Recipe, cells: Sequence[SkyCell]) -> None:
    """Refuse to add by another recipe or on other pixels than the mosaic was made.

    Raises
    ------
    UsageError
        Which says what is different.
    MetadataError
        For a mosaic that does not tell what adding needs.
    """
    for key in NEEDED:
        _told(mosaic, key)
    past, now = (
        {one["name"]: one for one in of} for of in (_told(mosaic, "recipe"), record_of(recipe))
    )
    for name, parameters in SAME.items():
        for key in parameters:
            was, is_ = (
                past.get(name, {"skip": True}).get(key),
                now.get(name, {"skip": True}).get(key),
            )
            if was != is_ and not (key != "skip" and now.get(name, {}).get("skip", True)):
                raise UsageError(
                    f"The mosaic was made with {name}.{key} = {was}; {is_} is asked for.",
                    "the same for all exposures of a mosaic",
                    "leave it as it was, or make the mosaic anew from all its images",
                )
    own = cell_of(mosaic)
    for cell in cells:
        if cell.shape != own.shape or not _same(cell.plane, own.plane):
            raise UsageError(
                f"The mosaic has {_pixels(own)}; {_pixels(cell)} are asked for.",
                "the pixels of the mosaic, which cannot change",
                "leave out --cell, --centre and --pixel-scale, or make a mosaic anew",
            )


def check_new(mosaic: Mosaic, stack: Stack) -> None:
    """Refuse images that a mosaic has, or that do not go with it.

    Raises
    ------
    UsageError
        Which says what is wrong.
    """
    within = set(map(str, _told(mosaic, "images")["name"]))
    twice = [one.name for one in stack.members if one.name in within]
    if twice:
        raise UsageError(
            f"The mosaic has {', '.join(twice)} already.",
            f"images other than the {len(within)} in it",
        )
    element = stack.members[0].meta.optical_element
    if element != mosaic.meta.optical_element:
        raise UsageError(
            f"The mosaic is in {mosaic.meta.optical_element}, the images in {element}.",
            "images through the mosaic's filter",
        )
    components = {
        name
        for name in ("var_poisson", "var_rnoise", "var_flat")
        if getattr(mosaic, name) is not None
    }
    for one in stack.members:
        lacking = components - set(one.components)
        if lacking:
            raise UsageError(
                f"{one.name} has no {', '.join(sorted(lacking))}.",
                "the components of the variance that the mosaic has",
                "calibrate it as the others were, or make the mosaic anew from all its images",
            )


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Nobody else adds to a file meanwhile.

    Raises
    ------
    FileError
        If it cannot be read, or somebody does.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError:
        raise FileError(
            f"Another program is adding to {path}.", "one at a time", "wait until it has ended"
        ) from None
    except OSError as error:
        raise FileError(
            f"The mosaic {path} cannot be read: {error.strerror}.", "a mosaic of this system"
        ) from None


def _told(mosaic: Mosaic, key: str) -> Any:
    """What a mosaic tells beyond RAD."""
    own = mosaic.extras.get(OWN)
    if not isinstance(own, Mapping) or key not in own:
        raise MetadataError(
            f"The mosaic does not tell its {key.replace('_', ' ')} ({OWN}.{key}).",
            "a mosaic made by 'rdms mosaic'",
            "make it anew from its images, then images can be added to it",
        )
    return own[key]


def _same(one: TangentPlane, other: TangentPlane) -> bool:
    """Whether planes differ by no more than the rounding of a file."""
    first, second = (
        [plane.ra, plane.dec, plane.x, plane.y, plane.scale, *np.ravel(plane.matrix)]
        for plane in (one, other)
    )
    return bool(np.allclose(first, second, rtol=1e-13, atol=1e-12))


def _pixels(cell: SkyCell) -> str:
    rows, columns = cell.shape
    where = cell.name or "a field around {:.4f}, {:.4f}".format(*cell.centre)
    return f"{rows} x {columns} pixels of {cell.plane.scale:g} arcsec on {where}"
