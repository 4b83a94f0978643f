"""``rdms align``: the WCS of exposures, from Gaia."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from roman_dms.astrometry.steps.exposure_files import DetectorFile
    from roman_dms.astrometry.steps.exposure_solution import Outcome, Settings
    from roman_dms.astrometry.steps.gaia import ReferenceSource
    from roman_dms.astrometry.steps.placements import PlacedExposure

FIRST, CALIBRATED = "first", "calibrated"
"""Words for how well the places of detectors are known where no file says it."""
NOT_ALIGNED = 8
"""Exit code where an exposure or a detector could not be aligned: that of a CalibrationError."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...",
                type=click.Path(path_type=Path, dir_okay=False))  # fmt: skip
@click.option("--gaia", "source", metavar="WHERE",
              help="Reference stars: a file (.parquet, .ecsv, .fits), a HATS catalogue, or the "
              "URL of a TAP service (RDMS_GAIA).")  # fmt: skip
@click.option("--epoch", type=click.FloatRange(1900, 2200), metavar="YEAR",
              help="Julian year of reference stars that state none, such as 2016.0.")  # fmt: skip
@click.option("--radius", type=click.FloatRange(min=0, min_open=True), default=10.0,
              show_default=True, help="Largest error of the pointing [arcsec].")  # fmt: skip
@click.option("--roll", type=click.FloatRange(min=0, min_open=True), default=90.0,
              show_default=True, help="Largest error of the position angle [arcsec].")  # fmt: skip
@click.option("--placement", metavar="FILE|first|calibrated", default=FIRST, show_default=True,
              help="Where the detectors are: a file that --learn-placement wrote; or where the "
              "distortion has them, to 30 mas (first) or to 0.5 (calibrated).")  # fmt: skip
@click.option("--learn-placement", "learn", metavar="FILE",
              type=click.Path(path_type=Path, dir_okay=False),
              help="Learn from all these exposures where the detectors are, and write it "
              "(.ecsv).")  # fmt: skip
@click.option("--snr", type=click.FloatRange(min=0), default=10.0, show_default=True,
              help="Lowest signal to noise of stars that are used.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Solve and tell; leave the exposures as they are.")
@click.option("--preview", type=click.Path(path_type=Path, dir_okay=False),
              help="Draw the residuals over the focal plane as this PNG.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True,
              help="Files that are written at the same time.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    files: tuple[Path, ...], source: str | None, epoch: float | None, radius: float, roll: float,
    placement: str, learn: Path | None, snr: float, dry_run: bool, preview: Path | None, jobs: int,
    quiet: bool,
) -> int:  # fmt: skip
    """Align exposures to Gaia: correct the WCS of their files, in place.

    FILES are L2 images (_cal.asdf) of one exposure or more, with the catalogue of
    each (_cat.parquet) beside it.  All detectors of an exposure are solved
    together; some may be missing.

    \b
    rdms align l2/*_cal.asdf --gaia gaia.parquet
    rdms align l2/*_0001_wfi*_cal.asdf --gaia gaia.parquet --dry-run --preview fit.png
    rdms align l2/*_cal.asdf --gaia https://gea.esac.esa.int/tap-server/tap
    rdms align rich/*_cal.asdf --gaia gaia.parquet --learn-placement placement.ecsv
    rdms align poor/*_cal.asdf --gaia gaia.parquet --placement placement.ecsv

    Pixels stay as they are; what changes are the WCS and its metadata, the
    positions on the sky in the catalogue, and the product _wcs.asdf.  Aligning
    again starts from the pointing and gives the same.  An exposure that cannot be
    aligned keeps its pointing, is marked as FAILED, and the exit code is 8; so does
    a single detector that matches no stars where the others do.

    A few stars cannot place 18 detectors: learn their places from three or more
    exposures of different, rich fields (twenty are better), and give them to the
    others.
    """
    from rich.console import Console

    from roman_dms.astrometry.steps.gaia import open_source
    from roman_dms.astrometry.steps.placements import require_suffix

    if learn is not None:
        require_suffix(learn)
    stars, settings = open_source(source), _settings(epoch, radius, roll, placement, snr)
    console = Console(quiet=quiet)
    placed: list[PlacedExposure] = []
    code = align_files(
        files, stars, settings, console, dry_run=dry_run, preview=preview, jobs=jobs,
        placed=placed,
    )  # fmt: skip
    if learn is not None:
        _learn(placed, learn, console)
    return code


def align_files(
    paths: Iterable[Path],
    stars: ReferenceSource,
    settings: Settings,
    console: Console,
    *,
    dry_run: bool = False,
    preview: Path | None = None,
    jobs: int = 2,
    again: bool = True,
    placed: list[PlacedExposure] | None = None,
) -> int:
    """Align every exposure among some files, and tell; the exit code.

    An exposure that ends in an error is reported, and the others go on.

    Parameters
    ----------
    paths
        L2 files.
    stars, settings
        Reference stars, and how.
    console
        Where to tell.
    dry_run, preview, jobs
        As of the command.
    again
        Whether exposures whose files are all aligned already are aligned again.
    placed
        Takes what each aligned exposure says of the places of its detectors.

    Raises
    ------
    UsageError
        For a preview of more than one exposure.
    RdmsError
        For a file that cannot be read; nothing is written then.
    """
    from roman_dms.astrometry.steps.exposure_files import by_exposure, read_file
    from roman_dms.astrometry.steps.exposure_solution import FAILED
    from roman_dms.cli.main import exit_code
    from roman_dms.errors import RdmsError

    exposures = by_exposure(read_file(path) for path in paths)
    _check_preview(preview, len(exposures))
    code = 0
    for exposure in exposures:
        if not again and all(file.is_aligned for file in exposure):
            console.print(f"{_name(exposure)} is aligned already.", highlight=False)
            continue
        try:
            outcome = _align(exposure, stars, settings, console, dry_run, preview, jobs)
        except RdmsError as error:
            click.secho(f"Error: {_name(exposure)}: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            code = code or exit_code(error)
            continue
        code = code or (NOT_ALIGNED if outcome.state == FAILED or outcome.failed else 0)
        if placed is not None and outcome.placed is not None:
            placed.append(outcome.placed)
    return code


def _name(files: Sequence[DetectorFile]) -> str:
    """What an exposure is called on the screen."""
    visit, number = files[0].exposure
    return f"visit {visit}, exposure {number}"


def _settings(
    epoch: float | None, radius: float, roll: float, placement: str, snr: float
) -> Settings:
    from dataclasses import replace

    from roman_dms.astrometry.priors import Search
    from roman_dms.astrometry.steps.detected_stars import Selection

    return replace(
        placement_settings(placement),
        selection=Selection(lowest_snr=snr),
        search=Search(radius=radius, roll=roll),
        reference_epoch=epoch,
    )


def placement_settings(placement: str) -> Settings:
    """Settings with what is known of the places of detectors: a word, or a file.

    Raises
    ------
    UsageError
        For another word.
    FileError, FormatError
        For a file that is no placement.
    """
    from roman_dms.astrometry.priors import Priors
    from roman_dms.astrometry.steps.exposure_solution import Settings
    from roman_dms.astrometry.steps.placements import SUFFIX, read_placement
    from roman_dms.errors import UsageError

    if placement in {FIRST, CALIBRATED}:
        return Settings(priors=Priors.calibrated() if placement == CALIBRATED else Priors())
    if Path(placement).suffix != SUFFIX:
        raise UsageError(
            f"There is no placement {placement!r}.",
            f"{FIRST}, {CALIBRATED} or a file ending in {SUFFIX}",
        )
    return Settings(placement=read_placement(placement))


def _learn(placed: list[PlacedExposure], path: Path, console: Console) -> None:
    """Learn where detectors are, write it and tell."""
    import numpy as np

    from roman_dms.astrometry.steps.placements import CalibratedPlacement, write_placement

    placement = CalibratedPlacement.of(placed)
    write_placement(placement, path)
    found = placement.learned
    for name, detectors in placement.provenance["left_out"].items():
        console.print(
            f"Left out of the placement: {', '.join(detectors)} of {name}, far from where the "
            "other exposures have them.",
            style="yellow", highlight=False,
        )  # fmt: skip
    variances = [place.covariance[[0, 1], [0, 1]] for place in found.places.values()]
    console.print(
        f"Wrote {path}: {len(found.places)} detectors from {len(placed)} exposures, known to "
        f"{1e3 * np.sqrt(np.mean(variances)):.2f} mas an axis, steady to "
        f"{1e3 * found.scatter[0]:.2f} mas.",
        highlight=False,
    )


def _check_preview(preview: Path | None, exposures: int) -> None:
    from roman_dms.errors import UsageError

    if preview is not None and exposures > 1:
        raise UsageError(
            f"One picture was asked for, {preview}, of {exposures} exposures.",
            "--preview with the files of one exposure",
        )


def _align(
    files: list[DetectorFile],
    source: ReferenceSource,
    settings: Settings,
    console: Console,
    dry_run: bool,
    preview: Path | None,
    jobs: int,
) -> Outcome:
    """Align one exposure and tell."""
    from roman_dms.astrometry.steps.alignment_files import write_outcome
    from roman_dms.astrometry.steps.exposure_solution import solve_exposure
    from roman_dms.astrometry.steps.preview import draw_residuals

    began = time.perf_counter()
    outcome = solve_exposure(files, source, settings)
    solved = time.perf_counter()
    if not dry_run:
        write_outcome(outcome, workers=jobs)
    seconds = solved - began, time.perf_counter() - solved
    _tell(outcome, seconds, console, dry_run)
    if preview is not None and outcome.solution is not None and outcome.solution.residuals:
        draw_residuals(outcome, preview)
        console.print(f"Wrote {preview}", highlight=False)
    return outcome


def _tell(outcome: Outcome, seconds: tuple[float, float], console: Console, dry_run: bool) -> None:
    from rich.markup import escape

    from roman_dms.astrometry.steps.exposure_solution import FAILED

    refused = [outcome.reason] if outcome.state == FAILED else outcome.failed.values()
    for reason in refused:
        click.secho("Not aligned: ", fg="red", bold=True, nl=False, err=True)
        click.echo(f"{_name(outcome.files)}: {reason}", err=True)
    if outcome.corrections:
        console.print(_table(outcome))
    if outcome.state != FAILED:
        console.print(escape(outcome.reason), highlight=False)
    for note in outcome.notes:
        console.print(escape(note), style="yellow", highlight=False)
    done = "nothing was written" if dry_run else f"written in {seconds[1]:.2f} s"
    console.print(f"Solved in {seconds[0]:.2f} s, {done}.", style="dim", highlight=False)


def _table(outcome: Outcome) -> Table:
    """What was found, detector by detector."""
    from rich.table import Table

    from roman_dms.astrometry.steps.alignment_files import misses, scatter

    assert outcome.solution is not None
    table = Table(
        title=f"{_name(outcome.files).capitalize()}, aligned to {outcome.source}",
        caption="shift in V2, V3 and turn in arcsec; scale in 1e-6; weighted rms along an "
        "axis and expected error of the WCS in mas",
        title_justify="left", caption_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    table.add_column("detector")
    for name in ("sources", "used", "V2", "V3", "turn", "scale", "rms", "error"):
        table.add_column(name, justify="right")
    for name, one in outcome.corrections.items():
        used = len(misses(outcome, name))
        rms = f"{scatter(outcome, name):.2f}" if used else ""
        table.add_row(
            name, f"{outcome.stars[name].sources}", f"{used}", f"{one.shift[0]:+.4f}",
            f"{one.shift[1]:+.4f}", f"{one.rotation:+.2f}", f"{1e6 * (one.scale - 1):+.1f}", rms,
            f"{outcome.solution.predicted_rms[name]:.2f}",
        )  # fmt: skip
    return table
