"""The level at which an exposure begins.

A pixel is reset to a level well above the zero of the converter, and each reset
leaves it a little off.  Both are charge on the pixel: the polynomials of the
non-linearity hold for level and signal together.  The numbers are those of
``romanisim`` 0.14 (``pedestal``, ``pedestal_extra_noise``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.randomness import add_normals, words_for
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage


@dataclass(frozen=True)
class Reset:
    """Level after a reset, the same in all reads of an exposure."""

    level: float = 10000.0
    """[electron]."""

    noise: float = 8.0
    """Scatter from pixel to pixel and from exposure to exposure, 1 sigma [electron]."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def prepare(self, exposure: Conditions) -> Stage:
        """Draw the levels of a band and add them to the charge [electron] of each read."""
        k0, k1 = exposure.key("reset", self.seed)

        def open_band(band: Band) -> Action:
            levels = np.full(band.shape, self.level, np.float32)
            sigma = np.full(band.shape, self.noise, np.float32)
            add_normals(levels, sigma, band.start, 0, k0, k1, words_for(band.shape[1]))

            def add(signal: NDArray[np.float32], _read: int) -> None:
                signal += levels

            return add

        return open_band
