"""Simulate what the peer simulated, and time it: L1 and idealised L2, file to file.

python benchmarks/our_simulation.py SCENE STORE FOLDER TIMES.json [TIMES]
"""

import json
import resource
import sys
import time
from pathlib import Path

from roman_dms.pipeline.memory import keep_freed_memory
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.steps.image import make_image
from roman_dms.simulation.steps.raw import make_raw
from roman_dms.simulation.steps.request import ExposureRequest, scene_in

POINTING = {"ra": 270.0, "dec": 66.0, "position_angle": 0.0}
"""That of ``simulate_l1.py``."""


def main():
    scene, store, folder, timings = map(Path, sys.argv[1:5])
    repeat = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    keep_freed_memory()
    folder.mkdir(parents=True, exist_ok=True)
    request = ExposureRequest(scene=scene, store=store, seed=1)
    exposure = PlannedExposure(**POINTING, element="F158", ma_table=4, start=61557.0)
    found = {}
    for name, make in (("L1", make_raw), ("L2", make_image)):
        times = []
        for _ in range(repeat):
            scene_in.cache_clear()
            began, cpu = time.perf_counter(), time.process_time()
            make(request, exposure, "WFI01", folder)
            times.append((time.perf_counter() - began, time.process_time() - cpu))
        found[name] = {"wall": min(times)[0], "cpu": min(times)[1]}
        found[name]["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(name, [round(wall, 2) for wall, _ in times], f"{found[name]['peak_gib']:.2f} GiB")
    timings.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
