"""What the programs that run romancal share: where its references are, and its timings.

Runs in the peer's environment and imports nothing of roman_dms.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import time


def use_store(store, context=None):
    """Let romancal read a store of ours, without the network; before it is imported."""
    os.environ["CRDS_PATH"] = os.path.abspath(store)  # noqa: PTH100
    os.environ["CRDS_SERVER_URL"] = "https://crds-serverless-mode.stsci.edu"
    os.environ["CRDS_OBSERVATORY"] = "roman"
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    if context:
        os.environ["CRDS_CONTEXT"] = context
    logging.disable(logging.INFO)


class Timings(dict):
    """Wall and CPU time and the peak of memory so far, by the name of the step."""

    def of(self, name, function):
        """The result of the function; what it took is kept and printed."""
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        self[name] = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
        print(f"{name:18s} {self[name]['wall']:8.2f} s", flush=True)
        return result

    def write(self, path):
        """As JSON."""
        with open(path, "w") as file:  # noqa: PTH123
            json.dump(self, file, indent=1)
