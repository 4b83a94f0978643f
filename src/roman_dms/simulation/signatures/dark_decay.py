"""The dark signal that decays after a reset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.readout import row_and_column_times
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage

REFERENCE_READ = 1.5
"""The amplitude holds at the middle of the first read, in frames after the reset."""


@dataclass(frozen=True)
class DarkDecay:
    """An exponential in the time at which a pixel is read."""

    scale: float = 1.0
    """Factor on the detector's amplitude."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """Add the decaying signal to the measured one [DN]."""
        if exposure.properties.dark_decay is None:
            return None
        amplitude, tau = exposure.properties.dark_decay
        detector, frame_time = exposure.detector, exposure.pattern.frame_time
        row_times, column_times = row_and_column_times(detector, frame_time)
        by_column = np.exp(-column_times / tau).astype(np.float32)

        def open_band(band: Band) -> Action:
            at_start = self.scale * amplitude * np.exp(-row_times[band.rows, None] / tau)

            def add(signal: NDArray[np.float32], read: int) -> None:
                factor = np.exp(-(read - REFERENCE_READ) * frame_time / tau)
                signal += (factor * at_start).astype(np.float32) * by_column

            return add

        return open_band
