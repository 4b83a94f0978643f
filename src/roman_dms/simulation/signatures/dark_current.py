"""Dark current: electrons that need no light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.stages import Band


@dataclass(frozen=True)
class DarkCurrent:
    """The detector's dark current; hot pixels are part of it."""

    scale: float = 1.0
    """Factor on the detector's dark rate."""

    def rate(
        self, band: Band, properties: Properties, gain: NDArray[np.float32]
    ) -> NDArray[np.float32] | float:
        """Electrons a second of a band, whose gain is given [electron / DN]."""
        if properties.dark_rate is None:
            return 0.0
        return np.float32(self.scale) * band.of(properties.dark_rate, 0) * gain
