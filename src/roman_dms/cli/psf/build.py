"""``rdms psf build``: effective PSFs from the optical model, or from stars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roman_dms.cli.psf.choices import LIBRARY, PREVIEW, STATE, named_numbers

if TYPE_CHECKING:
    from roman_dms.psf.steps.making import Made


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="DETECTOR... ELEMENT... | IMAGE...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help="Where to write the files; the current folder unless they go to the library.",
)  # fmt: skip
@click.option("--add", is_flag=True, help="Add the PSFs to the library.")
@LIBRARY
@click.option("--nodes", type=click.IntRange(1, 41), help="Places along columns and along rows.")
@click.option(
    "--jitter", type=float,
    help="Pointing jitter, standard deviation an axis [arcsec]: of the model, by default "
    "0.014; of images, what is known of it.",
)  # fmt: skip
@click.option(
    "--defocus", default=0.0, show_default=True,
    help="Noll's Z4 added to the wavefront of the model, RMS [micron].",
)  # fmt: skip
@click.option(
    "--stars", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Table of the stars in the images, with columns ra and dec [deg] and, if known, "
    "wavelength [micron]; by default all bright sources as narrow as a star.",
)  # fmt: skip
@click.option("--valid-from", help="Begin of the time for which they hold, ISO.")
@click.option("--valid-until", help="End of that time, ISO.")
@STATE
@click.option("--description", default="", help="What they are, for people.")
@PREVIEW
def command(
    what: tuple[str, ...],
    output: Path | None,
    add: bool,
    library: Path | None,
    states: tuple[str, ...],
    preview: Path | None,
    **options: Any,
) -> None:
    """Build effective PSFs and write them as reference files (RAD epsf).

    From names of detectors (WFI01 to WFI18) and filters: the optical model. From L2
    images of one detector and filter, best 4 to 8 that are dithered by parts of a
    pixel: the PSFs of their stars, with their errors, in the mean light of the stars;
    how they change in other light is the optical model's.

    \b
    rdms psf build WFI01 WFI02 F106 F158 -o psf
    rdms psf build WFI01 F158 --defocus 0.02 --add --state focus=0.02
    rdms psf build r0000101*_wfi01_f158_cal.asdf --add --preview psf.png

    With --add they go to the library, where nothing is ever overwritten: each is a
    new version. The files can be given to 'rdms references submit', too.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

    from roman_dms.psf.library import PsfLibrary
    from roman_dms.psf.steps.making import plan

    known = {
        "engineering": named_numbers(states, "--state"),
        "description": options.pop("description"),
    }
    for name in ("valid_from", "valid_until"):
        if value := options.pop(name):
            known[name] = value
    jobs = plan(what, **options)
    folder = output if output or add else Path()
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:3], TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(jobs))
        for job in jobs:
            bar.update(task, description=job.name)
            made = job.make()
            _keep(made, known, folder, PsfLibrary(library) if add else None, bar.console)
            bar.advance(task)
    if preview:
        from roman_dms.psf.steps.pictures import draw_grid

        draw_grid(made.model.grid, preview)
        click.echo(f"wrote {preview}", err=True)


def _keep(
    made: Made, known: dict[str, Any], folder: Path | None, library: Any, console: Any
) -> None:
    """Write PSFs to a folder, or to the library, or both."""
    from roman_dms.psf.steps.library import add_model, entry_for
    from roman_dms.psf.steps.making import write_made

    known = {**made.known, **known, "engineering": {**made.engineering, **known["engineering"]}}
    entry = entry_for(made.model, made.kind, **known)
    if folder is not None:
        path = write_made(made.model, entry, folder)
        console.print(f"wrote {path}", highlight=False)
    if library is not None:
        added = add_model(library, made.model, made.kind, **known)
        console.print(
            f"{library.path}: entry {added.number}, {added.detector} in {added.element},"
            f" {added.kind}, version {added.version}",
            highlight=False,
        )
