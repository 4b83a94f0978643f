"""``rdms skycells``: the cells that mosaics are made on."""

from __future__ import annotations

import click

from roman_dms.cli.lazy import LazyGroup

COMMANDS = {
    "at": "The cell of a position.",
    "list": "The cells that images or an area touch.",
    "plot": "Draw cells and images as a PNG.",
    "show": "One cell: its middle, corners, WCS and neighbours.",
    "table": "Write a table of cells, as the mission's reference file.",
}
"""The commands, each a module of this package, and what they are for."""


@click.command(cls=LazyGroup, package="roman_dms.cli.skycells", commands=COMMANDS)
def command() -> None:
    """The tessellation of the sky: find, list and draw its cells.

    The sky is cut into 4058 projection regions, each a tangent plane with a grid of
    pixels of 0.055 arcsec. A cell is a square of 5000 pixels on that grid; its outer 100
    pixels are shared with its neighbours. Its name is the right ascension and
    declination of the region, then the row and the column of the cell, 50 at the tangent
    point: 270p65x69y48. All of it is arithmetic: no file is needed.

    \b
    rdms skycells at 269.64 65.995              270p65x69y48
    rdms skycells list *_cal.asdf               which cells my images touch
    rdms skycells plot *_cal.asdf -o cells.png  and a picture of it
    rdms skycells show 270p65x69y48 --json
    """
