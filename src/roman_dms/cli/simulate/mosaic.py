"""``rdms simulate mosaic``: idealised mosaics (L3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from roman_dms.sky.tessellation import SkyCell


@click.command()
@click.argument("scene", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The mosaic; by default a name of the mission's kind, in this folder.",
)
@click.option("--cell", metavar="NAME", help="Sky cell, as 270p65x50y50.")
@click.option(
    "--ra",
    type=float,
    help="Right ascension instead: the cell there, or with --size the middle of the mosaic [deg].",
)
@click.option("--dec", type=float, help="Declination of the same [deg].")
@click.option(
    "--size",
    type=int,
    help="Rows and columns of a free field [pixel]; without it the whole sky cell.",
)
@click.option(
    "--scale",
    type=float,
    default=0.055,
    show_default=True,
    help="Side of a pixel of a free field [arcsec].",
)
@click.option("--filter", "element", default="F158", show_default=True, help="F062 to F213.")
@click.option(
    "--exposure-time", type=float, default=139.0, show_default=True, help="Of one exposure [s]."
)
@click.option(
    "--exposures", type=int, default=6, show_default=True, help="How many contribute to each pixel."
)
@click.option(
    "--start",
    default="2027-06-01T00:00:00",
    show_default=True,
    help="Start of the first exposure, UTC.",
)
@click.option(
    "--pa",
    type=float,
    default=0.0,
    show_default=True,
    help="Position angle of the focal plane: turns the PSF [deg].",
)
@click.option(
    "--detector",
    default="WFI01",
    show_default=True,
    help="Whose throughput, PSF and noise stand for all.",
)
@click.option(
    "--background",
    type=float,
    help="Sky in a detector pixel [electron/s]; by default that of place and date.",
)
@click.option(
    "--keep-background",
    is_flag=True,
    help="Leave the sky in the image; by default only its noise stays.",
)
@click.option("--noiseless", is_flag=True, help="Draw no noise; errors are kept.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed gives the same file."
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take sky cells from this store of reference data.",
)
@click.option("--context", help="Take sky cells from this context; by default the closed form.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads; all cores by default.")
def command(scene: Path, output: Path | None, **options: Any) -> None:
    """Simulate an idealised mosaic (L3) of a scene on a sky cell or a free field.

    The exposures are combined without fault; noise, errors, weights and context are
    those of their number and time. Beside the mosaic its sources are written as
    they were drawn (_truth.parquet).

    \b
    rdms simulate mosaic scene.parquet --cell 270p65x50y50 --filter F129
    rdms simulate mosaic scene.parquet --ra 270 --dec 66 --size 1000 --exposures 12 -o m.asdf
    """
    import os

    from rich.console import Console

    from roman_dms.pipeline.memory import keep_freed_memory
    from roman_dms.simulation.steps.mosaic import write_mosaic
    from roman_dms.simulation.steps.scene_files import read_scene

    keep_freed_memory()
    cell, request = _cell(options), _request(options)
    with Console(stderr=True).status("simulating the mosaic"):
        workers = options["threads"] or os.cpu_count() or 1
        paths = write_mosaic(read_scene(scene), cell, request, output, workers=workers)
    for path in paths:
        click.echo(str(path))


def _cell(options: dict[str, Any]) -> SkyCell:
    from roman_dms.errors import UsageError
    from roman_dms.sky.tessellation import MISSION, free_field

    name, ra, dec, size = (options[key] for key in ("cell", "ra", "dec", "size"))
    if (name is None) == (ra is None) or (ra is None) != (dec is None):
        raise UsageError(
            "Where the mosaic is was not said, or twice.", "--cell NAME, or --ra and --dec"
        )
    if size is not None:
        if name is not None:
            raise UsageError("A sky cell has its own size.", "--size with --ra and --dec alone")
        return free_field(ra, dec, size, scale=options["scale"])
    if options["context"] is None and options["store"] is None:
        return MISSION.named(name) if name is not None else MISSION.at(ra, dec)
    from roman_dms.references.overlay import open_context
    from roman_dms.references.sky_cells import sky_cells_of
    from roman_dms.references.store import ReferenceStore

    selection = open_context(ReferenceStore(options["store"]), options["context"])
    cells = sky_cells_of(selection)
    return cells.named(name) if name is not None else cells.at(ra, dec)


def _request(options: dict[str, Any]) -> Any:
    from astropy.time import Time

    from roman_dms.errors import UsageError
    from roman_dms.simulation.steps.mosaic import MosaicRequest

    try:
        start = float(Time(options["start"], scale="utc").mjd)
    except ValueError:
        raise UsageError(
            f"The start is {options['start']!r}.", "a date and time, as 2027-06-01T00:00:00"
        ) from None
    return MosaicRequest(
        element=options["element"].upper(),
        detector=options["detector"].upper(),
        start=start,
        position_angle=options["pa"],
        noise=not options["noiseless"],
        **{
            name: options[name]
            for name in ("exposure_time", "exposures", "background", "keep_background", "seed")
        },
    )
