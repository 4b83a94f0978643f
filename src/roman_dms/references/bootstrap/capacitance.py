"""Interpixel capacitance: a part of a pixel's charge shows in its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.references.bootstrap.frame import Frame, Map


def ipc(_frame: Frame) -> dict[str, Any]:
    """Kernel of the interpixel capacitance (3, 3), the same for all detectors.

    To be convolved with an image, as RAD has it: ``data[0, 0]`` is the part of a
    pixel's charge that its neighbour one row down and one column left shows.
    Source: ``galsim.roman.ipc_kernel``, which GalSim correlates with an image, so that
    it is turned by 180 degrees here.
    """
    from galsim import roman  # noqa: PLC0415 - slow to import

    kernel = np.asarray(roman.ipc_kernel.array, dtype=np.float64)[::-1, ::-1]
    return {"data": (kernel / kernel.sum()).astype(np.float32)}


def coupled(charge: Map, kernel: NDArray[np.float32]) -> Map:
    """What a detector (row, column) shows of the charge of its pixels."""
    rows, columns = charge.shape
    around = np.pad(charge, 1)
    seen = np.zeros_like(charge)
    for (row, column), share in np.ndenumerate(kernel[::-1, ::-1]):
        seen += share * around[row : row + rows, column : column + columns]
    return seen
