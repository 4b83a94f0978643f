"""romancal's source catalogue and alignment of an L2 image, timed, on a store of ours.

Runs in the peer's environment and imports nothing of roman_dms:

    python benchmarks/peer_catalogue.py L2_FILE STORE FOLDER TIMINGS.json [STARS.ecsv] [deblend]

With STARS, a table of reference stars (RA, DEC), the image is aligned to them as well; the
catalogue, the map of the segments and the aligned image go to FOLDER.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sys
import time

L2, STORE, FOLDER, TIMINGS = sys.argv[1:5]
STARS = next((word for word in sys.argv[5:] if word.endswith(".ecsv")), None)
os.environ["CRDS_PATH"] = os.path.abspath(STORE)  # noqa: PTH100
os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
os.environ["CRDS_OBSERVATORY"] = "roman"
os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"

import roman_datamodels.datamodels as rdm  # noqa: E402
from romancal import step as peer  # noqa: E402
from romancal.datamodels import ModelLibrary  # noqa: E402


def timed(name, function, rows):
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    rows[name] = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(f"{name:16s} {rows[name]['wall']:8.2f} s", flush=True)
    return result


def main():
    logging.disable(logging.INFO)
    os.makedirs(FOLDER, exist_ok=True)  # noqa: PTH103
    rows = {}
    model = timed("read", lambda: rdm.open(L2), rows)
    deblend = "deblend" in sys.argv
    step = peer.SourceCatalogStep(deblend=deblend)
    catalog, segments = timed("source_catalog", lambda: step.run(model), rows)
    print(len(catalog.source_catalog), "sources")
    if STARS:
        model.meta["source_catalog"] = {"tweakreg_catalog": catalog.source_catalog}
        align = peer.TweakRegStep(abs_refcat=STARS)
        library = timed("tweakreg", lambda: align.run(ModelLibrary([model])), rows)
        with library:
            model = library.borrow(0)
            library.shelve(model, modify=False)
        print("tweakreg", model.meta.cal_step.tweakreg)
        timed("write", lambda: model.save(os.path.join(FOLDER, "peer_cal.asdf")), rows)  # noqa: PTH118
    timed("write catalog", lambda: catalog.to_parquet(f"{FOLDER}/peer_cat.parquet"), rows)
    segments.save(os.path.join(FOLDER, "peer_segm.asdf"))  # noqa: PTH118
    with open(TIMINGS, "w") as file:  # noqa: PTH123
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
