"""``rdms simulate``: what the telescope has not yet seen, with the truth beside it."""

from __future__ import annotations

import click

from roman_dms.cli.lazy import LazyGroup

COMMANDS = {
    "gaia": "The catalogue that Gaia would have of a scene.",
    "image": "Idealised rate images (L2) of a scene.",
    "inject": "Inject sources into a product, with a catalogue of them.",
    "match": "Match injected sources with those that were found.",
    "mosaic": "Idealised mosaics (L3) of a scene on sky cells.",
    "plan": "Write a pointing plan with dithers.",
    "raw": "Raw exposures (L1) of a scene, with the signatures of the instrument.",
    "scene": "Catalogues of stars and galaxies, drawn from what is known of the sky.",
    "visit": "All exposures of a pointing plan.",
}
"""The commands, each a module of this package, and what they are for."""


@click.command(cls=LazyGroup, package="roman_dms.cli.simulate", commands=COMMANDS)
def command() -> None:
    """Simulate scenes, exposures, mosaics and visits.

    \b
    rdms simulate scene --ra 270 --dec 66 -o scene.parquet
    rdms simulate plan --ra 270 --dec 66 --dithers 3 -o plan.sim.ecsv
    rdms simulate visit plan.sim.ecsv --scene scene.parquet -o l1
    """
