"""``rdms skycells plot``: a picture of cells and images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from roman_dms.cli.skycells.choices import area_options, tessellation_options


@click.command()
@area_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("skycells.png"),
    show_default=True,
    help="The picture.",
)
@tessellation_options
def command(files: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Draw the cells that images or an area touch, and the images, as a PNG.

    North is up and east to the left. Cells of one projection region have one colour, so
    that the seam between regions is seen; images are red.

    \b
    rdms skycells plot *_cal.asdf -o visit.png
    rdms skycells plot --around 0 88.2 0.5
    """
    from roman_dms.cli.skycells.choices import chosen, footprints, tessellation
    from roman_dms.formats.sky_map import draw_sky_cells

    images = footprints(files)
    found = chosen(tessellation(options), images, options)
    draw_sky_cells(list(found), output, footprints=list(images.values()))
    click.echo(str(output))
