"""Our own way from L1 to an aligned L2 with its catalogue, timed, in a process of its own.

    python benchmarks/our_steps.py L1_FILE STORE OUTPUT_FOLDER TIMINGS.json [TIMES] [STARS.ecsv]

The first time loads libraries and kernels; of the others the fastest is told.
Without STARS, a table of reference stars, the L2 image is not aligned.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from roman_dms.astrometry.steps.alignment_files import write_outcome
from roman_dms.astrometry.steps.exposure_files import read_file
from roman_dms.astrometry.steps.exposure_solution import COMPLETE, Settings, solve_exposure
from roman_dms.astrometry.steps.gaia import open_source
from roman_dms.pipeline.memory import keep_freed_memory
from roman_dms.pipeline.process import process_file
from roman_dms.recipes import load
from roman_dms.references.selected import SelectedReferences
from roman_dms.references.store import ReferenceStore


def once(source: str, store: str, folder: str, stars: str | None) -> dict[str, dict[str, float]]:
    """Seconds of each step, and from file to file."""
    wall, cpu = time.perf_counter(), time.process_time()
    references = SelectedReferences(ReferenceStore(store).context())
    done = process_file(source, Path(folder), load(), references, workers=2)
    rows = {record.name: {"wall": record.seconds} for record in done.run.records if record.seconds}
    if stars:
        began = time.perf_counter()
        outcome = solve_exposure([read_file(done.output)], open_source(stars), Settings())
        if outcome.state != COMPLETE:
            sys.exit(f"The image could not be aligned: {outcome.reason}")
        write_outcome(outcome)
        rows["align"] = {"wall": time.perf_counter() - began}
    rows["file to file"] = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
    }
    return rows


def main() -> None:
    source, store, folder, timings = sys.argv[1:5]
    keep_freed_memory()  # as the command does
    times = next((int(word) for word in sys.argv[5:] if word.isdigit()), 1)
    stars = next((word for word in sys.argv[5:] if word.endswith(".ecsv")), None)
    runs = [once(source, store, folder, stars) for _ in range(times)]
    best = min(runs[1:] or runs, key=lambda rows: rows["file to file"]["wall"])
    Path(timings).write_text(json.dumps(best, indent=1))


if __name__ == "__main__":
    main()
