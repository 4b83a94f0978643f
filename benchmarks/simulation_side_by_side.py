"""romanisim and Roman DMS on the same scene with the same references, in one run.

    make bench          or          python benchmarks/simulation_side_by_side.py --help

5,000 stars and galaxies on a whole detector, to a raw exposure (L1) of 9
resultants and 44 reads; beside it our idealised image (L2) of the same scene.
romanisim runs as it comes, with the galsim PSF; it takes 9 minutes and 9 GB.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from side_by_side import HERE, run


def prepare(work):
    """The store, made where it is missing."""
    store = work / "references"
    if not (store / "config").exists():
        run([Path(sys.executable).parent / "rdms", "references", "bootstrap", "--store", store,
             "--detector", "WFI01", "--filter", "F158"])  # fmt: skip
    return store


def table(ours, cold, peer):
    """Lines of the comparison."""
    yield f"{'':34s}{'wall [s]':>10s}{'CPU [s]':>10s}{'peak [GiB]':>12s}{'ratio':>8s}"
    for name, row in (
        ("romanisim, L1 (whole process)", peer),
        ("ours, L1 (process warm)", ours["L1"]),
        ("ours, L2 (process warm)", ours["L2"]),
        ("ours, L1 and L2 (whole process)", cold),
    ):
        ratio = f"{peer['wall'] / row['wall']:8.1f}" if row is not peer else ""
        yield f"{name:34s}{row['wall']:10.2f}{row['cpu']:10.2f}{row['peak_gib']:12.2f}{ratio}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--store", type=Path, help="reference store; bootstrapped where omitted")
    parser.add_argument("--repeat", type=int, default=3, help="runs of ours in one process")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    store = options.store or prepare(work)
    folder = work / "romanisim"
    shutil.rmtree(folder, ignore_errors=True)
    peer = run([sys.executable, HERE / "simulate_l1.py", store, folder, "--no-reference-noise"])
    scene = next(folder.glob("*_catalog.ecsv"))
    timings = work / "our_simulation.json"
    command = [sys.executable, HERE / "our_simulation.py", scene, store, work / "ours", timings]
    run(command)  # compiles the kernels and keeps the PSFs, once
    cold = run(command)
    run([*command, options.repeat])
    lines = list(table(json.loads(timings.read_text()), cold, peer))
    print("\n".join(lines))
    (work / "simulation_side_by_side.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
