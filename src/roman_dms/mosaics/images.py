"""An exposure on its way into a mosaic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.mosaics.geometry import Area

Image = NDArray[np.float32]


@dataclass(frozen=True)
class InputImage:
    """A part of a detector image, in the unit of the mosaic.

    Arrays are (rows, columns) of ``window``; values of unusable pixels are finite and do not
    matter.
    """

    window: Area
    """Where the arrays lie on the detector."""

    data: Image
    """Surface brightness, the sky within."""

    weight: Image
    """Weight of each pixel in the mosaic; 0 where it is unusable."""

    variances: Mapping[str, Image]
    """Variance by component (``var_poisson``, ``var_rnoise``, ...), surface brightness squared."""

    def part(self, window: Area) -> InputImage:
        """Views of a part of it."""
        rows, columns = self.window.slices(window)
        return InputImage(
            window,
            self.data[rows, columns],
            self.weight[rows, columns],
            {name: values[rows, columns] for name, values in self.variances.items()},
        )
