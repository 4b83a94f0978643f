"""romancal's mosaic pipeline and ours on the same L2 files and sky cell, in one run.

    python benchmarks/mosaic_side_by_side.py [L2_FILE ...] [--cell NAME] [--images 2 8]

From L2 files to the L3 file of one sky cell: flux, skymatch, outlier_detection, resample,
without the source catalogue on either side.  Every side runs in a process of its own; romancal
as it comes and with its allocator tuned.  Where no files are given eight dithered exposures of
a whole detector are simulated (2 minutes, 1 GB, and a store of references) and kept in
benchmarks/work; romancal takes 1 minute for two images and 5 for eight.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from asdf import open as open_asdf
from side_by_side import HERE, TUNED, run
from simulation_side_by_side import prepare

from roman_dms.formats.associations import write_association
from roman_dms.mosaics.steps.associations import cell_information
from roman_dms.products.association import Association
from roman_dms.references.sky_cells import write_sky_cells
from roman_dms.sky.tessellation import MISSION

CELL = "270p65x69y50"
"""Where images are simulated."""

EXPOSURES = 8
RDMS = Path(sys.executable).parent / "rdms"


def simulated(work, store):
    """Eight exposures of a field of stars and galaxies, and their truth."""
    scene, (ra, dec) = work / "mosaic" / "scene.parquet", MISSION.named(CELL).centre
    if not scene.exists():
        scene.parent.mkdir(parents=True, exist_ok=True)
        run([RDMS, "simulate", "scene", "--ra", ra, "--dec", dec, "--radius", 0.1, "-o", scene])
    return exposures(work / "mosaic" / "l2", scene, store or (lambda: prepare(work)))


def exposures(folder, scene, store):
    """Eight dithered exposures of a scene by one detector, aimed at the middle of the cell."""
    files = sorted(folder.glob("*_cal.asdf"))
    if len(files) < EXPOSURES:
        folder.mkdir(parents=True, exist_ok=True)
        (ra, dec), plan = MISSION.named(CELL).centre, folder / "plan.sim.ecsv"
        run([RDMS, "simulate", "plan", "--ra", ra, "--dec", dec, "--aim", "WFI01",
             "--dithers", EXPOSURES, "--pattern", "sub", "-o", plan])  # fmt: skip
        run([RDMS, "simulate", "visit", plan, "--scene", scene, "--level", 2, "-o", folder,
             "--store", store() if callable(store) else store, "--quiet"])  # fmt: skip
        files = sorted(folder.glob("*_cal.asdf"))
    return files


def associate(files, cell, path):
    """The association of some files with a cell, as both pipelines read it."""
    members = tuple(str(file.resolve()) for file in files)
    information = cell_information(MISSION.named(cell))
    write_association(Association(path.stem, members, target=cell, cell=information), path)


def ours(association, work):
    """A whole process, and the steps in one that has made the mosaic before."""
    timings = work / "ours.json"
    command = [sys.executable, HERE / "our_mosaic.py", association, work / "l3", timings]
    run(command)  # compiles the kernels, once
    whole = run(command)
    run([*command, 3])
    return whole, json.loads(timings.read_text())


def romancal(association, cell, work, name, **environment):
    """The same; its steps are those of the one process."""
    store, timings, cells = work / "crds", work / f"{name}.json", work / "skycells.asdf"
    region = MISSION.region_at(*np.array(MISSION.named(cell).centre)[:, np.newaxis]).item()
    # the peer counts rows of the table for numbers of regions, so that it must begin at the first
    write_sky_cells(MISSION, (region,), cells)
    (store / "config" / "roman").mkdir(parents=True, exist_ok=True)
    (store / "config" / "roman" / "server_config").write_text(repr(OFFLINE))
    output = work / f"{name}_coadd.asdf"
    command = [sys.executable, HERE / "peer_mosaic.py", association, store, output, timings]
    whole = run(command, SKYMAP_PATH=str(cells), **environment)
    return whole, json.loads(timings.read_text())


OFFLINE = {
    "observatory": "roman", "latest_context": "roman_0001.pmap", "bad_files_list": [],
    "operational_context": "roman_0001.pmap", "force_remote_mode": False, "connected": False,
    "last_synced": "never",
}  # fmt: skip
"""What the peer must find in place of its server of reference files, of which it needs none."""


TOLD = 0.1
"""Steps of ours that take less have no ratio [s]."""


def table(title, sides):
    """Lines of the comparison: seconds, and how many times faster."""
    names, mine = list(sides), sides["ours"]
    others = names[1:]
    yield f"{title:20s}" + "".join(f"{name:>11s}" for name in names + ["ratio"] * len(others))
    steps = [step for step in mine[1] if any(step in sides[name][1] for name in others)]
    rows = {step: [sides[name][1][step]["wall"] for name in names] for step in steps}
    peers = [sum(row["wall"] for row in sides[name][1].values()) for name in others]
    rows["file to file"] = [mine[1]["file to file"]["wall"], *peers]
    for key, label in (("wall", "process wall [s]"), ("cpu", "process CPU [s]"),
                       ("peak_gib", "process [GiB]")):  # fmt: skip
        rows[label] = [sides[name][0][key] for name in names]
    for label, values in rows.items():
        numbers = [f"{value:11.2f}" for value in values]
        # ours only decides in some steps, and touches pixels in the last
        numbers += [f"{value / values[0]:11.1f}" for value in values[1:] if values[0] > TOLD]
        yield f"{label:20s}" + "".join(numbers)


def agreement(work):
    """How the two mosaics compare, over all pixels that both have."""
    (path,) = (work / "l3").glob("*_coadd.asdf")
    with open_asdf(path) as one, open_asdf(work / "romancal_coadd.asdf") as other:
        mine, theirs = (np.asarray(of["roman"]["data"]) for of in (one, other))
    common = np.isfinite(mine) & np.isfinite(theirs)
    difference = mine[common] - theirs[common]
    low, middle, high = np.percentile(difference, [15.87, 50, 84.13])
    sky = np.median(mine[common])
    return (
        f"{common.mean():.4f} of the pixels in both; ours less romancal's: median "
        f"{middle / sky:.1e}, half of the middle 68 % {(high - low) / 2 / sky:.1e} of the sky"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("l2", nargs="*", type=Path, help="L2 files; simulated where omitted")
    parser.add_argument("--cell", default=CELL)
    parser.add_argument("--images", nargs="*", type=int, default=[2, EXPOSURES])
    parser.add_argument("--only", nargs="*", choices=("romancal", "tuned"))
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--store", type=Path, help="reference store; bootstrapped where omitted")
    options = parser.parse_args()
    root = options.work.resolve()
    files = sorted(options.l2) or simulated(root, options.store)
    lines = []
    for count in options.images:
        work = root / "mosaic" / f"{count}_images"
        (work / "l3").mkdir(parents=True, exist_ok=True)
        association = work / f"mosaic_of_{count}.json"
        associate(files[:count], options.cell, association)
        sides = {"ours": ours(association, work)}
        for name, environment in (("romancal", {}), ("tuned", TUNED)):
            if options.only is None or name in options.only:
                sides[name] = romancal(association, options.cell, work, name, **environment)
        lines.extend(table(f"{count} images", sides))
        if "romancal" in sides:
            lines.append(agreement(work))
    print("\n".join(lines))
    (root / "mosaic" / "side_by_side.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
