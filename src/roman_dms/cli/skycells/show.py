"""``rdms skycells show``: one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from roman_dms.cli.skycells.choices import JSON, tessellation_options

if TYPE_CHECKING:
    from roman_dms.sky.tessellation import SkyCell, SkyCells


@click.command()
@click.argument("name")
@tessellation_options
@JSON
def command(name: str, as_json: bool, **options: Any) -> None:
    """Show one cell: its middle, corners, WCS and neighbours.

    The WCS is that of a FITS image of the cell. The corners are the outer ones of its
    corner pixels; the grid is the one that all cells of the region share.

    \b
    rdms skycells show 270p65x69y48
    rdms skycells show 270p65x69y48 --json
    """
    from roman_dms.cli.skycells.choices import tessellation

    cells = tessellation(options)
    facts = _facts(cells, cells.named(name))
    if as_json:
        import json

        click.echo(json.dumps(facts, indent=1))
        return
    for key, value in facts.items():
        if key == "wcs":
            click.echo("wcs")
            for keyword, setting in value.items():
                click.echo(f"  {keyword:8} = {setting}")
        elif key == "corners":
            click.echo("corners  " + "  ".join(f"{ra:.6f} {dec:+.6f}" for ra, dec in value))
        else:
            text = " ".join(str(one) for one in value) if isinstance(value, list) else value
            click.echo(f"{key}  {text}")


def _facts(cells: SkyCells, cell: SkyCell) -> dict[str, Any]:
    ra, dec = cell.centre
    return {
        "name": cell.name,
        "centre": [ra, dec],
        "corners": cell.corners.tolist(),
        "shape": list(cell.shape),
        "region": [cell.plane.ra, cell.plane.dec],
        "grid_origin": list(cell.grid_origin),
        "neighbours": [other.name for other in cells.neighbours(cell)],
        "wcs": dict(cell.plane.header()),
    }
