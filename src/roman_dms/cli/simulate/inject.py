"""``rdms simulate inject``: sources of known light into a product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

RANGE = (float, float)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--scene", type=click.Path(path_type=Path, dir_okay=False),
              help="Catalogue of the sources; those elsewhere are left out.")  # fmt: skip
@click.option("--grid", type=int, metavar="N", help="About N sources on a hexagonal grid.")
@click.option("--random", "scattered", type=int, metavar="N", help="N sources at random places.")
@click.option("--magnitudes", type=RANGE, nargs=2, default=(20.0, 26.0), show_default=True,
              help="Brightest and faintest AB magnitude of a grid or random sources.")  # fmt: skip
@click.option("--galaxies", type=float, default=0.5, show_default=True,
              help="Share of them that are galaxies, 0 to 1.")  # fmt: skip
@click.option("--radii", type=RANGE, nargs=2, default=(0.05, 0.6), show_default=True,
              help="Smallest and largest half-light radius of the galaxies [arcsec].")  # fmt: skip
@click.option("--sersic", type=RANGE, nargs=2, default=(0.8, 4.5), show_default=True,
              help="Smallest and largest Sersic index of the galaxies.")  # fmt: skip
@click.option("--axis-ratios", type=RANGE, nargs=2, default=(0.2, 1.0), show_default=True,
              help="Smallest and largest axis ratio of the galaxies.")  # fmt: skip
@click.option("--margin", type=float, default=64.0, show_default=True,
              help="Distance from the edges that such sources keep [pixel].")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True,
              help="The same seed gives the same files.")  # fmt: skip
@click.option("--no-noise", "noise", flag_value=False, default=True,
              help="Add the light without its photon noise.")  # fmt: skip
@click.option("--exposure-time", type=float, metavar="SECONDS",
              help="Of a mosaic whose metadata do not tell it.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="The new file, or a folder for it; beside FILE by default.")  # fmt: skip
@click.option("--store", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of the reference data (RDMS_REFERENCES); L1 needs it.")  # fmt: skip
@click.option("--context", help="Context of the reference data.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads; all cores by default.")
def command(file: Path, output: Path | None, **options: Any) -> None:
    """Inject point sources and galaxies into an L1 exposure, an L2 image or an L3 mosaic.

    The added light has the photon noise that it would have had, and fluxes follow the
    calibration of the image.  The file itself stays as it is: the new one has 'inj' in
    its name, and the catalogue of what was injected lies beside it (_injected.parquet).

    \b
    rdms simulate inject r0001_cal.asdf --grid 200 --magnitudes 20 26 --galaxies 0.5
    rdms simulate inject r0001_uncal.asdf --scene scene.parquet --store references
    rdms simulate inject r0001_coadd.asdf --random 500 --seed 7 -o injected

    What a detection finds in it is told by 'rdms simulate match'.
    """
    import os

    from roman_dms.errors import UsageError
    from roman_dms.simulation.steps.injected_light import InjectionSettings
    from roman_dms.simulation.steps.injection import inject_file

    chosen = [name for name in ("scene", "grid", "scattered") if options[name] is not None]
    if len(chosen) != 1:
        raise UsageError(
            f"{len(chosen)} of --scene, --grid and --random were given.", "exactly one of them"
        )
    settings = InjectionSettings(
        seed=options["seed"],
        noise=options["noise"],
        references=_references(options["store"], options["context"]),
        exposure_time=options["exposure_time"],
        workers=options["threads"] or os.cpu_count() or 1,
    )
    target, catalogue, table = inject_file(file, _sources(options), output, settings)
    click.echo(f"{target}\n{catalogue}")
    click.echo(f"{len(table)} sources were injected.", err=True)


def _references(store: Path | None, context: str | None) -> Any:
    """Reference data, where they were asked for or the environment names them."""
    import os

    named = {"RDMS_REFERENCES", "CRDS_PATH"} & os.environ.keys()
    if store is None and context is None and not named:
        return None
    from roman_dms.references.overlay import open_context
    from roman_dms.references.selected import SelectedReferences
    from roman_dms.references.store import ReferenceStore

    return SelectedReferences(open_context(ReferenceStore(store), context))


def _sources(options: dict[str, Any]) -> Any:
    """The scene, or how the sources are laid out."""
    from roman_dms.simulation.layout import Ranges
    from roman_dms.simulation.steps.injection_layout import Layout
    from roman_dms.simulation.steps.scene_files import read_scene

    if options["scene"] is not None:
        return read_scene(options["scene"])
    ranges = Ranges(
        magnitude=options["magnitudes"],
        galaxies=options["galaxies"],
        sersic=options["sersic"],
        radius=options["radii"],
        axis_ratio=options["axis_ratios"],
    )
    return Layout(
        number=options["grid"] if options["grid"] is not None else options["scattered"],
        grid=options["grid"] is not None,
        ranges=ranges,
        margin=options["margin"],
        seed=options["seed"],
    )
