"""What was found on an image: a catalogue and the pixels of its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The sources of one image; written beside it as catalogue and segmentation map."""

    columns: Mapping[str, NDArray[Any]]
    """Column by name, each (n,), in the order of the file; see ``source_columns``."""

    segments: NDArray[np.uint32]
    """(row, column): label of the source that a pixel belongs to, 0 for the sky."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """How the sources were measured: radii, thresholds, versions."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))
