"""Run some of romancal's steps on a file, with a store of ours as its CRDS cache.

    python romancal_steps.py INPUT STORE OUTPUT step,step,...

A process of its own: the CRDS client is configured once, when it is imported.
"""

from __future__ import annotations

import json
import logging
import os
import sys

STEPS = {
    "dq_init": "DQInitStep",
    "saturation": "SaturationStep",
    "linearity": "LinearityStep",
    "ramp_fit": "RampFitStep",
    "dark": "DarkCurrentStep",
    "assign_wcs": "AssignWcsStep",
    "photom": "PhotomStep",
    "flat_field": "FlatFieldStep",
}


def main(source: str, store: str, output: str, names: str) -> None:
    os.environ |= {
        "CRDS_PATH": store,
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        "CRDS_OBSERVATORY": "roman",
        "STPIPE_DISABLE_CRDS_STEPPARS": "true",
    }
    import roman_datamodels.datamodels as rdm
    from romancal import step as peer

    logging.disable(logging.INFO)
    model = rdm.open(source, memmap=False)
    for name in names.split(","):
        model = getattr(peer, STEPS[name])().run(model)
    model.save(output)
    sys.stdout.write(json.dumps(dict(model.meta.cal_step)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
