"""What one detector gives in one exposure: L1, the ramp on its way, L2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.detectors import Detector, detector
from roman_dms.products.arrays import PixelArray, pixels
from roman_dms.products.metadata import Metadata
from roman_dms.products.sources import Sources


@dataclass(frozen=True, kw_only=True)
class RawExposure:
    """L1: the uncalibrated ramp of one detector, RAD's ``wfi_science_raw``."""

    meta: Metadata
    data: PixelArray = pixels("detector", "DN", "resultants (n, row, column), uint16")
    amp33: PixelArray
    """Reference output read beside the channels (n, row, 128), uint16 [DN]."""
    resultantdq: PixelArray | None = pixels(
        "detector", "", "flags set on board (n, row, column), uint8", optional=True
    )
    reference_read: PixelArray | None = pixels(
        "detector", "DN", "read subtracted on board (row, column), uint16", optional=True
    )
    reference_amp33: NDArray[np.uint16] | None = None
    """The reference output of that read (row, 128) [DN]."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Branches of the file that RAD does not name, carried through whole."""

    @cached_property
    def detector(self) -> Detector:
        """Geometry of the detector."""
        return detector(self.meta.detector, self.data.shape[-2:])  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Borders:
    """The frame of reference pixels, kept as it was read, and its flags."""

    left: NDArray[np.float32]
    """(n, row, 4) [DN]."""
    right: NDArray[np.float32]
    """(n, row, 4) [DN]."""
    top: NDArray[np.float32]
    """(n, 4, column) [DN]; the last rows of the detector."""
    bottom: NDArray[np.float32]
    """(n, 4, column) [DN]; the first rows of the detector."""
    dq_left: NDArray[np.uint32]
    dq_right: NDArray[np.uint32]
    dq_top: NDArray[np.uint32]
    dq_bottom: NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """A ramp on its way from L1 to L2, or a tile of its rows.

    ``data`` stays in the type of the file (uint16) until a step corrects it.
    """

    meta: Metadata
    detector: Detector
    data: PixelArray = pixels("detector", "DN", "resultants (n, row, column)")
    resultant_dq: NDArray[np.uint8] = pixels(
        "detector", "", "flags of each resultant (n, row, column)"
    )
    dq: NDArray[np.uint32] = pixels("detector", "", "flags of each pixel (row, column)")
    amp33: PixelArray
    """Reference output (n, row, 128) [DN]."""
    borders: Borders
    first_row: int = 0
    """Row of the detector at which the arrays begin (0 but for a tile)."""
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RateImage:
    """L2: the calibrated count rate of one detector, RAD's ``wfi_image``.

    Errors are float32 in memory; RAD's float16 exists on disk alone.
    """

    meta: Metadata
    detector: Detector
    data: NDArray[np.float32] = pixels("science", "DN / s", "count rate")
    dq: NDArray[np.uint32] = pixels("science", "", "data-quality flags")
    err: NDArray[np.float32] = pixels("science", "DN / s", "total error, 1 sigma")
    var_poisson: NDArray[np.float32] = pixels("science", "DN2 / s2", "variance of photon noise")
    var_rnoise: NDArray[np.float32] = pixels("science", "DN2 / s2", "variance of read noise")
    chisq: NDArray[np.float32] = pixels("science", "", "chi squared of the ramp fit")
    dumo: NDArray[np.float32] = pixels(
        "science", "DN / s", "rate with uniform weights minus rate with optimal weights"
    )
    amp33: PixelArray
    """Reference output (n, row, 128) [DN]."""
    borders: Borders
    var_flat: NDArray[np.float32] | None = pixels(
        "science", "DN2 / s2", "variance of the flat field", optional=True
    )
    jump_indices: NDArray[np.int16] | None = None
    """(N, 3): resultant, row, column of each jump, in the science frame."""
    first_row: int = 0
    """Row of the science frame at which the arrays begin (0 but for a tile)."""
    sources: Sources | None = None
    """What was found on it, where its sources have been catalogued; files of their own."""
    extras: Mapping[str, Any] = field(default_factory=dict)
