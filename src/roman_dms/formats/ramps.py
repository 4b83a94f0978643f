"""Ramps on their way from L1 to L2, saved between steps as RAD's ``ramp``."""

from __future__ import annotations

from typing import Any

import numpy as np

from roman_dms.formats.exposures import (
    borders_of,
    check_array,
    metadata_of,
    require,
    tree_of,
    tree_of_borders,
)
from roman_dms.formats.trees import TaggedFile
from roman_dms.instrument.detectors import detector
from roman_dms.products.exposure import Ramp

RAMP = "ramp"

_ARRAYS = {"data": ("f4", 3), "pixeldq": ("u4", 2), "groupdq": ("u1", 3), "amp33": ("u2", 3)}


def ramp_of(file: TaggedFile) -> Ramp:
    """The ramp in an opened file, its pixels in memory."""
    tree = tree_of(file, RAMP)
    meta = metadata_of(tree, file.name)
    arrays: dict[str, Any] = {}
    for key, (kind, ndim) in _ARRAYS.items():
        require(tree, key, file.name)
        arrays[key] = tree.pop(key)
        check_array(arrays[key], key, kind, ndim, file.name)
    rows, columns = arrays["data"].shape[-2:]
    return Ramp(
        meta=meta,
        detector=detector(meta.detector, (rows, columns)),
        data=np.asarray(arrays["data"]),
        dq=np.asarray(arrays["pixeldq"]),
        resultant_dq=np.asarray(arrays["groupdq"]),
        amp33=arrays["amp33"],
        borders=borders_of(tree, (rows, columns), file.name),
        extras=tree,
    )


def tree_of_ramp(ramp: Ramp) -> dict[str, Any]:
    """The tree of RAD's ``ramp``."""
    tree: dict[str, Any] = {
        "meta": ramp.meta.tree(),
        "data": np.asarray(ramp.data).astype(np.float32, copy=False),
        "pixeldq": ramp.dq,
        "groupdq": ramp.resultant_dq,
        "amp33": ramp.amp33,
    }
    return tree | tree_of_borders(ramp.borders) | dict(ramp.extras)
