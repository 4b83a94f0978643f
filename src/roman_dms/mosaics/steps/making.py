"""From files to files: L2 images in, the mosaics of sky cells out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roman_dms.errors import RecipeError
from roman_dms.formats.products import write_product
from roman_dms.formats.sources import FilePath
from roman_dms.mosaics.steps.associations import group_of, product_name
from roman_dms.mosaics.steps.existing import with_record
from roman_dms.mosaics.steps.members import Member, open_members
from roman_dms.mosaics.steps.stack import Candidates, Stack
from roman_dms.pipeline.recipe import Recipe
from roman_dms.pipeline.runner import Observer, Run, run
from roman_dms.products.association import Association
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.sky.tessellation import SkyCell, SkyCells

Watching = Callable[[str, int], AbstractContextManager[Observer]]
"""Takes a title and a number of steps to what shows how a run goes on."""


@dataclass(frozen=True)
class Made:
    """A mosaic that was written."""

    cell: SkyCell
    output: Path

    run: Run | None
    """``None`` where the file was there already."""

    seconds: float


@dataclass(frozen=True)
class Wanted:
    """Which mosaics to make of which images."""

    files: Sequence[FilePath]

    cells: Sequence[SkyCell] | SkyCells
    """The pixels of each; of a tessellation, all cells that the images touch."""

    output: Path
    """Folder of the products."""

    pixel_scale: float | None = None
    """Side of a pixel [arcsec]; that of the cells by default."""

    association: Association | None = None
    """Where the images come from."""

    release: str = "p"
    """Label of the data release."""

    resume: bool = False
    """Leave mosaics alone that are there."""


class NoReferences:
    """Mosaics need no reference data."""

    context = "none"

    def load(self, _meta: Metadata, _kinds: Mapping[str, Any]) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def parameters(self, _meta: Metadata, _kinds: Any) -> Mapping[str, Any]:
        """Nothing."""
        return {}


def make_mosaics(
    wanted: Wanted, recipe: Recipe, watching: Watching, *, workers: int = 2
) -> Iterator[Made]:
    """Make mosaics, one after the other, from images that are read once.

    What concerns all images, such as their skies, is found once, so that neighbouring mosaics
    agree where they overlap.

    Parameters
    ----------
    wanted
        Which images and cells.
    recipe
        Steps from images to a mosaic.
    watching
        Shows how it goes on.
    workers
        Threads; the mosaics do not depend on them.

    Raises
    ------
    RecipeError
        For a recipe that makes no mosaic.
    UsageError
        For images through several filters, or that lie on none of the cells.
    """
    began = time.perf_counter()
    files = open_members(wanted.files, workers)
    members = [one for one in files if isinstance(one, Member)]
    cells = tuple(_cells(wanted, members))
    candidates = Candidates(Metadata({}), tuple(files), cells)
    shared, last = parted(recipe)
    with watching("all images", len(shared.steps)) as observer:
        stack = run(shared, candidates, NoReferences(), workers=workers, observer=observer).product
    stack = _named(stack, wanted)
    for number, cell in enumerate(cells):
        output = wanted.output / f"{_stem(stack, cell, wanted)}_coadd.asdf"
        if wanted.resume and output.exists():
            yield Made(cell, output, None, time.perf_counter() - began)
        else:
            with watching(output.name, len(last.steps)) as observer:
                done = _made(stack, cell, recipe, observer, workers)
            output.parent.mkdir(parents=True, exist_ok=True)
            write_product(done.product, output)
            yield Made(cell, output, done, time.perf_counter() - began)
        began = time.perf_counter()
        _forget(stack, cells[number + 1 :])


def _cells(wanted: Wanted, members: Sequence[Member]) -> list[SkyCell]:
    """The cells, neighbours after each other."""
    cells = _touched(wanted.cells, members) if isinstance(wanted.cells, SkyCells) else wanted.cells
    if wanted.pixel_scale is None:
        return list(cells)
    return [cell.rescaled(wanted.pixel_scale) for cell in cells]


def _touched(cells: SkyCells, members: Sequence[Member]) -> list[SkyCell]:
    touched = {
        cell.name: cell for member in members for cell in cells.touching_footprint(member.footprint)
    }
    return sorted(
        touched.values(),
        key=lambda cell: (cell.plane.ra, cell.plane.dec, cell.grid_origin[1], cell.grid_origin[0]),
    )


def parted(recipe: Recipe) -> tuple[Recipe, Recipe]:
    """The steps that all mosaics share, and those of each.

    Raises
    ------
    RecipeError
        For a recipe that makes no mosaic.
    """
    last = next(
        (n for n, entry in enumerate(recipe.steps) if issubclass(entry.step.gives, Mosaic)), None
    )
    if not last:
        raise RecipeError(
            f"The recipe makes no mosaic: {', '.join(recipe.names)}.",
            "steps that choose images, and one that makes a mosaic of them",
            "begin with 'rdms recipe mosaic'",
        )
    shared = dataclasses.replace(recipe, steps=recipe.steps[:last], ends_early=True)
    return shared, dataclasses.replace(recipe, steps=recipe.steps[last:])


def _named(stack: Stack, wanted: Wanted) -> Stack:
    """A stack that says where its images come from."""
    association = wanted.association
    kind, group = group_of(stack.members)
    if association is not None:
        kind, release = association.kind, association.release
    else:
        release = wanted.release
    return dataclasses.replace(
        stack,
        group=group,
        association=association.name if association else "none",
        product_type=f"{release}_{kind}_coadd",
        release=release,
    )


def _stem(stack: Stack, cell: SkyCell, wanted: Wanted) -> str:
    """Name of the mosaic of a cell, without suffix."""
    if wanted.association is not None and wanted.association.target in {cell.name, None}:
        return wanted.association.name
    return product_name(stack.members, stack.group, cell, stack.release)


def _made(stack: Stack, cell: SkyCell, recipe: Recipe, observer: Observer, workers: int) -> Run:
    stack = dataclasses.replace(stack, cell=cell)
    done = run(recipe, stack, NoReferences(), workers=workers, observer=observer)
    # what is added later must be made alike
    return dataclasses.replace(done, product=with_record(done.product, recipe))


def _forget(stack: Stack, left: Sequence[SkyCell]) -> None:
    """Give up images that none of the cells that are left needs."""
    stack.pixels.forget(
        member.name
        for member in stack.members
        if not any(stack.pixels.ways(member, cell) for cell in left)
    )
