"""Places between the nodes of a grid of PSFs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def between(
    nodes: NDArray[np.float64], places: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Node before each place, node after it and the way between them, 0 to 1.

    Places beyond the outermost nodes are taken as those.
    """
    place = np.clip(np.interp(places, nodes, np.arange(len(nodes), dtype=float)), 0, None)
    before = np.floor(place).astype(np.int64)
    after = np.minimum(before + 1, len(nodes) - 1)
    return before, after, place - before
