"""``rdms skycells table``: a table of cells, as the mission's reference file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from roman_dms.cli.skycells.choices import area_options, tessellation_options


@click.command()
@area_options
@click.option("--whole-sky", is_flag=True, help="All regions: 8 million cells, 1.4 GB.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The table, an ASDF file.",
)
@tessellation_options
def command(files: tuple[Path, ...], whole_sky: bool, output: Path, **options: Any) -> None:
    """Write all cells of the projection regions of an area, as RAD's skycells.

    The mission's software reads such a file in place of its own table, and so does every
    command here with --table.

    \b
    rdms skycells table --around 269.64 65.995 0.1 -o skycells.asdf
    rdms skycells table *_cal.asdf --size 2500 --border 50 --scale 0.11 -o coarse.asdf
    """
    from roman_dms.cli.skycells.choices import chosen, footprints, tessellation
    from roman_dms.references.sky_cells import write_sky_cells

    cells = tessellation(options)
    regions = list(range(cells.regions.ra.size))
    if not whole_sky:
        found = chosen(cells, footprints(files), options)
        planes = {(cell.plane.ra, cell.plane.dec) for cell in found}
        tangents = zip(cells.regions.ra.tolist(), cells.regions.dec.tolist(), strict=True)
        regions = [number for number, tangent in enumerate(tangents) if tangent in planes]
    count = write_sky_cells(cells, regions, output)
    click.echo(f"{output}: {len(regions)} regions, {count} cells")
