"""How a visit looks on a terminal while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from roman_dms.simulation.steps.visit import VisitObserver

if TYPE_CHECKING:
    from roman_dms.simulation.steps.visit import Outcome


class VisitBar(VisitObserver):
    """Shows how many are finished; where there is no terminal, a line for each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("[bold]visit"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> VisitBar:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._progress.stop()

    def start(self, total: int) -> None:
        """Show how many there are."""
        self._progress.update(self._task, total=total)

    def finished(self, outcome: Outcome) -> None:
        """Move on by one."""
        self._progress.update(self._task, advance=1, description=outcome.job.name)
        if not self._console.is_terminal and outcome.state == "made":
            line = f"{outcome.job.name}  {outcome.seconds:.1f} s"
            self._console.print(line, highlight=False)
