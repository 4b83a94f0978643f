"""L3: exposures combined on a plane of the sky."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.products.arrays import pixels
from roman_dms.products.metadata import Metadata


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """L3: an image of a sky cell or of a free field, RAD's ``wfi_mosaic``.

    Its pixels are those of a tangent plane (see ``sky.tangent``), without a
    border; where no exposure contributed ``weight`` is 0.
    """

    meta: Metadata
    data: NDArray[np.float32] = pixels("science", "MJy / sr", "surface brightness")
    err: NDArray[np.float32] = pixels("science", "MJy / sr", "total error, 1 sigma")
    context: NDArray[np.uint32] = pixels(
        "science", "", "bit n of (plane, row, column): exposure 32 plane + n contributed"
    )
    weight: NDArray[np.float32] = pixels("science", "", "sum of the weights of the exposures")
    var_poisson: NDArray[np.float32] = pixels("science", "MJy2 / sr2", "variance of photon noise")
    var_rnoise: NDArray[np.float32] = pixels("science", "MJy2 / sr2", "variance of read noise")
    var_flat: NDArray[np.float32] | None = pixels(
        "science", "MJy2 / sr2", "variance of the flat field", optional=True
    )
    var_sky: NDArray[np.float32] | None = pixels(
        "science", "MJy2 / sr2", "variance of photon noise of the sky alone", optional=True
    )
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Branches of the file that RAD does not name, carried through whole."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.data.shape
        return rows, columns
