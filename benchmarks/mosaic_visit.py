"""A visit of 18 whole detectors to all its sky cells: time, memory, how often pixels are read.

    python benchmarks/mosaic_visit.py L2FILE FOLDER [--exposures 1] [--pixel-scale 0.11]

One whole-detector image stands for all: its copies get the WCS of each of the 18 detectors
(FOLDER, 0.3 GB each).  Mosaics are removed as soon as they are written.
"""

from __future__ import annotations

import argparse
import collections
import os
import resource
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.products import read_rate_image
from roman_dms.formats.stored_arrays import FileArray
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.mosaics.steps.making import Wanted, make_mosaics
from roman_dms.pipeline.memory import keep_freed_memory
from roman_dms.pipeline.runner import Observer
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.recipes import MOSAIC, load
from roman_dms.simulation.steps.pointing import attitude_of
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.tessellation import MISSION
from roman_dms.sky.wcs import Pointing, build_wcs, s_region

DETECTORS = [f"WFI{number:02d}" for number in range(1, 19)]
SHAPE = (4088, 4088)


def wcs_of(planned: PlannedExposure, name: str):
    """The WCS of a detector."""
    attitude, place = attitude_of(planned), detector_aperture(name)
    ra, dec = attitude.sky(place.v2_ref, place.v3_ref)
    roll = attitude.roll_at(place.v2_ref, place.v3_ref)
    pointing = Pointing(place.v2_ref, place.v3_ref, ra, dec, roll, attitude.velocity_scale)
    return build_wcs(distortion_model(name), pointing, SHAPE)


def make_visit(source: Path, folder: Path, exposures: int) -> list[Path]:
    """Files of 18 detectors and some dithers."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for exposure in range(1, exposures + 1):
        planned = PlannedExposure(
            ra=270.0 + 0.004 * exposure, dec=66.0 + 0.002 * exposure, position_angle=20.0,
            element="F158", ma_table=4, start=61557.0, exposure=exposure,
        )  # fmt: skip
        for name in DETECTORS:
            path = folder / f"{planned.stem(name)}_cal.asdf"
            made.append(path)
            if path.exists():
                continue
            beside = path.with_suffix(".part")
            beside.write_bytes(source.read_bytes())
            wcs = wcs_of(planned, name)
            update_metadata(
                beside,
                {
                    "wcs": wcs,
                    "wcsinfo.s_region": s_region(wcs),
                    "instrument.detector": name,
                    "observation.exposure": exposure,
                },
            )
            beside.rename(path)
    return made


def count_reads() -> collections.Counter:
    """How often arrays of whole images are read from now on."""
    reads: collections.Counter = collections.Counter()
    rows = FileArray.rows

    def counted(self, start, stop):
        if self.shape == SHAPE:
            reads["rows"] += stop - start
        return rows(self, start, stop)

    FileArray.rows = counted
    return reads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--exposures", type=int, default=1)
    parser.add_argument("--pixel-scale", type=float, default=0.11)
    options = parser.parse_args()
    keep_freed_memory()
    files = make_visit(options.image, options.folder, options.exposures)
    image = read_rate_image(options.image)
    arrays = 4 + (image.var_flat is not None)
    del image
    reads, began, cpu = count_reads(), time.perf_counter(), time.process_time()
    wanted = Wanted(files, MISSION, options.folder / "l3", options.pixel_scale)
    seconds, covered = [], []
    for made in make_mosaics(
        wanted,
        load(MOSAIC),
        lambda _title, _steps: nullcontext(Observer()),
        workers=os.cpu_count() or 1,
    ):
        seconds.append(made.seconds)
        covered.append(made.run.product.meta["statistics.good_pixel_fraction"])
        made.output.unlink()
        print(f"{made.cell.name} {covered[-1]:5.0%} covered {seconds[-1]:6.2f} s", flush=True)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    per_image = reads["rows"] / SHAPE[0] / arrays / len(files)
    print(
        f"{len(files)} images, {len(seconds)} mosaics of {np.sum(covered):.1f} cells: "
        f"wall {wall:.1f} s, CPU {cpu:.1f} s, peak {peak:.2f} GiB, "
        f"each array read {per_image:.2f} times"
    )


if __name__ == "__main__":
    main()
