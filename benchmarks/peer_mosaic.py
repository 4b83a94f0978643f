"""romancal's mosaic of an association, step by step, timed.

Runs in the peer's environment and imports nothing of roman_dms:

    python benchmarks/peer_mosaic.py ASSOCIATION.json STORE OUTPUT.asdf TIMINGS.json

The association carries the pixels of its sky cell (``skycell_wcs_info``).  The steps are
those of romancal's mosaic pipeline with their defaults, but for the source catalogue.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sys
import time

ASSOCIATION, STORE, OUTPUT, TIMINGS = sys.argv[1:5]
os.environ["CRDS_PATH"] = os.path.abspath(STORE)  # noqa: PTH100
os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
os.environ["CRDS_OBSERVATORY"] = "roman"
os.environ["CRDS_CONTEXT"] = "roman_0001.pmap"
os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"

from romancal import step as peer  # noqa: E402
from romancal.datamodels import ModelLibrary  # noqa: E402

STEPS = {
    "flux": peer.FluxStep,
    "skymatch": peer.SkyMatchStep,
    "outlier_detection": peer.OutlierDetectionStep,
    "resample": peer.ResampleStep,
}


def timed(name, function, rows):
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    rows[name] = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(f"{name:18s} {rows[name]['wall']:8.2f} s", flush=True)
    return result


def main():
    logging.disable(logging.INFO)
    rows = {}
    product = timed("read", lambda: ModelLibrary(ASSOCIATION), rows)
    for name, step in STEPS.items():
        product = timed(name, lambda step=step, product=product: step().run(product), rows)
    timed("write", lambda: product.save(OUTPUT), rows)
    print("mosaic", product.data.shape)
    with open(TIMINGS, "w") as file:  # noqa: PTH123
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
