"""Integral non-linearity of the converters, one for each channel.

A reference tabulates what must be *added to a count* m so that it is the signal
that the converter was given, x = m + correction(m).  Here the signal is known
and the count is wanted: the table is turned round, and what the converter adds is

    m - x    at x = m + correction(m)

tabulated again at each whole DN and interpolated linearly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import ReferenceDataError
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage

COUNTS = 65536
"""Counts of the converter."""


@dataclass(frozen=True)
class IntegralNonlinearity:
    """Departures of the converters from a straight line."""

    scale: float = 1.0
    """Factor on the corrections of the detector."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """Distort the signal [DN] as the converters do."""
        if exposure.properties.converter is None:
            return None
        signals, corrections = exposure.properties.converter
        table = departures(signals, self.scale * np.asarray(corrections))

        def open_band(_band: Band) -> Action:
            def distort(signal: NDArray[np.float32], _read: int) -> None:
                convert(signal, table)

            return distort

        return open_band


def departures(signals: NDArray[Any], corrections: NDArray[np.float64]) -> NDArray[np.float32]:
    """What each channel adds to a signal of 0, 1, ... 65535 DN, (channel, 65536).

    Raises
    ------
    ReferenceDataError
        Where a table, once added, does not rise: a count would have two signals.
    """
    counts = np.asarray(signals, np.float64)
    given = np.arange(COUNTS, dtype=np.float64)
    table = np.empty((len(corrections), COUNTS), np.float32)
    for channel, correction in enumerate(corrections):
        true = counts + correction
        if not np.all(np.diff(true) > 0):
            raise ReferenceDataError(
                f"The integral non-linearity of channel {channel + 1} does not rise everywhere.",
                "corrections that fall by less than 1 DN a DN",
                "use another integralnonlinearity reference, or switch the effect off",
            )
        table[channel] = np.interp(given, true, counts - true)
    return table


@njit(nogil=True, cache=True)
def convert(signal: Any, table: Any) -> None:
    """Add to a signal ``(rows, columns)`` what the table ``(channel, count)`` says."""
    width = signal.shape[1] // table.shape[0]
    last = np.float32(table.shape[1] - 2)
    for r in range(signal.shape[0]):
        for channel in range(table.shape[0]):
            line = table[channel]
            for c in range(channel * width, (channel + 1) * width):
                value = min(max(signal[r, c], np.float32(0)), last)
                low = np.int32(value)
                part = value - np.float32(low)
                signal[r, c] += line[low] + part * (line[low + 1] - line[low])
