"""Dark current: electrons that need no light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.interpixel_capacitance import TERMS, uncoupled
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.stages import Band

LARGEST = 1e9
"""Most electrons a second; many times what fills a pixel."""


@dataclass(frozen=True)
class DarkCurrent:
    """The detector's dark current; hot pixels are part of it."""

    scale: float = 1.0
    """Factor on the detector's dark rate."""

    def rate(
        self, band: Band, properties: Properties, kernel: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | float:
        """Electrons a second that the pixels of a band release.

        Dark rates are measured on pixels that are coupled by a kernel (3, 3), so that
        neighbours of a hot pixel show a part of its charge: that is taken back here, since
        the readout couples the charge again.  Without a kernel the rate is as measured.
        """
        if properties.dark_rate is None:
            return 0.0
        margin = 0 if kernel is None else TERMS
        first = max(band.start - margin, 0)
        wide = Band(band.detector, first, min(band.stop + margin, band.detector.rows))
        seen = np.float32(self.scale) * wide.of(properties.dark_rate, 0) * wide.gain(properties)
        if kernel is None:
            return seen
        inside = slice(band.start - first, band.stop - first)
        return uncoupled(np.clip(seen, -LARGEST, LARGEST), kernel)[inside]
