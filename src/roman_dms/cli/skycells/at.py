"""``rdms skycells at``: the cell of a position."""

from __future__ import annotations

from typing import Any

import click

from roman_dms.cli.skycells.choices import JSON, tessellation_options


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("ra", type=float)
@click.argument("dec", type=float)
@tessellation_options
@JSON
def command(ra: float, dec: float, as_json: bool, **options: Any) -> None:
    """Tell the cell whose core holds a position, ICRS in degrees.

    Every position has one such cell. The others whose borders hold it too are in the
    JSON, as is the pixel in each, counted from 0.

    \b
    rdms skycells at 269.64 65.995
    rdms skycells at 10.0 -43.9 --json
    """
    from roman_dms.cli.skycells.choices import summary, tessellation

    cells = tessellation(options)
    cell = cells.at(ra, dec)
    if not as_json:
        click.echo(cell.name)
        return
    import json

    held = []
    for other in [cell, *cells.neighbours(cell)]:
        x, y = (float(axis) for axis in other.plane.pixels(ra, dec))
        if -0.5 <= x < other.shape[1] - 0.5 and -0.5 <= y < other.shape[0] - 0.5:
            held.append(summary(other) | {"x": x, "y": y, "primary": other == cell})
    click.echo(json.dumps(held, indent=1))
