"""What the commands on sky cells share: which tessellation, which of its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from roman_dms.sky.tessellation import SkyCell, SkyCells

Command = Callable[..., None]

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")

FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")


def tessellation_options(command: Command) -> Command:
    """Add the options that choose a tessellation."""
    for option in (
        click.option("--context", help="Take the table of cells of this context."),
        click.option(
            "--store",
            type=click.Path(path_type=Path, file_okay=False),
            help="Take the table of cells of this store of reference data.",
        ),
        click.option(
            "--table",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Take the cells of this table, in RAD's format; by default the closed form.",
        ),
        click.option(
            "--scale", type=float, default=0.055, show_default=True, help="Pixels [arcsec]."
        ),
        click.option(
            "--border",
            type=int,
            default=100,
            show_default=True,
            help="Pixels that a cell shares with its neighbours, each side.",
        ),
        click.option(
            "--size", type=int, default=5000, show_default=True, help="Rows and columns of a cell."
        ),
    ):
        command = option(command)
    return command


def area_options(command: Command) -> Command:
    """Add the options that choose cells."""
    for option in (
        click.option(
            "--around",
            nargs=3,
            type=float,
            metavar="RA DEC RADIUS",
            help="Cells that touch a circle [deg].",
        ),
        click.option("--name", "names", multiple=True, help="A cell by its name; repeatable."),
    ):
        command = option(command)
    return FILES(command)


def tessellation(options: dict[str, Any]) -> SkyCells:
    """The tessellation that the options choose."""
    from roman_dms.errors import UsageError
    from roman_dms.sky.tessellation import Tessellation

    own = Tessellation(size=options["size"], border=options["border"], scale=options["scale"])
    tabled = [key for key in ("table", "context", "store") if options[key] is not None]
    if not tabled:
        return own
    if own != Tessellation() or (options["table"] is not None and len(tabled) > 1):
        raise UsageError(
            "The tessellation was chosen twice.",
            "--size, --border and --scale, or --table, or --context and --store",
        )
    from roman_dms.references.sky_cells import read_sky_cells, sky_cells_of

    if options["table"] is not None:
        return read_sky_cells(options["table"])
    from roman_dms.references.overlay import open_context
    from roman_dms.references.store import ReferenceStore

    return sky_cells_of(open_context(ReferenceStore(options["store"]), options["context"]))


def footprints(files: Sequence[Path]) -> dict[str, Any]:
    """Corners of images, by file."""
    from roman_dms.references.sky_cells import footprint_of

    return {str(file): footprint_of(file) for file in files}


def chosen(
    cells: SkyCells, images: dict[str, Any], options: dict[str, Any]
) -> dict[SkyCell, list[str]]:
    """The cells that files, names and a circle choose, and the files that touch each."""
    from roman_dms.errors import UsageError

    if not (images or options["names"] or options["around"]):
        raise UsageError("No cells were asked for.", "files, --name NAME or --around RA DEC RADIUS")
    found: dict[SkyCell, list[str]] = {cells.named(name): [] for name in options["names"]}
    if options["around"]:
        found |= {cell: [] for cell in cells.touching_circle(*options["around"])}
    for file, corners in images.items():
        for cell in cells.touching_footprint(corners):
            found.setdefault(cell, []).append(file)
    return found


def summary(cell: SkyCell) -> dict[str, Any]:
    """A cell in a few words."""
    ra, dec = cell.centre
    return {"name": cell.name, "ra": ra, "dec": dec}
