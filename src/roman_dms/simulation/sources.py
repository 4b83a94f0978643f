"""Sources as an image sees them: in its own pixels, in electrons a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PixelSources:
    """Point sources and Sersic galaxies, one entry each in every array."""

    x: NDArray[np.float64]
    """(n,) column of the centre, 0 at the centre of the first pixel [pixel]."""

    y: NDArray[np.float64]
    """(n,) row of the centre [pixel]."""

    rate: NDArray[np.float64]
    """(n,) light of the whole source [electron / s]."""

    wavelength: NDArray[np.float64]
    """(n,) mean wavelength of the photons that are detected [micron]."""

    sersic: NDArray[np.float64]
    """(n,) Sersic index; 0 for a point source."""

    shape: NDArray[np.float64]
    """(n, 2, 2) matrix that takes the unit circle to the ellipse with half of the
    light, (x, y) = shape @ (cos t, sin t) [pixel]; zero for a point source."""

    def __len__(self) -> int:
        return self.x.size

    def __getitem__(self, chosen: object) -> PixelSources:
        """Some of the sources, by a mask, a slice or indices."""
        return PixelSources(*(getattr(self, name)[chosen] for name in self.__annotations__))
