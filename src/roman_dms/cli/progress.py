"""How a run looks on a terminal: a bar while it goes on, a table when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from roman_dms.pipeline.runner import COMPLETE, Observer

if TYPE_CHECKING:
    from roman_dms.pipeline.process import Processed
    from roman_dms.pipeline.runner import StepRecord


class ProgressBar(Observer):
    """Shows the steps that run and how far they are."""

    def __init__(self, console: Console, title: str, steps: int) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.fields[title]}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("reading", total=steps, title=title)
        self._together = 1

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def start(self, names: Sequence[str]) -> None:
        """Show the steps that begin together."""
        self._together = len(names)
        self._progress.update(self._task, description=" · ".join(names))

    def advance(self, fraction: float) -> None:
        """Move on by a share of the steps that run."""
        self._progress.advance(self._task, fraction * self._together)

    def finish(self, record: StepRecord) -> None:
        """Move on past a step that was left out."""
        if record.state != COMPLETE:
            self._progress.advance(self._task, 1)


def summary(done: Processed) -> Table:
    """What happened, step by step, and how long it took."""
    table = Table(title=str(done.output), title_justify="left", box=None, pad_edge=False)
    table.add_column("step")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    table.add_column("")
    assert done.run is not None
    for record in done.run.records:
        complete = record.state == COMPLETE
        seconds = f"{record.seconds:.2f}" if complete else ""
        style = "" if complete else "dim"
        table.add_row(record.name, record.state, seconds, record.reason, style=style)
    table.add_row("in all, with reading and writing", "", f"{done.seconds:.2f}", style="bold")
    return table
