"""``rdms simulate plan``: a pointing plan with dithers, rolls, filters and epochs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roman_dms.cli.simulate.choices import detectors_named

if TYPE_CHECKING:
    from rich.table import Table

    from roman_dms.planning.dithers import Offset
    from roman_dms.planning.exposure import PlannedExposure


@click.command()
@click.option("--ra", type=float, required=True,
              help="Right ascension of the centre of the focal plane [deg].")  # fmt: skip
@click.option("--dec", type=float, required=True, help="Declination of the same [deg].")
@click.option("--pa", type=float, default=0.0, show_default=True,
              help="Position angle of the focal plane (aperture WFI_CEN) [deg].")  # fmt: skip
@click.option("--aim", metavar="DETECTOR",
              help="Put --ra and --dec on the centre of this detector, rather than on the centre "
              "of the focal plane, which is a gap.")  # fmt: skip
@click.option("--dithers", type=click.IntRange(1, 9), default=1, show_default=True,
              help="Exposures with each filter and roll.")  # fmt: skip
@click.option("--pattern", type=click.Choice(["line", "box", "sub"]),
              help="Dithers along a line or around a box, over the gaps between detectors, or by "
              "parts of a pixel; by default a line up to 3 dithers and a box beyond.")  # fmt: skip
@click.option("--subpixel", type=click.IntRange(1, 9), default=1, show_default=True,
              help="Sub-pixel dithers at each of the others.")  # fmt: skip
@click.option("--filters", "elements", multiple=True, default=("F158",), show_default=True,
              help="F062 to F213, GRISM or PRISM; may be repeated.")  # fmt: skip
@click.option("--ma-table", type=int, default=4, show_default=True,
              help="Number of the MA table: how long, and which reads are averaged.")  # fmt: skip
@click.option("--rolls", type=float, multiple=True, default=(0.0,), show_default=True,
              help="Angle that is added to --pa [deg]; may be repeated.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1, 999), default=1, show_default=True,
              help="How often all this is repeated.")  # fmt: skip
@click.option("--cadence", type=float, default=5.0, show_default=True,
              help="Time from one epoch to the next [d].")  # fmt: skip
@click.option("--start", default="2027-06-01T00:00:00", show_default=True,
              help="Start of the first exposure, UTC.")  # fmt: skip
@click.option("--program", "number", type=click.IntRange(1, 99999), default=1, show_default=True,
              help="Number of the program.")  # fmt: skip
@click.option("--preview", type=click.Path(path_type=Path, dir_okay=False),
              help="Draw the footprints of all detectors to this PNG.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="The plan, for instance plan.sim.ecsv.")  # fmt: skip
def command(output: Path, preview: Path | None, aim: str | None, **options: Any) -> None:
    """Write a pointing plan with dithers, in the format of the mission's planning tool.

    \b
    rdms simulate plan --ra 270 --dec 66 --dithers 3 -o plan.sim.ecsv
    rdms simulate plan --ra 270 --dec 66 --aim WFI01 --dithers 4 --filters F158 --filters F129 \\
        --rolls 0 --rolls 15 --epochs 3 --cadence 5 --preview plan.png -o plan.sim.ecsv

    Each exposure starts when the one before has ended, the telescope has slewed
    and settled and the filter wheel has turned.
    """
    from rich.console import Console

    from roman_dms.planning.pointing_plan import write_plan
    from roman_dms.planning.preview import draw_plan
    from roman_dms.planning.program import Program, plan_program
    from roman_dms.simulation.steps.pointing import aimed

    offsets = _offsets(options.pop("pattern"), options.pop("dithers"), options.pop("subpixel"))
    names = ",".join(options["elements"]).split(",")
    options["elements"] = tuple(name.strip().upper() for name in names)
    options["position_angle"] = options.pop("pa")
    options["start"] = mjd_of(options["start"])
    exposures = plan_program(Program(offsets=offsets, **options))
    if aim:
        detector = detectors_named([aim])[0]
        exposures = [aimed(exposure, detector) for exposure in exposures]
    write_plan(exposures, output)
    if preview:
        draw_plan(exposures, preview)
    console = Console(highlight=False)
    console.print(plan_table(exposures, str(output)))
    exposing = sum(exposure.exposure_time for exposure in exposures) / 3600
    span = exposures[-1].end - exposures[0].start
    console.print(f"{len(exposures)} exposures, {exposing:.2f} h of exposure in {span:.3f} d")


def _offsets(kind: Any, dithers: int, subpixel: int) -> tuple[Offset, ...]:
    from roman_dms.planning.dithers import combined, dither_pattern

    large = dither_pattern(kind or ("line" if dithers <= 3 else "box"), dithers)
    return combined(large, dither_pattern("sub", subpixel))


def mjd_of(text: str) -> float:
    """A time as a user writes it, as MJD UTC.

    Raises
    ------
    UsageError
        Where it is no time.
    """
    from astropy.time import Time

    from roman_dms.errors import UsageError

    try:
        return float(Time(text, scale="utc").mjd)
    except ValueError:
        raise UsageError(
            f"The start is {text!r}.", "a date and time, as 2027-06-01T00:00:00"
        ) from None


def plan_table(exposures: Sequence[PlannedExposure], title: str) -> Table:
    """What is planned, a row for the exposures of a visit."""
    from astropy.time import Time
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("visit", "filter", "start (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "seconds", "RA", "Dec", "PA"):
        table.add_column(name, justify="right", no_wrap=True)
    for visit, members in groupby(exposures, key=lambda e: (e.visit_id, e.element)):
        first, *others = members
        table.add_row(
            *visit,
            str(Time(first.start, format="mjd").iso)[:16],
            str(1 + len(others)),
            f"{first.exposure_time:.1f}",
            f"{first.ra:.3f}",
            f"{first.dec:+.3f}",
            f"{first.position_angle:.1f}",
        )
    return table
