"""Our mosaics of associations, timed, in a process of its own.

    python benchmarks/our_mosaic.py ASSOCIATION.json FOLDER TIMINGS.json [TIMES]

From opening the L2 files to the renamed L3 file.  The first time loads libraries and kernels;
of the others the fastest is told, step by step.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from roman_dms.formats.associations import read_association
from roman_dms.mosaics.steps.associations import cells_of
from roman_dms.mosaics.steps.making import Wanted, make_mosaics
from roman_dms.pipeline.memory import keep_freed_memory
from roman_dms.pipeline.runner import Observer
from roman_dms.recipes import MOSAIC, load
from roman_dms.sky.tessellation import MISSION


class Watch(Observer):
    """Keeps how long steps took."""

    def __init__(self):
        self.rows = {}

    def finish(self, record):
        """A step has ended."""
        # steps that all mosaics share are told again, as done, with each mosaic
        before = self.rows.get(record.name, {"wall": 0.0})["wall"]
        self.rows[record.name] = {"wall": before + record.seconds}


def once(path: Path, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds of each step, and of all from files to file."""
    watch, wall, cpu = Watch(), time.perf_counter(), time.process_time()
    association = read_association(path)
    cells = cells_of(association, MISSION)
    wanted = Wanted(association.members, cells, folder, association=association)
    for made in make_mosaics(
        wanted, load(MOSAIC), lambda _title, _steps: nullcontext(watch), workers=os.cpu_count() or 1
    ):
        print(made.output, f"{made.seconds:.2f} s")
    whole = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return {**watch.rows, "file to file": whole}


def main() -> None:
    association, folder, timings = (Path(word) for word in sys.argv[1:4])
    keep_freed_memory()  # as the command does
    times = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    runs = [once(association, folder) for _ in range(times)]
    best = min(runs[1:] or runs, key=lambda rows: rows["file to file"]["wall"])
    timings.write_text(json.dumps(best, indent=1))


if __name__ == "__main__":
    main()
