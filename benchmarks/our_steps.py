"""Our own way from L1 to L2, timed, in a process of its own.

    python benchmarks/our_steps.py L1_FILE STORE OUTPUT_FOLDER TIMINGS.json [TIMES]

The first time loads libraries and kernels; of the others the fastest is told.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from roman_dms.pipeline.memory import keep_freed_memory
from roman_dms.pipeline.process import process_file
from roman_dms.recipes import load
from roman_dms.references.selected import SelectedReferences
from roman_dms.references.store import ReferenceStore


def once(source: str, store: str, folder: str) -> dict[str, dict[str, float]]:
    """Seconds of each step, and from file to file."""
    wall, cpu = time.perf_counter(), time.process_time()
    references = SelectedReferences(ReferenceStore(store).context())
    done = process_file(source, Path(folder), load(), references, workers=2)
    rows = {record.name: {"wall": record.seconds} for record in done.run.records if record.seconds}
    rows["file to file"] = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
    }
    return rows


def main() -> None:
    source, store, folder, timings = sys.argv[1:5]
    keep_freed_memory()  # as the command does
    times = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    runs = [once(source, store, folder) for _ in range(times)]
    best = min(runs[1:] or runs, key=lambda rows: rows["file to file"]["wall"])
    Path(timings).write_text(json.dumps(best, indent=1))


if __name__ == "__main__":
    main()
