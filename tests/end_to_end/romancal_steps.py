"""Run some of romancal's steps on a file, with a store of ours as its CRDS cache.

    python romancal_steps.py INPUT STORE OUTPUT step,step,...

A process of its own: the CRDS client is configured once, when it is imported.
"""

from __future__ import annotations

import json
import logging
import os
import sys

SOURCE, STORE, OUTPUT, NAMES = sys.argv[1:5]
os.environ |= {
    "CRDS_PATH": STORE,
    "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
    "CRDS_OBSERVATORY": "roman",
    "STPIPE_DISABLE_CRDS_STEPPARS": "true",
}

import roman_datamodels.datamodels as rdm  # noqa: E402
from romancal import step as peer  # noqa: E402

logging.disable(logging.INFO)
STEPS = {
    "dq_init": peer.DQInitStep,
    "saturation": peer.SaturationStep,
    "linearity": peer.LinearityStep,
    "ramp_fit": peer.RampFitStep,
    "dark": peer.DarkCurrentStep,
    "assign_wcs": peer.AssignWcsStep,
    "photom": peer.PhotomStep,
    "flat_field": peer.FlatFieldStep,
}


def main() -> None:
    model = rdm.open(SOURCE, memmap=False)
    for name in NAMES.split(","):
        model = STEPS[name]().run(model)
    model.save(OUTPUT)
    sys.stdout.write(json.dumps(dict(model.meta.cal_step)) + "\n")


if __name__ == "__main__":
    main()
