"""``rdms hips``: mosaics to a HiPS, to look at a survey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from roman_dms.mosaics.steps.hips.making import Watch


@click.command()
@click.argument("files", nargs=-1, metavar="[L3FILE]...")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True,
              help="Folder of the HiPS; a new one, or one of ours.")  # fmt: skip
@click.option("--add", is_flag=True, help="Put mosaics into a HiPS that is there.")
@click.option("--overwrite", is_flag=True, help="Begin a HiPS that is there again.")
@click.option("--order", type=int,
              help="Deepest order, 3 to 20: 13 has pixels of 0.050 arcsec, 12 of 0.10. By default "
              "the first that is no coarser than the mosaics.")  # fmt: skip
@click.option("--red", multiple=True, metavar="PATTERN",
              help="Mosaics of the red channel, quoted: 'l3/*_f184_coadd.asdf'.")  # fmt: skip
@click.option("--green", multiple=True, metavar="PATTERN", help="Those of the green one.")
@click.option("--blue", multiple=True, metavar="PATTERN", help="Those of the blue one.")
@click.option("--balance", nargs=3, type=float, default=(1.0, 1.0, 1.0), metavar="R G B",
              help="Factors on the three, whose bright sources are white.")  # fmt: skip
@click.option("--format", "formats", multiple=True, type=click.Choice(["png", "jpg", "none"]),
              default=["png"], show_default=True,
              help="Pictures beside FITS tiles; png is transparent where nothing is.")  # fmt: skip
@click.option(
    "--cuts",
    nargs=2,
    type=float,
    metavar="BLACK WHITE",
    help="Surface brightness of black and white [MJy/sr]; by default from the data.",
)
@click.option("--any", "any_element", is_flag=True, help="Mix filters in one band.")
@click.option("--title", default="", help="Title in the viewer; by default the filter.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads; by default all cores.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    files: tuple[str, ...], output: Path, add: bool, overwrite: bool, order: int | None,
    red: tuple[str, ...], green: tuple[str, ...], blue: tuple[str, ...],
    balance: tuple[float, float, float], formats: tuple[Literal["png", "jpg", "none"], ...],
    cuts: tuple[float, float] | None, any_element: bool, title: str, threads: int | None,
    quiet: bool,
) -> None:  # fmt: skip
    """Make a HiPS of mosaics (L3): the sky in tiles, for Aladin and other viewers.

    \b
    rdms hips l3/*_f158_coadd.asdf -o hips/f158             a band: FITS and PNG tiles
    rdms hips l3/*_f158_coadd.asdf -o quick --order 9       coarse and fast
    rdms hips new/*_f158_coadd.asdf -o hips/f158 --add      more mosaics: only their tiles
    rdms hips -o hips/colour --red 'l3/*_f184_*.asdf' --green 'l3/*_f158_*.asdf' \\
        --blue 'l3/*_f106_*.asdf'                           in colour

    Where mosaics overlap they are averaged by their weights. The same command goes on where a
    run was killed. To look at it serve the folder as it is (python -m http.server --directory
    hips/f158) and open http://localhost:8000, or give that address to Aladin. Mosaics have to
    stay where they are for as long as neighbours are added.
    """
    from roman_dms.errors import UsageError
    from roman_dms.mosaics.steps.hips import Colours, Request, make_colour_hips, make_hips

    colours = (red, green, blue)
    if files and any(colours):
        raise UsageError("Both mosaics and colours were named.", "one band, or three colours")
    request = Request(
        order, add, overwrite, any_element,
        tuple(suffix for suffix in formats if suffix != "none"), cuts, title, threads or 0,
    )  # fmt: skip
    with _progress(quiet) as watch:
        if any(colours):
            done = make_colour_hips(
                Colours(_matching(red), _matching(green), _matching(blue), balance),
                output,
                request,
                watch,
            )
        else:
            done = make_hips(files, output, request, watch)
    if not quiet:
        part = float(done["moc_sky_fraction"]) * 41252.96
        click.echo(f"{output}  order {done['hips_order']}, {part:.4g} square degrees in tiles")


def _matching(patterns: tuple[str, ...]) -> list[str]:
    """Files that match any of the patterns, in order."""
    from roman_dms.errors import FileError

    found: set[str] = set()
    for pattern in patterns:
        whole = Path(pattern).absolute()
        some = [str(path) for path in Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))]
        if not some:
            raise FileError(f"No file matches {pattern!r}.", "the names of mosaics")
        found.update(some)
    return sorted(found)


@contextmanager
def _progress(quiet: bool) -> Iterator[Watch]:
    """A bar for each stage, on a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    bars: dict[str, Callable[[int], None]] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as it:

        def watch(what: str, done: int, count: int) -> None:
            if what not in bars:
                task = it.add_task(what, total=count)
                bars[what] = lambda n: it.update(task, completed=n)
            bars[what](done)

        yield watch
