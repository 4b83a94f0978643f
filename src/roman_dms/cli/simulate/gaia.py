"""``rdms simulate gaia``: the reference stars of a scene."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("scene", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--output", default="gaia.parquet", show_default=True,
              type=click.Path(path_type=Path, dir_okay=False),
              help="File to write: .parquet, .ecsv or .fits.")  # fmt: skip
@click.option("--limit", default=21.0, show_default=True,
              help="Magnitude G to which the catalogue is half complete.")  # fmt: skip
@click.option("--doubtful", type=click.FloatRange(0, 1), default=0.05, show_default=True,
              help="Share of stars that move as binaries do (RUWE above 1.4).")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="The same seed draws the same catalogue.")  # fmt: skip
def command(scene: Path, output: Path, limit: float, doubtful: float, seed: int) -> None:
    """Draw the catalogue that Gaia would have of a SCENE, with Gaia's errors.

    Its stars are where the scene puts them at 2016.0, but for noise as of Gaia
    DR3: what 'rdms align' needs for simulated exposures.

    \b
    rdms simulate scene --ra 270 --dec 66 --radius 0.45 -o scene.parquet
    rdms simulate gaia scene.parquet -o gaia.parquet
    rdms align l2/*_cal.asdf --gaia gaia.parquet
    """
    from roman_dms.formats.tables import write_table
    from roman_dms.simulation.scenes.gaia_like import GaiaLike, gaia_like
    from roman_dms.simulation.steps.scene_files import read_scene

    like = GaiaLike(limit=limit, doubtful=doubtful)
    stars = gaia_like(read_scene(scene), like, seed=seed)
    write_table(stars, output)
    click.echo(f"{len(stars):,} stars; wrote {output}")
