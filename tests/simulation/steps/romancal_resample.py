"""Let romancal make a mosaic of a rate image.

    python romancal_resample.py INPUT STORE OUTPUT

A process of its own: the CRDS client is configured once, when it is imported.
"""

from __future__ import annotations

import logging
import os
import sys


def main(source: str, store: str, output: str) -> None:
    os.environ |= {
        "CRDS_PATH": store,
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        "CRDS_OBSERVATORY": "roman",
        "STPIPE_DISABLE_CRDS_STEPPARS": "true",
    }
    import roman_datamodels.datamodels as rdm
    from romancal.datamodels import ModelLibrary
    from romancal.step import FluxStep, ResampleStep, SkyMatchStep

    logging.disable(logging.INFO)
    library = ModelLibrary([rdm.open(source, memmap=False)])
    library = FluxStep().run(library)
    library = SkyMatchStep(skymethod="match").run(library)
    ResampleStep(resample_on_skycell=False).run(library).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
