"""romancal and Roman DMS on the same L1 file with the same references, in one run.

    make bench          or          python benchmarks/side_by_side.py --help

From L1 to L2 with its catalogue, aligned to reference stars.  The L1 file comes
from the mission's simulator on references that 'rdms references bootstrap' made.
What is missing is made first (10 minutes, 9 GB) and kept in benchmarks/work; the
reference stars are those of the catalogue beside the L1 file, with errors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from astropy.table import Table

HERE = Path(__file__).parent
TUNED = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "67108864",
}
"""glibc settings that halve the peer's ramp fit."""


def run(command, **environment):
    """Wall [s], CPU [s] and peak memory [GiB] of a process."""
    began = time.perf_counter()
    watcher = subprocess.Popen(list(map(str, command)), env={**os.environ, **environment})
    _, status, usage = os.wait4(watcher.pid, 0)
    wall = time.perf_counter() - began
    if status:
        sys.exit(f"{command[0]} ended with status {status}")
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_gib": usage.ru_maxrss / 2**20,
    }


def prepare(work):
    """The store and the L1 file, made where they are missing."""
    store, raw = work / "references", work / "l1"
    if not (store / "config").exists():
        run([Path(sys.executable).parent / "rdms", "references", "bootstrap", "--store", store,
             "--detector", "WFI01", "--filter", "F158"])  # fmt: skip
    files = sorted(raw.glob("*_uncal.asdf"))
    if not files:
        run([sys.executable, HERE / "simulate_l1.py", store, raw])
        files = sorted(raw.glob("*_uncal.asdf"))
    return store, files[0]


FAINTEST = 21.0
"""Of the reference stars, where Gaia ends [mag]."""
STAR_ERROR = 1.0
"""Of their positions along each axis at the epoch of the exposure [mas]."""
STAR_EPOCH = 2027.41
"""Julian year of the simulated exposure."""


def reference_stars(raw, work):
    """A file of reference stars as Gaia's, from the catalogue of what was simulated."""
    scene = Table.read(raw.with_name(raw.name.replace("_uncal.asdf", "_catalog.ecsv")))
    stars = scene[(scene["type"] == "PSF") & (scene["mag"] < FAINTEST)]
    noise = np.random.default_rng(1).normal(0, STAR_ERROR / 3.6e6, (2, len(stars)))
    error, still = np.full(len(stars), STAR_ERROR), np.zeros(len(stars))
    path = work / "stars.ecsv"
    Table({
        "ra": stars["ra"] + noise[0] / np.cos(np.radians(stars["dec"])),
        "dec": stars["dec"] + noise[1], "ra_error": error, "dec_error": error,
        "pmra": still, "pmdec": still, "pmra_error": still, "pmdec_error": still,
        "parallax": still, "parallax_error": still, "phot_g_mean_mag": stars["mag"],
        "ref_epoch": np.full(len(stars), STAR_EPOCH),
    }).write(path, overwrite=True)  # fmt: skip
    return path


MIB = {
    "dq_init": 288 + 2 * 64,
    "saturation": 288 + 144 + 4 * 64,
    "refpix": 288 + 576 + 420,
    "dark_decay": 2 * 576,
    "linearity": 2 * 576 + 2 * 144 + 11 * 64,
    "ramp_fit": 576 + 144 + 2 * 64 + 7 * 64,
    "dark": 4 * 64,
    "flat_field": 13 * 64,
}
"""Arrays that a step must read and write, 4096 x 4096, 9 resultants [MiB]."""


def bandwidth():
    """Bytes that two threads copy in a second, read and written."""
    source = [np.ones(1 << 26, np.float32) for _ in range(2)]
    target = [np.ones(1 << 26, np.float32) for _ in range(2)]
    times = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(np.copyto, target, source))
            times.append(time.perf_counter() - began)
    return 4 * source[0].nbytes / min(times)


def table(ours, peer, tuned, speed):
    """Lines of the comparison: seconds, and how many times faster."""
    names = [name for name in peer[1] if name in ours[1]]
    yield (
        f"{'step':18s}{'ours':>9s}{'romancal':>11s}{'tuned':>9s}{'ratio':>8s}{'tuned':>8s}"
        f"{'floor':>9s}"
    )
    for name in names:
        a, b, c = (side[1][name]["wall"] for side in (ours, peer, tuned))
        floor = f"{MIB[name] * 2**20 / speed:9.3f}" if name in MIB else ""
        yield (
            f"{name:18s}{a:9.3f}{b:11.2f}{c:9.2f}{b / max(a, 1e-3):8.0f}{c / max(a, 1e-3):8.0f}"
            f"{floor}"
        )
    file_to_file = ours[1]["file to file"]["wall"]
    sums = [sum(row["wall"] for row in side[1].values()) for side in (peer, tuned)]
    yield (
        f"{'file to file':18s}{file_to_file:9.2f}{sums[0]:11.1f}{sums[1]:9.1f}"
        f"{sums[0] / file_to_file:8.1f}{sums[1] / file_to_file:8.1f}"
    )
    for key, unit in (("wall", "s"), ("cpu", "s"), ("peak_gib", "GiB")):
        a, b, c = (side[0][key] for side in (ours, peer, tuned))
        # a whole process, with imports, from nothing to the end
        yield f"{'process ' + key:18s}{a:9.2f}{b:11.1f}{c:9.1f}{b / a:8.1f}{c / a:8.1f}  ({unit})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--l1", type=Path, help="L1 file; simulated where omitted")
    parser.add_argument("--store", type=Path, help="reference store; bootstrapped where omitted")
    parser.add_argument("--repeat", type=int, default=4, help="runs of ours in one process")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if options.l1 and options.store:
        store, raw = options.store, options.l1
    else:
        store, raw = prepare(work)
    stars = reference_stars(raw, work)
    timings = work / "ours.json"
    command = [sys.executable, HERE / "our_steps.py", raw, store, work / "l2", timings, stars]
    run(command)  # compiles the kernels, once
    cold = min((run(command) for _ in range(2)), key=lambda whole: whole["wall"])
    run([*command, options.repeat])
    ours = (cold, json.loads(timings.read_text()))
    sides = {}
    for name, environment in (("peer", {}), ("tuned", TUNED)):
        timings = work / f"{name}.json"
        output = work / f"{name}_cal.asdf"
        command = [sys.executable, HERE / "peer_steps.py", raw, store, output, timings, stars]
        whole = run(command, **environment)
        sides[name] = (whole, json.loads(timings.read_text()))
    speed = bandwidth()
    lines = [
        f"memory bandwidth of 2 threads: {speed / 1e9:.1f} GB/s (floor: arrays in and out)",
        *table(ours, sides["peer"], sides["tuned"], speed),
    ]
    print("\n".join(lines))
    (work / "side_by_side.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
