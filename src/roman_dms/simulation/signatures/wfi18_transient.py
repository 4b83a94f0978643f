"""The transient in the first read of detector WFI18.

After a reset the rows that are read first show a signal that falls as a sum of two
exponentials in the time since the start of the read: the form that the mission's
calibration pipeline assumes (``romancal`` 1.1, step ``wfi18_transient``).  Its
defaults here are of the size with which that step begins its fit; no measurement
is public.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.readout import row_and_column_times
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage


@dataclass(frozen=True)
class Transient:
    """A sum of two exponentials in the first read."""

    amplitudes: tuple[float, float] = (22.0, -2.0)
    """At the start of the read [DN]."""

    time_constants: tuple[float, float] = (0.23, 0.77)
    """[s]."""

    detectors: tuple[str, ...] = ("WFI18",)
    """Which detectors have it."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """Add the transient to the measured signal [DN] of read 1."""
        if exposure.detector.name not in self.detectors:
            return None
        rows, columns = row_and_column_times(exposure.detector, exposure.pattern.frame_time)

        def open_band(band: Band) -> Action:
            times = np.add.outer(rows[band.rows], columns)
            first = np.zeros(band.shape, np.float32)
            for amplitude, tau in zip(self.amplitudes, self.time_constants, strict=True):
                first += amplitude * np.exp(-times / tau)

            def add(signal: NDArray[np.float32], read: int) -> None:
                if read == 1:
                    signal += first

            return add

        return open_band
