"""``rdms simulate scene``: a catalogue of stars and galaxies."""

from __future__ import annotations

from typing import Any

import click

FILTERS = "F062,F087,F106,F129,F146,F158,F184,F213"


@click.command(name="scene")
@click.option("--ra", default=270.0, show_default=True, help="Centre, right ascension [deg].")
@click.option("--dec", default=66.0, show_default=True, help="Centre, declination [deg].")
@click.option("--radius", type=float, help="Radius of a circle [deg]; 0.1 if nothing is said.")
@click.option("--size", type=float, help="Side of a square [deg], instead of a radius.")
@click.option("--galaxies/--no-galaxies", default=True, show_default=True, help="Draw galaxies.")
@click.option("--limit", default=27.0, show_default=True, help="Faintest magnitude, AB in F158.")
@click.option("--clustered/--uniform", default=True, show_default=True,
              help="Cluster the galaxies, or place them independently.")  # fmt: skip
@click.option("--stars", type=click.Choice(["high-latitude", "bulge", "none"]),
              default="high-latitude", show_default=True,
              help="Stars of the field, or of the Galactic bulge.")  # fmt: skip
@click.option("--star-count", type=click.IntRange(min=0),
              help="Number of stars of the bulge; otherwise by their density.")  # fmt: skip
@click.option("--variables", type=click.IntRange(min=0), default=0, help="Stars that vary.")
@click.option("--supernovae", type=click.IntRange(min=0), default=0,
              help="Supernovae of Type Ia, in galaxies of the scene.")  # fmt: skip
@click.option("--microlensing", type=click.IntRange(min=0), default=0,
              help="Stars behind which a lens passes.")  # fmt: skip
@click.option("--moving", type=click.IntRange(min=0), default=0, help="Moving objects.")
@click.option("--filters", multiple=True, default=(FILTERS,), show_default=True,
              help="Filters whose fluxes are written; may be repeated.")  # fmt: skip
@click.option("--epoch", default="2027-06-01", show_default=True,
              help="UTC date of the positions and of the light curves' extremes.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="The same seed draws the same scene.")  # fmt: skip
@click.option("--preview", type=click.Path(dir_okay=False),
              help="Also draw places, counts and sizes as this PNG.")  # fmt: skip
@click.option("-o", "--output", default="scene.parquet", show_default=True,
              type=click.Path(dir_okay=False),
              help="File to write: .parquet, .ecsv or .fits.")  # fmt: skip
def command(output: str, preview: str | None, **options: Any) -> None:
    """Draw a scene: a catalogue of stars and galaxies, as they are on the sky.

    Galaxies come from COSMOS2020, stars from Gaia and a model of the Galaxy.
    By default the scene is as large as one detector; one around the centre of the
    focal plane with a radius of 0.45 deg reaches all 18.

    \b
    rdms simulate scene --ra 270 --dec 66 -o scene.parquet
    rdms simulate scene --ra 10 --dec -44 --radius 0.45 --supernovae 50 -o wide.parquet
    rdms simulate scene --ra 268.5 --dec -29.2 --stars bulge --no-galaxies -o bulge.parquet
    """
    from roman_dms.simulation.steps.scene_files import write_preview, write_scene

    scene = _draw(**options)
    write_scene(scene, output)
    for line in _summary(scene):
        click.echo(line)
    click.echo(f"Wrote {output}")
    if preview:
        write_preview(scene, preview)
        click.echo(f"Wrote {preview}")


def _draw(*, ra: float, dec: float, radius: float | None, size: float | None, galaxies: bool,
          limit: float, clustered: bool, stars: Any, star_count: int | None, variables: int,
          supernovae: int, microlensing: int, moving: int, filters: tuple[str, ...], epoch: str,
          seed: int) -> Any:  # fmt: skip
    """The scene that the options ask for."""
    from roman_dms.errors import UsageError
    from roman_dms.simulation.scenes.field import Population, draw_scene
    from roman_dms.simulation.scenes.region import Region

    if radius is not None and size is not None:
        raise UsageError("Both a radius and a size were asked for.", "--radius or --size")
    extent = size / 2 if size is not None else 0.1 if radius is None else radius
    population = Population(
        galaxies=galaxies, limit=limit, clustered=clustered, stars=stars, star_count=star_count,
        variables=variables, supernovae=supernovae, microlensing=microlensing, moving=moving,
    )  # fmt: skip
    names = [name.strip() for name in ",".join(filters).split(",") if name.strip()]
    region = Region(ra, dec, extent, square=size is not None)
    return draw_scene(region, population, filters=names, mjd=_mjd(epoch), seed=seed)


def _mjd(epoch: str) -> float:
    from astropy.time import Time

    from roman_dms.errors import UsageError

    try:
        return float(Time(epoch, scale="utc").mjd)
    except ValueError as error:
        raise UsageError(
            f"The epoch {epoch!r} is no date.", "a date such as 2027-06-01 or 2027-06-01T12:00:00"
        ) from error


def _summary(scene: Any) -> list[str]:
    """What the scene holds, in a few lines."""
    import numpy as np

    from roman_dms.simulation.scenes.picture import ab_magnitudes, reference_band

    if not len(scene):
        return ["The scene is empty."]
    name = reference_band(scene)
    magnitudes = ab_magnitudes(scene, name)
    kinds = scene["type"]
    galaxies = int(np.sum(kinds == "SER"))
    lines = [
        f"{len(scene):,} sources: {galaxies:,} galaxies, {kinds.size - galaxies:,} point sources",
        f"{name} from {magnitudes.min():.2f} to {magnitudes.max():.2f} (AB)",
    ]
    curves, numbers = np.unique(scene["variability"], return_counts=True)
    changing = [f"{n:,} {kind}" for kind, n in zip(curves, numbers, strict=True) if kind]
    moving = int(np.sum((scene["motion_ra"] != 0) | (scene["motion_dec"] != 0)))
    changing += [f"{moving:,} moving"] if moving else []
    return lines + ([f"Changing: {', '.join(changing)}"] if changing else [])
