"""``rdms recipe``: the steps of a recipe, to be read and copied."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--describe", is_flag=True, help="Describe every step and parameter.")
def command(path: Path | None, describe: bool) -> None:
    """Print the default recipe from L1 to L2, or check and describe one of yours.

    \b
    rdms recipe > mine.toml      a copy to edit
    rdms recipe mine.toml        is it right?
    rdms recipe --describe       what every parameter means
    """
    from roman_dms.recipes import EXPOSURE, load

    if path is None and not describe:
        click.echo(EXPOSURE.read_text(), nl=False)
        return
    recipe = load(path)
    if not describe:
        click.echo(f"{path} is right: {', '.join(recipe.names)}")
        return
    click.echo(recipe.description)
    for entry in recipe.steps:
        click.secho(f"\n{entry.name}", bold=True, nl=False)
        click.echo(f"  ({entry.step.takes.__name__} to {entry.step.gives.__name__})")
        click.echo(f"  {entry.step.summary}")
        for name, field in entry.step.parameters.model_fields.items():
            value = getattr(entry.parameters, name)
            click.echo(f"    {name} = {value}  {field.description}")
