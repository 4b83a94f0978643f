"""``rdms mosaic``: calibrated images to mosaics of sky cells."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from roman_dms.mosaics.steps.making import Made, Wanted, Watching
    from roman_dms.pipeline.recipe import Recipe
    from roman_dms.pipeline.runner import Observer
    from roman_dms.sky.tessellation import SkyCell, SkyCells


@click.command()
@click.argument("files", nargs=-1, metavar="[L2FILE]...")
@click.option("--association", "associations", multiple=True, metavar="ASN",
              type=click.Path(path_type=Path, dir_okay=False),
              help="An association in place of files: its images, its cell, its name.")  # fmt: skip
@click.option("--cell", "names", multiple=True, metavar="NAME",
              help="Only this sky cell; by default all that the images touch.")  # fmt: skip
@click.option("--centre", nargs=2, type=float, metavar="RA DEC",
              help="A field of your own in place of sky cells [deg].")  # fmt: skip
@click.option("--size", type=click.IntRange(min=1), default=5000, show_default=True,
              help="Rows and columns of that field.")  # fmt: skip
@click.option("--position-angle", type=float, default=0.0,
              help="Angle of its y axis, from north to east [deg].")  # fmt: skip
@click.option(
    "--pixel-scale",
    type=click.FloatRange(0.01, 1),
    help="Side of a pixel [arcsec]; by default 0.055. 0.11 for patchy visits.",
)
@click.option("--add", "existing", metavar="MOSAIC",
              type=click.Path(path_type=Path, dir_okay=False),
              help="Add the images to this mosaic, without those that are in it.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for the mosaics; by default this one, or that of MOSAIC.")  # fmt: skip
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path, dir_okay=False),
              help="A recipe of your own; 'rdms recipe mosaic' prints the default.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="STEP.NAME=VALUE",
              help="Override one parameter, for instance --set resample.pixfrac=0.8.")  # fmt: skip
@click.option("--skip", "skipped", multiple=True, metavar="STEP", help="Leave a step out.")
@click.option("--release", default="p", show_default=True,
              help="Label of the data release; p for prompt products.")  # fmt: skip
@click.option("--cells", type=click.Path(path_type=Path, dir_okay=False),
              help="A table of sky cells in place of the mission's.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), help="Threads; by default all cores.")
@click.option("--resume", is_flag=True, help="Leave out mosaics that are already there.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    files: tuple[str, ...], associations: tuple[Path, ...], names: tuple[str, ...],
    centre: tuple[float, float] | None, size: int, position_angle: float,
    pixel_scale: float | None, existing: Path | None, output: Path | None,
    recipe_path: Path | None, settings: tuple[str, ...], skipped: tuple[str, ...], release: str,
    cells: Path | None, threads: int | None, resume: bool, quiet: bool,
) -> int:  # fmt: skip
    """Combine calibrated images (L2) of one filter into mosaics (L3).

    \b
    rdms mosaic l2/*_f158_cal.asdf -o l3                    all sky cells that they touch
    rdms mosaic l2/*_f158_cal.asdf --cell 270p65x50y50      one sky cell
    rdms mosaic --association asn/*_asn.json -o l3          as 'rdms associate' sorted them
    rdms mosaic l2/*.asdf --centre 270 66 --size 2000       a field of your own, north up
    rdms mosaic l2/*.asdf --set outlier_detection.snr=[6,4] --skip skymatch
    rdms mosaic new_cal.asdf --add l3/deep_coadd.asdf       one exposure more, the rest as it is

    Images are read once for all mosaics that they lie on, and their skies are matched
    together, so that neighbouring mosaics agree where they overlap. A mosaic names the images
    in it, each pixel that was rejected, and what was left out and why.
    """
    from rich.console import Console

    from roman_dms.cli.main import exit_code
    from roman_dms.errors import RdmsError
    from roman_dms.pipeline.memory import keep_freed_memory

    keep_freed_memory()
    choice = _Choice(names, centre, size, position_angle, pixel_scale, cells)
    console, code = Console(stderr=True, quiet=quiet), 0
    workers = threads or os.cpu_count() or 1
    if existing is not None:
        changes = _recipe_in(recipe_path), settings, skipped
        _add(files, associations, existing, output, choice, changes, console, workers)
        return 0
    recipe = _recipe(recipe_path, settings, skipped)
    for wanted in _wanted(files, associations, choice, output or Path(), release, resume):
        try:
            _make(wanted, recipe, console, workers)
        except RdmsError as error:
            if len(associations) < 2:
                raise
            click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            code = code or exit_code(error)
    return code


class _Choice:
    """Which pixels mosaics are to have."""

    def __init__(
        self, names: Sequence[str], centre: tuple[float, float] | None, size: int,
        position_angle: float, pixel_scale: float | None, table: Path | None,
    ) -> None:  # fmt: skip
        from roman_dms.errors import UsageError

        if names and centre:
            raise UsageError(
                "Both --cell and --centre were given.", "sky cells, or a field of your own"
            )
        self._names, self._centre, self._size = names, centre, size
        self._position_angle, self._table = position_angle, table
        self.pixel_scale = pixel_scale

    def cells(self) -> Sequence[SkyCell] | SkyCells:
        """The cells that were asked for; a tessellation stands for all that images touch."""
        from roman_dms.sky.tessellation import free_field

        if self._centre is not None:
            scale, angle = self.pixel_scale or 0.055, self._position_angle
            return [free_field(*self._centre, self._size, scale=scale, position_angle=angle)]
        every = self._tessellation()
        return [every.named(name) for name in self._names] if self._names else every

    def asked(self) -> Sequence[SkyCell]:
        """The cells that were asked for, none where nothing was said."""
        from roman_dms.errors import UsageError

        if not self._names and self._centre is None:
            if self.pixel_scale is not None:
                raise UsageError(
                    "--pixel-scale was given for a mosaic that is there.",
                    "the pixels that it has",
                    "leave it out, or make a mosaic anew",
                )
            return []
        cells = self.cells()
        assert isinstance(cells, Sequence)
        return [cell.rescaled(self.pixel_scale) for cell in cells] if self.pixel_scale else cells

    def _tessellation(self) -> SkyCells:
        from roman_dms.references.sky_cells import read_sky_cells
        from roman_dms.sky.tessellation import MISSION

        return read_sky_cells(self._table) if self._table else MISSION


def _recipe(path: Path | None, settings: tuple[str, ...], skipped: tuple[str, ...]) -> Recipe:
    from roman_dms.recipes import MOSAIC, load

    return load(path or MOSAIC).with_settings(settings).skipping(skipped)


def _recipe_in(path: Path | None) -> Recipe | None:
    from roman_dms.recipes import load

    return load(path) if path else None


def _wanted(
    files: tuple[str, ...], associations: tuple[Path, ...], choice: _Choice, output: Path,
    release: str, resume: bool,
) -> Iterator[Wanted]:  # fmt: skip
    """What is to be made of files or of each association."""
    from roman_dms.errors import UsageError
    from roman_dms.formats.associations import read_association
    from roman_dms.mosaics.steps.associations import cells_of
    from roman_dms.mosaics.steps.making import Wanted

    if bool(files) == bool(associations):
        raise UsageError(
            "No images were named, or files and associations both.",
            "L2 files, or associations",
            "'rdms mosaic --help' has examples",
        )
    if files:
        yield Wanted(
            files, choice.cells(), output, choice.pixel_scale, release=release, resume=resume
        )
    for path in associations:
        association = read_association(path)
        members = [str(path.parent / name) for name in association.members]
        cells = cells_of(association, choice.cells())
        yield Wanted(
            members, cells, output, choice.pixel_scale, association, association.release, resume
        )


def _make(wanted: Wanted, recipe: Recipe, console: Any, workers: int) -> None:
    from roman_dms.mosaics.steps.making import make_mosaics

    for made in make_mosaics(wanted, recipe, _watching(console), workers=workers):
        if not console.quiet:
            click.echo(_line(made))


def _add(
    files: tuple[str, ...], associations: tuple[Path, ...], existing: Path, output: Path | None,
    choice: _Choice, changes: tuple[Recipe | None, Sequence[str], Sequence[str]], console: Any,
    workers: int,
) -> None:  # fmt: skip
    """Add files, or the images of associations, to a mosaic."""
    from roman_dms.mosaics.steps.adding import Addition, add_images

    named = [
        str(image)
        for wanted in _wanted(files, associations, choice, Path(), "p", resume=False)
        for image in wanted.files
    ]
    addition = Addition(named, existing, output, choice.asked(), *changes)
    made = add_images(addition, _watching(console), workers=workers)
    if not console.quiet:
        click.echo(_line(made))


def _watching(console: Any) -> Watching:
    """Shows on a console how a run goes on, unless it is to be quiet."""
    from roman_dms.cli.progress import ProgressBar
    from roman_dms.pipeline.runner import Observer

    def watching(title: str, steps: int) -> AbstractContextManager[Observer]:
        shown = console.is_terminal and not console.quiet
        return ProgressBar(console, title, steps) if shown else nullcontext(Observer())

    return watching


def _line(made: Made) -> str:
    """What became of a mosaic."""
    if made.run is None:
        return f"{made.output} is already there"
    meta = made.run.product.meta
    images = meta["resample.pointings"]
    covered = meta["statistics.good_pixel_fraction"]
    return f"{made.output}  {images} images, {covered:.0%} covered, {made.seconds:.1f} s"
