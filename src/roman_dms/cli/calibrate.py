"""``rdms calibrate``: raw exposures to calibrated rate images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from roman_dms.astrometry.steps.exposure_solution import Settings
    from roman_dms.astrometry.steps.gaia import ReferenceSource
    from roman_dms.pipeline.process import Processed
    from roman_dms.pipeline.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """What to do with each file; can be sent to another process."""

    directory: Path | None
    recipe_path: Path | None
    settings: tuple[str, ...]
    skipped: tuple[str, ...]
    until: str | None
    saved: tuple[str, ...]
    context: str | None
    store: Path | None
    workers: int
    resume: bool

    def recipe(self) -> Recipe:
        """The recipe with the changes that were asked for."""
        from roman_dms.recipes import load

        recipe = load(self.recipe_path).with_settings(self.settings)
        recipe = recipe.until(self.until) if self.until else recipe
        return recipe.skipping(self.skipped)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the products; by default beside each file.")  # fmt: skip
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path, dir_okay=False),
              help="A recipe of your own; 'rdms recipe' prints the default one.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="STEP.NAME=VALUE",
              help="Override one parameter, for instance --set dark.scale=0.9.")  # fmt: skip
@click.option("--skip", "skipped", multiple=True, metavar="STEP", help="Leave a step out.")
@click.option("--until", metavar="STEP", help="Stop after a step and write what it gives.")
@click.option("--save", "saved", multiple=True, metavar="STEP",
              help="Write what a step gives, too.")  # fmt: skip
@click.option("--context", help="Context of the reference data, for instance roman_0001.pmap.")
@click.option("--store", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of the reference data (RDMS_REFERENCES).")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
              help="Files that are processed at the same time.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1),
              help="Threads for each file; by default all cores, shared by the jobs.")  # fmt: skip
@click.option("--gaia", metavar="WHERE",
              help="Then align each exposure to these reference stars: a file, a HATS "
                   "catalogue or a TAP service, as 'rdms align' takes them.")  # fmt: skip
@click.option("--placement", metavar="FILE|first|calibrated", default="first", show_default=True,
              help="With --gaia: where the detectors are, as 'rdms align' takes it.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Leave out files whose product is already there.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    files: tuple[str, ...], output: Path | None, jobs: int, threads: int | None, quiet: bool,
    recipe_path: Path | None, settings: tuple[str, ...], skipped: tuple[str, ...],
    until: str | None, saved: tuple[str, ...], context: str | None, store: Path | None,
    gaia: str | None, placement: str, resume: bool,
) -> int:  # fmt: skip
    """Calibrate raw exposures (L1) to rate images (L2).

    \b
    rdms calibrate r*_uncal.asdf -o l2
    rdms calibrate FILE --set ramp_fit.jump_threshold=5 --skip flat_field
    rdms calibrate FILE --recipe mine.toml --save linearity
    rdms calibrate r*_uncal.asdf -o l2 --jobs 4 --gaia gaia.parquet

    With --gaia the detectors of each exposure are aligned together once all files
    are calibrated, as 'rdms align' does; exposures without catalogues, such as
    spectra, are left alone.

    A file that cannot be calibrated is reported and the others go on; the exit
    code is then that of the first error.
    """
    cores = os.cpu_count() or 1
    request = Request(
        output, recipe_path, settings, skipped, until, saved, context, store,
        threads or max(1, cores // min(jobs, len(files))), resume,
    )  # fmt: skip
    recipe = request.recipe()  # a mistake is told before any file is touched
    alignment = _alignment(gaia, placement, recipe)
    results = _process_all(files, request, jobs, quiet)
    code = _report(results, quiet)
    aligned = _align(results, *alignment, jobs, quiet) if alignment else 0
    return code or aligned


def _alignment(
    gaia: str | None, placement: str, recipe: Recipe
) -> tuple[ReferenceSource, Settings] | None:
    """Reference stars and how to align to them, if what the recipe gives can be aligned."""
    from roman_dms.cli.align import FIRST, placement_settings
    from roman_dms.errors import UsageError

    if gaia is None:
        if placement != FIRST:
            raise UsageError(
                f"There is a placement, {placement}, and nothing is aligned.", "--gaia, too"
            )
        return None
    from roman_dms.astrometry.steps.gaia import open_source
    from roman_dms.products.exposure import RateImage

    if recipe.ends_early or recipe.steps[-1].step.gives is not RateImage:
        raise UsageError(
            f"The recipe ends at {recipe.steps[-1].name}, and --gaia aligns finished images.",
            "a recipe that ends with an L2 image",
            "leave out --until or --gaia",
        )
    return open_source(gaia), placement_settings(placement)


def _align(
    results: list[Processed | tuple[str, Exception]],
    stars: ReferenceSource,
    how: Settings,
    jobs: int,
    quiet: bool,
) -> int:
    """Align the exposures among what was calibrated; the exit code."""
    from rich.console import Console

    from roman_dms.cli.align import align_files

    outputs = [result.output for result in results if not isinstance(result, tuple)]
    return align_files(outputs, stars, how, Console(quiet=quiet), jobs=jobs, again=False)


def _process_all(
    files: Sequence[str], request: Request, jobs: int, quiet: bool
) -> list[Processed | tuple[str, Exception]]:
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet)
    _tell_first_run(console)
    if jobs == 1 or len(files) == 1:
        return [_attempt(file, request, console) for file in files]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")  # threads and fork do not mix
    with ProcessPoolExecutor(min(jobs, len(files)), mp_context=context) as pool:
        running = [pool.submit(_attempt, file, request, None) for file in files]
        return [future.result() for future in running]


def _attempt(file: str, request: Request, console: Any) -> Processed | tuple[str, Exception]:
    """Process one file; an error is given back so that the others can go on."""
    from roman_dms.errors import RdmsError

    try:
        return _process(file, request, console)
    except RdmsError as error:
        return file, error


def _process(file: str, request: Request, console: Any) -> Processed:
    from roman_dms.cli.progress import ProgressBar
    from roman_dms.pipeline.memory import keep_freed_memory
    from roman_dms.pipeline.process import process_file
    from roman_dms.pipeline.runner import Observer
    from roman_dms.references.overlay import open_context
    from roman_dms.references.selected import SelectedReferences
    from roman_dms.references.store import ReferenceStore

    keep_freed_memory()
    recipe = request.recipe()
    references = SelectedReferences(open_context(ReferenceStore(request.store), request.context))
    shown = console is not None and console.is_terminal and not console.quiet
    bar = ProgressBar(console, Path(file).name, len(recipe.steps)) if shown else None
    with bar or nullcontext(Observer()) as observer:
        return process_file(
            file, request.directory, recipe, references, workers=request.workers,
            save=request.saved, resume=request.resume, observer=observer,
            settings=None if request.recipe_path else request.settings,
        )  # fmt: skip


def _report(results: list[Processed | tuple[str, Exception]], quiet: bool) -> int:
    """Print what became of each file; the exit code is that of the first error."""
    from rich.console import Console

    from roman_dms.cli.main import exit_code
    from roman_dms.cli.progress import summary

    console, code = Console(quiet=quiet), 0
    for result in results:
        if isinstance(result, tuple):
            file, error = result
            click.secho(f"Error: {file}: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            code = code or exit_code(error)  # type: ignore[arg-type]
        elif result.run is None:
            console.print(f"{result.output} is already there", highlight=False)
        else:
            console.print(summary(result))
    return code


def _tell_first_run(console: Any) -> None:
    """Say so where the kernels have never been compiled on this machine."""
    import numba

    from roman_dms import calibration

    folders = [Path(calibration.__file__).parent / "__pycache__"]
    if numba.config.CACHE_DIR:
        folders.append(Path(numba.config.CACHE_DIR))
    if not any(next(folder.rglob("*.nbi"), None) for folder in folders if folder.is_dir()):
        console.print("First run: compiling the kernels, once, which takes up to a minute.")
