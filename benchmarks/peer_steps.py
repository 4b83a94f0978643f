"""romancal's exposure pipeline step by step, timed, on a store of ours.

Runs in the peer's environment and imports nothing of roman_dms:

    python benchmarks/peer_steps.py L1_FILE STORE OUTPUT.asdf TIMINGS.json [PRODUCTS] [STARS.ecsv]

With STARS, a table of reference stars (ra, dec), the source catalogue and the alignment
to them come after the other steps; catalogue and segments go beside OUTPUT.

With PRODUCTS, a directory, the product of every other step is saved there as well,
outside of the timings (about 4 GB for a full detector).
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sys
import time

L1, STORE, OUTPUT, TIMINGS = sys.argv[1:5]
STARS = next((word for word in sys.argv[5:] if word.endswith(".ecsv")), None)
PRODUCTS = next((word for word in sys.argv[5:] if word != STARS), None)
os.environ["CRDS_PATH"] = os.path.abspath(STORE)  # noqa: PTH100
os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
os.environ["CRDS_OBSERVATORY"] = "roman"
os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"

import roman_datamodels.datamodels as rdm  # noqa: E402
from romancal import step as peer  # noqa: E402
from romancal.datamodels import ModelLibrary  # noqa: E402

STEPS = {
    "dq_init": peer.DQInitStep,
    "saturation": peer.SaturationStep,
    "refpix": peer.RefPixStep,
    "dark_decay": peer.DarkDecayStep,
    "wfi18_transient": peer.WFI18TransientStep,
    "linearity": peer.LinearityStep,
    "ramp_fit": peer.RampFitStep,
    "dark": peer.DarkCurrentStep,
    "assign_wcs": peer.AssignWcsStep,
    "photom": peer.PhotomStep,
    "flat_field": peer.FlatFieldStep,
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
    print(f"{name:16s} {rows[name]['wall']:8.2f} s", flush=True)
    return result


def catalogued_and_aligned(model, rows):
    """The image aligned to STARS; catalogue and segments are written beside OUTPUT."""
    step = peer.SourceCatalogStep()
    catalog, segments = timed("source_catalog", lambda: step.run(model), rows)
    model.meta["source_catalog"] = {"tweakreg_catalog": catalog.source_catalog}
    step = peer.TweakRegStep(abs_refcat=STARS)
    library = timed("align", lambda: step.run(ModelLibrary([model])), rows)
    with library:
        model = library.borrow(0)
        library.shelve(model, modify=False)
    print("align", model.meta.cal_step.tweakreg)
    root = OUTPUT.removesuffix(".asdf")
    timed("write catalog", lambda: catalog.to_parquet(f"{root}_cat.parquet"), rows)
    timed("write segments", lambda: segments.save(f"{root}_segm.asdf"), rows)
    return model


def main():
    logging.disable(logging.INFO)
    rows = {}
    model = timed("read", lambda: rdm.open(L1), rows)
    for name, step in STEPS.items():
        model = timed(name, lambda step=step, model=model: step().run(model), rows)
        if PRODUCTS:
            model.save(os.path.join(PRODUCTS, f"{name}.asdf"))  # noqa: PTH118
    if STARS:
        model = catalogued_and_aligned(model, rows)
    timed("write", lambda: model.save(OUTPUT), rows)
    with open(TIMINGS, "w") as file:  # noqa: PTH123
        json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
