"""romancal's source catalogue and alignment of an L2 image, timed, on a store of ours.

Runs in the peer's environment and imports nothing of roman_dms:

    python benchmarks/peer_catalogue.py L2_FILE STORE FOLDER TIMINGS.json [STARS.ecsv] [deblend]

With STARS, a table of reference stars (RA, DEC), the image is aligned to them as well; the
catalogue, the map of the segments and the aligned image go to FOLDER.
"""

from __future__ import annotations

import os
import sys

from peer_timings import Timings, use_store

L2, STORE, FOLDER, TIMINGS = sys.argv[1:5]
STARS = next((word for word in sys.argv[5:] if word.endswith(".ecsv")), None)
use_store(STORE)

import roman_datamodels.datamodels as rdm  # noqa: E402
from romancal import step as peer  # noqa: E402
from romancal.datamodels import ModelLibrary  # noqa: E402


def main():
    os.makedirs(FOLDER, exist_ok=True)  # noqa: PTH103
    timings = Timings()
    model = timings.of("read", lambda: rdm.open(L2))
    deblend = "deblend" in sys.argv
    step = peer.SourceCatalogStep(deblend=deblend)
    catalog, segments = timings.of("source_catalog", lambda: step.run(model))
    print(len(catalog.source_catalog), "sources")
    if STARS:
        model.meta["source_catalog"] = {"tweakreg_catalog": catalog.source_catalog}
        align = peer.TweakRegStep(abs_refcat=STARS)
        library = timings.of("tweakreg", lambda: align.run(ModelLibrary([model])))
        with library:
            model = library.borrow(0)
            library.shelve(model, modify=False)
        print("tweakreg", model.meta.cal_step.tweakreg)
        timings.of("write", lambda: model.save(os.path.join(FOLDER, "peer_cal.asdf")))  # noqa: PTH118
    timings.of("write catalog", lambda: catalog.to_parquet(f"{FOLDER}/peer_cat.parquet"))
    segments.save(os.path.join(FOLDER, "peer_segm.asdf"))  # noqa: PTH118
    timings.write(TIMINGS)


if __name__ == "__main__":
    main()
