"""``rdms skycells list``: the cells that images or an area touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from roman_dms.cli.skycells.choices import JSON, area_options, tessellation_options


@click.command()
@area_options
@tessellation_options
@JSON
def command(files: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """List the cells that images or an area touch, borders included.

    FILE is an L2 image or a mosaic; its place is read from its metadata. Printed are
    name, right ascension and declination of the middle, and how many files touch.

    \b
    rdms skycells list *_cal.asdf
    rdms skycells list --around 269.64 65.995 0.1
    rdms skycells list --name 270p65x69y48 --json
    """
    from roman_dms.cli.skycells.choices import chosen, footprints, summary, tessellation

    found = chosen(tessellation(options), footprints(files), options)
    if as_json:
        import json

        rows = [summary(cell) | {"files": touching} for cell, touching in found.items()]
        click.echo(json.dumps(rows, indent=1))
        return
    for cell, touching in found.items():
        ra, dec = cell.centre
        count = f"  {len(touching)}" if files else ""
        click.echo(f"{cell.name}  {ra:10.6f} {dec:+10.6f}{count}")
