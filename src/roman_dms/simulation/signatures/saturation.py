"""Saturation: a full pixel counts no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage


@dataclass(frozen=True)
class Saturation:
    """The largest signal of a pixel."""

    headroom: float = 1.1
    """Factor from the threshold, at which a pixel is called saturated, to the signal
    that it cannot exceed (as in ``romanisim`` 0.14)."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """Limit the measured signal [DN]."""
        threshold = exposure.properties.saturation
        if threshold is None:
            return None

        def open_band(band: Band) -> Action:
            full = band.of(threshold, np.inf) * np.float32(self.headroom)

            def limit(signal: NDArray[np.float32], _read: int) -> None:
                np.minimum(signal, full, out=signal)

            return limit

        return open_band
