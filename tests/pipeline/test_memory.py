from __future__ import annotations

import subprocess
import sys

import pytest

CHURN = """
import resource
import numpy as np
from roman_dms.pipeline.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
from concurrent.futures import ThreadPoolExecutor
def churn(_):
    for _ in range(10):
        [np.ones(750_000, np.float32) for _ in range(8)]  # too small for huge pages
with ThreadPoolExecutor(2) as pool:
    list(pool.map(churn, range(2)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    list(pool.map(churn, range(2)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_memory_is_used_again():
    """The pages of arrays that come and go are mapped once."""
    mapped = [
        int(subprocess.check_output([sys.executable, "-c", CHURN.format(keep=keep)]))
        for keep in (False, True)
    ]
    assert mapped[1] < mapped[0] / 5
