"""Flat field: the relative response of the pixels to light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.stages import Band


@dataclass(frozen=True)
class FlatField:
    """The detector's relative response, on light alone."""

    def response(self, band: Band, properties: Properties) -> NDArray[np.float32] | float:
        """Factor on the light of a band."""
        return 1.0 if properties.flat is None else band.of(properties.flat, 0)
