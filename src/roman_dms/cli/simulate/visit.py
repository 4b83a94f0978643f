"""``rdms simulate visit``: all exposures of a pointing plan."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roman_dms.cli.simulate.choices import detectors_named, effect_settings, own_effects

if TYPE_CHECKING:
    from rich.console import Console

    from roman_dms.planning.exposure import PlannedExposure
    from roman_dms.simulation.steps.request import ExposureRequest
    from roman_dms.simulation.steps.visit import Make, Outcome

SAME = ("scene", "store", "context", "seed", "jitter", "defocus", "any_sun_angle")
"""Options that are fields of a request, too."""

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class Work:
    """A visit that was asked for."""

    plan: list[PlannedExposure]
    detectors: list[str]
    folder: Path
    make: Make
    request: ExposureRequest
    settings: dict[str, Any]
    jobs: int
    chained: bool


@click.command()
@click.argument("plan", type=FILE)
@click.option("--scene", type=FILE, required=True, help="Catalogue of the sky.")
@click.option("-o", "--output", type=FOLDER, required=True,
              help="Folder of the visit; what is finished there is kept.")  # fmt: skip
@click.option("--detector", "detectors", multiple=True, default=("WFI01",), show_default=True,
              help="WFI01 to WFI18, or 'all'; may be repeated.")  # fmt: skip
@click.option("--level", type=click.Choice(["1", "2"]), default="1", show_default=True,
              help="1: raw exposures; 2: idealised rate images.")  # fmt: skip
@click.option(
    "--start", help="Start of the first exposure, UTC; a plan with times of its own is moved."
)
@click.option("--program", type=click.IntRange(1, 99999),
              help="Number of the program, in place of the plan's.")  # fmt: skip
@click.option("--ma-table", type=int,
              help="MA table for all exposures, in place of the plan's.")  # fmt: skip
@click.option("--pa-of", type=click.Choice(["V3", "WFI_CEN"]), default="V3", show_default=True,
              help="Whose angle PA is in the plan; the planning tool's is of V3.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="The same seed gives the same files.")  # fmt: skip
@click.option(
    "--without", multiple=True, metavar="EFFECT", help="Switch an effect off; may be repeated."
)
@click.option("--set", "changes", multiple=True, metavar="EFFECT.NAME=VALUE",
              help="Change an effect, for instance --set cosmic_rays.rate=10.")  # fmt: skip
@click.option("--replace", "replaced", multiple=True, metavar="EFFECT=FILE.py:NAME",
              help="Put an effect of your own in the place of one.")  # fmt: skip
@click.option("--jitter", type=click.FloatRange(min=0), default=0.014, show_default=True,
              help="Pointing jitter, standard deviation an axis [arcsec].")  # fmt: skip
@click.option("--defocus", type=float, default=0.0, show_default=True,
              help="Defocus added to the optics, RMS of the wavefront [micron].")  # fmt: skip
@click.option("--truth-image", is_flag=True,
              help="Keep the noiseless rate and the cosmic rays, too (_truth.asdf).")  # fmt: skip
@click.option(
    "--any-sun-angle", is_flag=True, help="Allow pointings that Roman may not take, by the Sun."
)
@click.option("--store", type=FOLDER, help="Folder of the reference data (RDMS_REFERENCES).")
@click.option("--context", help="Context of the reference data, for instance roman_0001.pmap.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True,
              help="Processes; each needs about 3 GB.")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1),
              help="Threads of each process; by default all cores, shared.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Make all anew.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(plan: Path, **options: Any) -> int:
    """Simulate all exposures of a pointing plan, with any detectors.

    \b
    rdms simulate visit plan.sim.ecsv --scene scene.parquet -o l1
    rdms simulate visit plan.sim.ecsv --scene scene.parquet -o l1 --detector all --jobs 4
    rdms simulate visit plan.sim.ecsv --scene scene.parquet -o l1 --without persistence --dry-run

    A visit that was interrupted goes on when the same command is given again:
    finished exposures are never repeated, and the result is the same. With other
    settings it needs another folder, or --overwrite. An exposure that fails is
    reported and the others go on; the exit code is then that of the first error.
    """
    from rich.console import Console

    console = Console(stderr=True, quiet=options["quiet"])
    work = _asked(plan, options)
    if options["dry_run"]:
        return _show(work, overwrite=options["overwrite"])
    began = time.perf_counter()
    outcomes = _simulate(work, console, overwrite=options["overwrite"])
    return _report(outcomes, work, time.perf_counter() - began, quiet=options["quiet"])


def _asked(path: Path, options: dict[str, Any]) -> Work:
    """Make sense of the options; everything that is impossible is told now."""
    from roman_dms.cli.simulate.plan import mjd_of
    from roman_dms.planning.pointing_plan import read_plan
    from roman_dms.simulation.steps.request import ExposureRequest
    from roman_dms.simulation.steps.visit_records import file_checksum

    start = mjd_of(options["start"]) if options["start"] else None
    plan = read_plan(
        path, start, program=options["program"], ma_table=options["ma_table"],
        angles_of=options["pa_of"],
    )  # fmt: skip
    effects = effect_settings(options["without"], options["changes"])
    level = int(options["level"])
    chained = level == 1 and effects.get("persistence", {}) is not None
    detectors = detectors_named(options["detectors"])
    jobs = min(options["jobs"], len(detectors) if chained else len(detectors) * len(plan))
    threads = options["threads"] or max(1, (os.cpu_count() or 1) // jobs)
    request = ExposureRequest(
        settings=effects, own_effects=own_effects(options["replaced"]), threads=threads,
        truth_image=options["truth_image"], **{name: options[name] for name in SAME},
    )  # fmt: skip
    settings = {
        "seed": request.seed,
        "level": level,
        "scene": file_checksum(options["scene"]),
        "context": request.references().context,
        "effects": effects,
        "own effects": _contents(dict(request.own_effects)),
        "optics": [request.jitter, request.defocus],
        "truth image": request.truth_image,
    }
    maker = _maker(level)
    return Work(plan, detectors, options["output"], maker, request, settings, jobs, chained)


def _contents(own: dict[str, str]) -> dict[str, str]:
    """Where effects of the user's own are, with what their files hold."""
    from roman_dms.simulation.steps.visit_records import file_checksum

    files = {name: Path(where.rpartition(":")[0]) for name, where in own.items()}
    return {
        name: f"{own[name]} {file_checksum(file)}" if file.suffix == ".py" else own[name]
        for name, file in files.items()
    }


def _maker(level: int) -> Make:
    if level == 1:
        from roman_dms.simulation.steps.raw import make_raw

        return make_raw
    from roman_dms.simulation.steps.image import make_image

    return make_image


def _simulate(work: Work, console: Console, *, overwrite: bool) -> list[Outcome]:
    from roman_dms.cli.simulate.visit_progress import VisitBar
    from roman_dms.pipeline.memory import keep_freed_memory
    from roman_dms.simulation.steps.request import scene_in
    from roman_dms.simulation.steps.visit import simulate_visit
    from roman_dms.simulation.steps.visit_truth import write_light_curves

    keep_freed_memory()
    assert work.request.scene is not None
    scene_in(work.request.scene)  # a mistake in the scene is told once, before anything is made
    if work.jobs > 1:
        scene_in.cache_clear()  # each process reads its own
    with VisitBar(console) as bar:
        outcomes = simulate_visit(
            work.plan, work.detectors, work.folder, work.make, work.request,
            settings=work.settings, jobs=work.jobs, threads=work.request.threads,
            chained=work.chained, overwrite=overwrite, observer=bar,
        )  # fmt: skip
    if not any(outcome.stops for outcome in outcomes):
        write_light_curves(scene_in(work.request.scene), work.plan, work.folder)
    return outcomes


def _show(work: Work, *, overwrite: bool) -> int:
    """List what would be made."""
    from rich.console import Console

    from roman_dms.cli.simulate.plan import plan_table
    from roman_dms.simulation.steps.visit_records import finished_jobs, jobs_of

    chains = jobs_of(work.plan, work.detectors, work.settings, chained=work.chained)
    jobs = sorted((job for chain in chains for job in chain), key=lambda job: job.row)
    look = work.folder.is_dir() and not overwrite
    done = finished_jobs(jobs, work.folder) if look else {}
    Console(highlight=False).print(plan_table(work.plan, str(work.folder)))
    for job in jobs:
        click.echo(f"{'finished' if job.name in done else 'to make '}  {job.name}")
    click.echo(f"{len(jobs) - len(done)} to make, {len(done)} finished")
    return 0


def _report(outcomes: list[Outcome], work: Work, seconds: float, *, quiet: bool) -> int:
    """Print what became of the visit; the exit code is that of the first error."""
    from roman_dms.cli.main import exit_code

    code = 0
    for outcome in outcomes:
        if outcome.error is not None:
            where = f"row {outcome.job.row} of the plan, {outcome.job.name}: "
            click.secho(f"Error: {where}", fg="red", bold=True, nl=False, err=True)
            click.echo(str(outcome.error), err=True)
            code = code or exit_code(outcome.error)
    counts = Counter(outcome.state for outcome in outcomes)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    if not quiet:
        click.echo(f"{work.folder}: {told} in {seconds:.1f} s")
    if counts["left out"]:
        click.echo("Run the same command again to make what was left out.", err=True)
    return code
