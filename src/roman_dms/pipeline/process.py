"""From file to file: read a product, run a recipe on it, write what comes out."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roman_dms.errors import FileError
from roman_dms.formats.products import read_product, write_product
from roman_dms.pipeline.parameter_references import with_parameter_references
from roman_dms.pipeline.recipe import Recipe
from roman_dms.pipeline.runner import Observer, References, Run, run
from roman_dms.products.exposure import RateImage
from roman_dms.products.metadata import Metadata

SUFFIXES = ("uncal", "cal", "coadd", "cat", "segm")
"""Last part of a file name that says what kind of product the file holds."""


@dataclass(frozen=True)
class Processed:
    """A file that was processed."""

    source: str
    output: Path
    run: Run | None
    """``None`` where the output was there already."""
    seconds: float


def output_path(
    source: str, directory: Path | None, suffix: str, steps: Collection[str] = ()
) -> Path:
    """Where a product goes: the name of its source with another suffix.

    Beside the source where no folder is named; here where the source is a URL.
    The suffix of a source may also be the name of one of ``steps``.

    >>> output_path("s3://bucket/r1_uncal.asdf", None, "cal")
    PosixPath('r1_cal.asdf')
    >>> output_path("in/r1_ramp_fit.asdf", Path("out"), "cal", ["ramp_fit"])
    PosixPath('out/r1_cal.asdf')
    """
    path = Path(source)
    endings = [f"_{ending}" for ending in (*SUFFIXES, *steps) if path.stem.endswith(f"_{ending}")]
    root = path.stem.removesuffix(max(endings, key=len, default=""))
    beside = Path() if "://" in source else path.parent
    return (beside if directory is None else directory) / f"{root}_{suffix}.asdf"


def process_file(
    source: str,
    directory: Path | None,
    recipe: Recipe,
    references: References,
    *,
    workers: int = 2,
    save: Collection[str] = (),
    resume: bool = False,
    settings: Collection[str] | None = None,
    observer: Observer | None = None,
) -> Processed:
    """Run a recipe on a file.

    Parameters
    ----------
    source
        Path or URL of a product that the first step takes.
    directory
        Where the products go; beside the source where ``None``.
    recipe
        The steps.
    references
        Where reference data come from.
    workers
        Threads for the pixels.
    save
        Names of steps whose product is kept too, with the step's name as suffix.
    resume
        Leave the file alone if its product is there (products appear whole or
        not at all).
    settings
        Overrides (``step.name=value``) that are stronger than the parameter
        references of the exposure; where ``None``, the recipe is the user's own
        and these are not looked at.
    observer
        Is told how the run goes on.
    """
    began = time.perf_counter()
    for name in save:
        recipe.index(name)
    last = recipe.steps[-1]
    finished = last.step.gives is RateImage and not recipe.ends_early
    suffix = "cal" if finished else last.name
    output = output_path(source, directory, suffix, recipe.names)
    if resume and output.exists():
        return Processed(source, output, None, time.perf_counter() - began)
    _make_folder(output.parent)
    savers: dict[str, Callable[[Any], None]] = {
        name: functools.partial(_save, path=output_path(source, directory, name, recipe.names))
        for name in save
    }
    product = read_product(source)
    if settings is not None:
        recipe, notes = with_parameter_references(recipe, references, product.meta)
        recipe = recipe.with_settings(s for s in settings if s.split(".")[0] in recipe.names)
        meta = functools.reduce(Metadata.noted, notes, product.meta)
        product = dataclasses.replace(product, meta=meta)
    done = run(recipe, product, references, workers=workers, observer=observer, save=savers)
    write_product(done.product, output)
    return Processed(source, output, done, time.perf_counter() - began)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "a folder that can be written to",
            "name another with --output",
        ) from None


def _save(product: Any, path: Path) -> None:
    write_product(product, path)
