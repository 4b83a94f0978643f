"""romancal's mosaic of an association, step by step, timed.

Runs in the peer's environment and imports nothing of roman_dms:

    python benchmarks/peer_mosaic.py ASSOCIATION.json STORE OUTPUT.asdf TIMINGS.json

The association carries the pixels of its sky cell (``skycell_wcs_info``).  The steps are
those of romancal's mosaic pipeline with their defaults, but for the source catalogue.
"""

from __future__ import annotations

import sys

from peer_timings import Timings, use_store

ASSOCIATION, STORE, OUTPUT, TIMINGS = sys.argv[1:5]
use_store(STORE, "roman_0001.pmap")

from romancal import step as peer  # noqa: E402
from romancal.datamodels import ModelLibrary  # noqa: E402

STEPS = {
    "flux": peer.FluxStep,
    "skymatch": peer.SkyMatchStep,
    "outlier_detection": peer.OutlierDetectionStep,
    "resample": peer.ResampleStep,
}


def main():
    timings = Timings()
    product = timings.of("read", lambda: ModelLibrary(ASSOCIATION))
    for name, step in STEPS.items():
        product = timings.of(name, lambda step=step, product=product: step().run(product))
    timings.of("write", lambda: product.save(OUTPUT))
    print("mosaic", product.data.shape)
    timings.write(TIMINGS)


if __name__ == "__main__":
    main()
