"""Outputs that see no light: the border of the detector and amplifier 33.

The noises are those that the reference-pixel weights of the synthetic baseline
assume; the levels are about that of a detector after reset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.simulation.signatures.randomness import Key, add_normals, words_for
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage

PARTS = ("left", "right", "first rows", "last rows")
"""Parts of the border; the rows have the corners."""


@dataclass(frozen=True)
class ReferencePixels:
    """Levels and white noise of border pixels and amplifier 33."""

    border_level: float = 5500.0
    """[DN]."""

    border_noise: float = 5.0
    """White noise of a read, 1 sigma [DN]."""

    amp33_level: float = 5300.0
    """[DN]."""

    amp33_noise: float = 2.0
    """White noise of a read, 1 sigma [DN]."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def prepare(self, exposure: Conditions) -> Stage:
        """Put reference pixels in the place of whatever the border holds [DN]."""
        sources = {part: exposure.key(f"border {part}", self.seed) for part in PARTS}
        level, noise = self.border_level, self.border_noise

        def open_band(band: Band) -> Action:
            parts = border_parts(band)

            def fill(signal: NDArray[np.float32], read: int) -> None:
                for name, rows, columns in parts:
                    part = signal[rows, columns]
                    first = band.start + rows.start
                    part[...] = _noisy(part.shape, level, noise, first, read, sources[name])

            return fill

        return open_band

    def of_amp33(self, exposure: Conditions, read: int) -> NDArray[np.float32]:
        """White noise and level of amplifier 33, (rows, clocks) [DN]."""
        shape = (exposure.detector.rows, exposure.detector.channel_width)
        source = exposure.key("amp33", self.seed)
        return _noisy(shape, self.amp33_level, self.amp33_noise, 0, read, source)


def border_parts(band: Band) -> list[tuple[str, slice, slice]]:
    """Name, rows and columns, from the first of the band, of the parts that it has."""
    width, (height, columns) = band.detector.border, band.detector.shape
    first, last = (min(max(row, band.start), band.stop) for row in (width, height - width))
    rows = {
        "left": (first, last, slice(0, width)),
        "right": (first, last, slice(columns - width, columns)),
        "first rows": (band.start, first, slice(0, columns)),
        "last rows": (last, band.stop, slice(0, columns)),
    }
    return [
        (name, slice(start - band.start, stop - band.start), across)
        for name, (start, stop, across) in rows.items()
        if start < stop
    ]


def _noisy(
    shape: tuple[int, ...], level: float, noise: float, first_row: int, read: int, source: Key
) -> NDArray[np.float32]:
    image, sigma = np.full(shape, level, np.float32), np.full(shape, noise, np.float32)
    add_normals(image, sigma, first_row, read, *source, words_for(shape[1]))
    return image
