"""Peak memory of the mosaic of a sky cell from few and from many images.

    python benchmarks/mosaic_memory.py [L2_FILE ...] [--cell NAME] [--images 8 32 100]

The images are those given, eight simulated ones by default, under as many names as are asked for
(links, so that a hundred take no room).  Pixels that do not fit are kept in a file without name
in TMPDIR: up to 190 MB for each image of a whole detector.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from mosaic_side_by_side import CELL, RDMS, simulated
from side_by_side import HERE, run

LARGEST = 4e9 / 2**30
"""Asked for: 4 GB [GiB]."""


def linked(files, count, folder):
    """So many names for files, as the mission would write them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"r0000101001001001001_{number + 1:04d}_wfi01_f158_cal.asdf"
        path.symlink_to(files[number % len(files)].resolve())
    return sorted(folder.glob("*_cal.asdf"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("l2", nargs="*", type=Path, help="L2 files; simulated where omitted")
    parser.add_argument("--cell", default=CELL)
    parser.add_argument("--images", nargs="*", type=int, default=[8, 32, 100])
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--store", type=Path, help="reference store; bootstrapped where omitted")
    options = parser.parse_args()
    root = options.work.resolve()
    files = sorted(options.l2) or simulated(root, options.store)
    work, lines = root / "mosaic" / "memory", []
    lines.append(f"{'images':>8s}{'wall [s]':>10s}{'CPU [s]':>10s}{'peak [GiB]':>12s}   asked")
    for count in options.images:
        names = linked(files, count, work / "l2")
        row = run([RDMS, "mosaic", *names, "--cell", options.cell, "-o", work / "l3"])
        met = "met" if row["peak_gib"] <= LARGEST else "NOT MET"
        lines.append(
            f"{count:8d}{row['wall']:10.1f}{row['cpu']:10.1f}{row['peak_gib']:12.2f}"
            f"   {LARGEST:.2f} GiB: {met}"
        )
    print("\n".join(lines))
    (root / "mosaic" / "memory.txt").write_text("\n".join(lines) + "\n")
    shutil.rmtree(work / "l2")


if __name__ == "__main__":
    main()
