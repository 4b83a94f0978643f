"""Cut a miniature exposure out of a full-size one.

Usage::

    python benchmarks/cut_miniature.py FULL_UNCAL.asdf tests/data/miniature

The miniature stands for a whole detector of 1024 x 1024 pixels with 8 channels.
Its interior is a window of the full detector, at ``MINIATURE["window"]``; its
frame of reference pixels is cut from the frame of the full detector, in the same
rows and columns; its rows of amplifier 33 are the window's.  References are cut
the same way by ``rdms references bootstrap --miniature``, which makes them from
the same seed.  Where the truth lies beside the full exposure, it is cut as well.
"""

import argparse
import dataclasses
from pathlib import Path

import asdf
import numpy as np

from roman_dms.formats import read_raw_exposure, write_product
from roman_dms.instrument.detectors import Detector
from roman_dms.references.bootstrap import MINIATURE
from roman_dms.references.bootstrap.frame import Frame


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("full", type=Path, help="L1 file that simulate_l1.py made")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    full, folder = options.full, options.folder
    folder.mkdir(parents=True, exist_ok=True)
    frame = Frame(
        Detector(MINIATURE["detectors"][0]), window=MINIATURE["window"], size=MINIATURE["size"]
    )
    cut_exposure(full, folder / full.name, frame)
    truth = full.with_name(full.name.replace("_uncal", "_truth"))
    if truth.exists():
        cut_truth(truth, folder / truth.name, frame)


def cut_exposure(full, path, frame):
    """Write the L1 file; with zlib, since lz4 does not shrink the noise of 16-bit counts."""
    exposure = read_raw_exposure(full)
    x0, y0 = frame.corner
    origin = {"file": full.name, "window_x": x0, "window_y": y0, "size": frame.size}
    miniature = dataclasses.replace(
        exposure,
        data=frame.cut(np.asarray(exposure.data)),
        amp33=np.ascontiguousarray(np.asarray(exposure.amp33)[:, frame.rows]),
        extras={**exposure.extras, "cut_from": origin},
    )
    write_product(miniature, path, compression="zlib")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def cut_truth(full, path, frame):
    """Write the electrons of each science pixel as float16 of their square root, and the hits."""
    with asdf.open(full, memmap=False) as file:
        electrons, hit = np.array(file["electrons"]), np.array(file["hit"])
        exposure_time = file["exposure_time"]
    hits = frame.cut(np.unpackbits(hit, axis=-1)).astype(bool)
    tree = {
        "exposure_time": exposure_time,
        "root_electrons": np.sqrt(np.maximum(frame.cut_science(electrons), 0)).astype(np.float16),
        "hit": np.argwhere(hits).astype(np.int16),
        "description": "square root of the electrons that each science pixel collected in the "
        "exposure, with photon noise and dark current, without cosmic rays and read noise; "
        "hit: resultant, row, column (with border) that a cosmic ray struck",
    }
    asdf.AsdfFile(tree).write_to(path, all_array_compression="zlib")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
