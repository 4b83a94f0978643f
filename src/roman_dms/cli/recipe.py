"""``rdms recipe``: the steps of a recipe, to be read and copied."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name", required=False, default="exposure", metavar="[NAME|FILE]")
@click.option("--describe", is_flag=True, help="Describe every step and parameter.")
def command(name: str, describe: bool) -> None:
    """Print a recipe of the system, or check and describe one of yours.

    The system has two: exposure (L1 to L2) and mosaic (L2 to L3).

    \b
    rdms recipe > mine.toml      a copy to edit
    rdms recipe mosaic           the way to mosaics
    rdms recipe mine.toml        is it right?
    rdms recipe --describe       what every parameter means
    """
    from roman_dms.recipes import RECIPES, load

    if name in RECIPES and not describe:
        click.echo(RECIPES[name].read_text(), nl=False)
        return
    recipe = load(RECIPES.get(name, Path(name)))
    if not describe:
        click.echo(f"{name} is right: {', '.join(recipe.names)}")
        return
    click.echo(recipe.description)
    for entry in recipe.steps:
        click.secho(f"\n{entry.name}", bold=True, nl=False)
        click.echo(f"  ({entry.step.takes.__name__} to {entry.step.gives.__name__})")
        click.echo(f"  {entry.step.summary}")
        for key, field in entry.step.parameters.model_fields.items():
            value = getattr(entry.parameters, key)
            click.echo(f"    {key} = {value}  {field.description}")
