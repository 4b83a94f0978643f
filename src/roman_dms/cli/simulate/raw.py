"""``rdms simulate raw``: raw exposures (L1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from roman_dms.cli.simulate.choices import effect_settings, own_effects
from roman_dms.cli.simulate.one_exposure import asked, exposure_options, tell

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@click.command()
@exposure_options
@click.option("--without", "left_out", multiple=True, metavar="EFFECT",
              help="Switch an effect off; 'rdms simulate raw --effects' lists them.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="EFFECT.NAME=VALUE",
              help="Set a parameter of an effect, as --set cosmic_rays.rate=0.")  # fmt: skip
@click.option("--replace", "replaced", multiple=True, metavar="EFFECT=FILE.py:NAME",
              help="Put an effect of your own in the place of one.")  # fmt: skip
@click.option("--effects", is_flag=True, help="List the effects and their parameters.")
@click.option("--truth-image", is_flag=True,
              help="Keep the noiseless rate and the cosmic rays, too (_truth.asdf).")  # fmt: skip
def command(
    left_out: tuple[str, ...], settings: tuple[str, ...], replaced: tuple[str, ...],
    effects: bool, truth_image: bool, **options: Any,
) -> None:  # fmt: skip
    """Simulate raw exposures (L1): everything that the detector does to the light.

    \b
    rdms simulate raw scene.parquet --filter F158 --detector WFI01 -o l1
    rdms simulate raw scene.parquet --without ipc --set cosmic_rays.rate=2
    rdms simulate raw --rate rate.npy --ra 270 --dec 66 -o l1

    Beside each exposure its sources are written as they were drawn
    (_truth.parquet), and the charge that persists (_state.parquet).
    """
    if effects:
        _list_effects()
        return
    from rich.console import Console
    from rich.progress import Progress

    from roman_dms.pipeline.memory import keep_freed_memory
    from roman_dms.simulation.steps.raw import make_raw

    keep_freed_memory()
    work = asked(
        options, settings=effect_settings(left_out, settings), own_effects=own_effects(replaced),
        truth_image=truth_image,
    )  # fmt: skip
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for detector in work.detectors:
            task = bar.add_task(f"simulating {detector}", total=1.0)
            shown = partial(_show, bar, task)
            paths = make_raw(work.request, work.exposure, detector, work.output, progress=shown)
            tell(paths, detector)


def _show(bar: Progress, task: TaskID, done: float) -> None:
    bar.update(task, completed=done)


def _list_effects() -> None:
    """Print the effects in the order in which they act, with what they are and their parameters."""
    import dataclasses
    import inspect

    from rich.console import Console
    from rich.table import Table

    from roman_dms.simulation.signatures.effects import DEFAULTS

    table = Table("effect", "what it is", "parameters", box=None, pad_edge=False)
    for name, effect in DEFAULTS.items():
        purpose = (inspect.getdoc(type(effect)) or "").partition("\n")[0]
        parameters = "\n".join(
            f"{field.name} = {getattr(effect, field.name)}" for field in dataclasses.fields(effect)
        )
        table.add_row(name, purpose, parameters)
    Console().print(table)
