"""What the building of an empirical PSF needs to know of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """One image of the detector."""

    name: str
    """What it is called in errors and in the provenance."""

    data: NDArray[np.float32]
    """(row, column) light and sky, in any unit that is linear in light."""

    variance: NDArray[np.float32]
    """(row, column) variance of all noise, photons of the sources included."""

    usable: NDArray[np.bool_]
    """(row, column) pixels with a value and a variance that count, saturated ones not."""

    saturated: NDArray[np.bool_]
    """(row, column) pixels that were saturated for a part of the exposure or all of it."""

    to_frame: Callable[[Values, Values], tuple[Values, Values]]
    """From (x, y) to a plane that all exposures share, in units of about a pixel; good to
    a pixel, and up to a linear function of the place, which is fitted."""

    def frame_jacobian(self, x: Values, y: Values) -> NDArray[np.float64]:
        """(n, 2, 2): how the place in the common plane changes with that in the image."""
        step = 0.5
        along_x = np.subtract(self.to_frame(x + step, y), self.to_frame(x - step, y))
        along_y = np.subtract(self.to_frame(x, y + step), self.to_frame(x, y - step))
        return np.stack([along_x.T, along_y.T], axis=-1) / (2 * step)
