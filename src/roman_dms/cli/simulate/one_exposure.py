"""What the commands that simulate one exposure have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from roman_dms.cli.simulate.choices import detectors_named

if TYPE_CHECKING:
    from roman_dms.planning.exposure import PlannedExposure
    from roman_dms.simulation.steps.request import ExposureRequest

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
OPTIONS = (
    click.argument("scene", required=False, type=FILE),
    click.option("--rate", type=FILE, metavar="FILE",
                 help="Instead of a scene: a count-rate image in electron/s (FITS, ASDF, npy)."),
    click.option("--cube", type=FILE, metavar="FILE",
                 help="Instead of a scene: a FITS cube of the sky (wavelength, y, x)."),
    click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False),
                 default=Path(), help="Folder for the files; this one by default."),
    click.option("--detector", "detectors", multiple=True, default=("WFI01",), show_default=True,
                 help="WFI01 to WFI18, or 'all'; may be repeated."),
    click.option("--filter", "element", default="F158", show_default=True,
                 help="F062 to F213, GRISM or PRISM."),
    click.option("--ra", type=float, help="Right ascension of the centre of the focal plane [deg]; "
                 "by default the first detector looks at the middle of the scene."),
    click.option("--dec", type=float, help="Declination of the same [deg]."),
    click.option("--pa", type=float, default=0.0, show_default=True,
                 help="Position angle of the focal plane [deg]."),
    click.option("--ma-table", type=int, default=4, show_default=True,
                 help="Number of the MA table: how long, and which reads are averaged."),
    click.option("--start", default="2027-06-01T00:00:00", show_default=True,
                 help="Start of the exposure, UTC."),
    click.option("--visit", type=int, default=1, show_default=True, help="Number of the visit."),
    click.option("--exposure", type=int, default=1, show_default=True,
                 help="Number of the exposure in the visit."),
    click.option("--jitter", type=click.FloatRange(min=0), default=0.014, show_default=True,
                 help="Pointing jitter, standard deviation an axis [arcsec]."),
    click.option("--defocus", type=float, default=0.0, show_default=True,
                 help="Defocus added to the optics, RMS of the wavefront [micron]."),
    click.option("--any-sun-angle", is_flag=True,
                 help="Allow pointings closer to the Sun, or farther, than Roman may look."),
    click.option("--seed", type=int, default=0, show_default=True,
                 help="The same seed gives the same files."),
    click.option("--store", type=click.Path(path_type=Path, file_okay=False),
                 help="Folder of the reference data (RDMS_REFERENCES)."),
    click.option("--context", help="Context of the reference data."),
    click.option("--threads", type=click.IntRange(min=1), help="Threads; all cores by default."),
)  # fmt: skip


SAME = (
    "scene", "rate", "cube", "store", "context", "seed", "jitter", "defocus", "any_sun_angle",
)  # fmt: skip
"""Options that are fields of a request, too."""


def exposure_options(function: F) -> F:
    """Add the options that say what is exposed, and how."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@dataclass(frozen=True)
class Asked:
    """What the options of a command ask for."""

    request: ExposureRequest
    exposure: PlannedExposure
    detectors: list[str]
    output: Path


def asked(options: Mapping[str, Any], **more: Any) -> Asked:
    """Make sense of the options; everything that is impossible is told now.

    Parameters
    ----------
    options
        Values of :data:`OPTIONS`, by name.
    more
        Other fields of the request.
    """
    import os

    from roman_dms.simulation.steps.request import ExposureRequest

    request = ExposureRequest(
        threads=options["threads"] or os.cpu_count() or 1,
        **{name: options[name] for name in SAME},
        **more,
    )
    detectors = detectors_named(options["detectors"])
    exposure = _pointed(_planned(options), options, request, detectors[0])
    options["output"].mkdir(parents=True, exist_ok=True)
    return Asked(request, exposure, detectors, options["output"])


def _planned(options: Mapping[str, Any]) -> PlannedExposure:
    from roman_dms.cli.simulate.plan import mjd_of
    from roman_dms.instrument.ma_tables import ma_table
    from roman_dms.instrument.optical_elements import optical_element
    from roman_dms.planning.exposure import PlannedExposure

    ma_table(options["ma_table"])
    return PlannedExposure(
        ra=options["ra"] or 0.0,
        dec=options["dec"] or 0.0,
        position_angle=options["pa"],
        element=optical_element(options["element"].upper()).name,
        ma_table=options["ma_table"],
        start=mjd_of(options["start"]),
        visit=options["visit"],
        exposure=options["exposure"],
    )


def _pointed(
    exposure: PlannedExposure,
    options: Mapping[str, Any],
    request: ExposureRequest,
    detector: str,
) -> PlannedExposure:
    """The exposure as it was asked for, or aimed at the middle of the scene."""
    import dataclasses

    from roman_dms.errors import UsageError
    from roman_dms.simulation.steps.pointing import aimed, middle_of
    from roman_dms.simulation.steps.request import scene_in

    if options["ra"] is not None and options["dec"] is not None:
        return exposure
    if options["ra"] is not None or options["dec"] is not None:
        raise UsageError("Only one of --ra and --dec was given.", "both, or neither")
    if request.scene is None or not len(scene_in(request.scene)):
        raise UsageError(
            "Where the telescope looks is not known.",
            "--ra and --dec, or a scene with sources to be aimed at",
        )
    ra, dec = middle_of(scene_in(request.scene))
    return aimed(dataclasses.replace(exposure, ra=ra, dec=dec), detector)


def tell(paths: Sequence[Path], detector: str) -> None:
    """Print what was written; say so where no source of the scene was seen."""
    from roman_dms.formats.tables import read_table

    for path in paths:
        click.echo(str(path))
    truth = next(path for path in paths if path.name.endswith("_truth.parquet"))
    table = read_table(truth)
    if table.colnames and not len(table):
        click.echo(f"No source of the scene falls on {detector}: is that where it looks?", err=True)
