"""White noise of each read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.randomness import add_normals, words_for
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage


@dataclass(frozen=True)
class ReadNoise:
    """Normal noise, independent from pixel to pixel and from read to read."""

    scale: float = 1.0
    """Factor on the detector's read noise."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """Add noise to the measured signal [DN]."""
        noise = exposure.properties.read_noise
        if noise is None:
            return None
        k0, k1 = exposure.key("read_noise", self.seed)

        def open_band(band: Band) -> Action:
            sigma = band.of(noise, 0) * np.float32(self.scale)
            words = words_for(band.shape[1])

            def add(signal: NDArray[np.float32], read: int) -> None:
                add_normals(signal, sigma, band.start, read, k0, k1, words)

            return add

        return open_band
