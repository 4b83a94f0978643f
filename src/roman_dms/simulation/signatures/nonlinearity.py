"""Classic non-linearity: a pixel counts less the more charge it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage


@dataclass(frozen=True)
class Nonlinearity:
    """The polynomial from linear to measured signal, level after reset included."""

    largest: float = 68000.0
    """Linear signal beyond which no polynomial of 16-bit counts holds: larger
    ones are read as this one [DN]."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """Take the linear signal [DN] to the measured one [DN]."""
        coefficients = exposure.properties.inverse_linearity
        if coefficients is None:
            return None
        limit = np.float32(self.largest)

        def open_band(band: Band) -> Action:
            powers = band.of(coefficients, np.nan)
            powers = np.ascontiguousarray(powers)
            without = np.isnan(powers).any(axis=0)
            powers[:, without] = 0
            powers[1, without] = 1

            def bend(signal: NDArray[np.float32], _read: int) -> None:
                evaluate(signal, powers, limit)

            return bend

        return open_band


@njit(nogil=True, cache=True)
def evaluate(signal: Any, powers: Any, limit: Any) -> None:
    """Replace a signal ``(rows, columns)`` by its polynomial ``(power, rows, columns)``."""
    degree = powers.shape[0] - 1
    value = np.empty(signal.shape[1], np.float32)
    for r in range(signal.shape[0]):
        for c in range(value.size):
            signal[r, c] = min(signal[r, c], limit)
            value[c] = powers[degree, r, c]
        for power in range(degree - 1, -1, -1):
            for c in range(value.size):
                value[c] = value[c] * signal[r, c] + powers[power, r, c]
        for c in range(value.size):
            signal[r, c] = value[c]
