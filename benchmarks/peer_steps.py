"""romancal's exposure pipeline step by step, timed, on a store of ours.

Runs in the peer's environment and imports nothing of roman_dms:

    python benchmarks/peer_steps.py L1_FILE STORE OUTPUT.asdf TIMINGS.json [PRODUCTS] [STARS.ecsv]

With STARS, a table of reference stars (ra, dec), the source catalogue and the alignment
to them come after the other steps; catalogue and segments go beside OUTPUT.

With PRODUCTS, a directory, the product of every other step is saved there as well,
outside of the timings (about 4 GB for a full detector).
"""

from __future__ import annotations

import os
import sys

from peer_timings import Timings, use_store

L1, STORE, OUTPUT, TIMINGS = sys.argv[1:5]
STARS = next((word for word in sys.argv[5:] if word.endswith(".ecsv")), None)
PRODUCTS = next((word for word in sys.argv[5:] if word != STARS), None)
use_store(STORE)

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


def catalogued_and_aligned(model, timings):
    """The image aligned to STARS; catalogue and segments are written beside OUTPUT."""
    step = peer.SourceCatalogStep()
    catalog, segments = timings.of("source_catalog", lambda: step.run(model))
    model.meta["source_catalog"] = {"tweakreg_catalog": catalog.source_catalog}
    step = peer.TweakRegStep(abs_refcat=STARS)
    library = timings.of("align", lambda: step.run(ModelLibrary([model])))
    with library:
        model = library.borrow(0)
        library.shelve(model, modify=False)
    print("align", model.meta.cal_step.tweakreg)
    root = OUTPUT.removesuffix(".asdf")
    timings.of("write catalog", lambda: catalog.to_parquet(f"{root}_cat.parquet"))
    timings.of("write segments", lambda: segments.save(f"{root}_segm.asdf"))
    return model


def main():
    timings = Timings()
    model = timings.of("read", lambda: rdm.open(L1))
    for name, step in STEPS.items():
        model = timings.of(name, lambda step=step, model=model: step().run(model))
        if PRODUCTS:
            model.save(os.path.join(PRODUCTS, f"{name}.asdf"))  # noqa: PTH118
    if STARS:
        model = catalogued_and_aligned(model, timings)
    timings.of("write", lambda: model.save(OUTPUT))
    timings.write(TIMINGS)


if __name__ == "__main__":
    main()
