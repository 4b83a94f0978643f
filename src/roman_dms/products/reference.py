"""Reference files as typed products: one class a kind that a step can ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from roman_dms.products.arrays import PixelArray, pixels
from roman_dms.products.metadata import Metadata


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Base of all reference products; ``kind`` is the name that CRDS uses."""

    kind: ClassVar[str] = ""

    meta: Metadata


@dataclass(frozen=True, kw_only=True)
class Mask(Reference):
    """Flags of pixels that are bad whatever the exposure."""

    kind: ClassVar[str] = "mask"
    dq: PixelArray = pixels("detector", "", "flags, uint32")


@dataclass(frozen=True, kw_only=True)
class Saturation(Reference):
    """Signal at which a pixel saturates."""

    kind: ClassVar[str] = "saturation"
    data: PixelArray = pixels("detector", "DN", "threshold")
    dq: PixelArray = pixels("detector", "", "flags, uint32")


@dataclass(frozen=True, kw_only=True)
class ReferencePixels(Reference):
    """Frequency weights of the reference streams, IRRC (Rauscher et al. 2022).

    Each is (channel, frequency), complex; read by channel: ``weights.rows(c, c + 1)``.
    """

    kind: ClassVar[str] = "refpix"
    gamma: PixelArray
    """Weights of the left border."""
    zeta: PixelArray
    """Weights of the right border."""
    alpha: PixelArray
    """Weights of amplifier 33."""


@dataclass(frozen=True, kw_only=True)
class DarkDecay(Reference):
    """Decaying dark signal after a reset, by detector name."""

    kind: ClassVar[str] = "darkdecaysignal"
    decay_table: Mapping[str, Mapping[str, float]]
    """``{"WFI01": {"amplitude": DN, "time_constant": s}, ...}``."""


@dataclass(frozen=True, kw_only=True)
class Linearity(Reference):
    """Polynomial that takes measured to linear signal."""

    kind: ClassVar[str] = "linearity"
    coeffs: PixelArray = pixels("detector", "", "coefficients (power, row, column)")
    dq: PixelArray = pixels("detector", "", "flags, uint32")


@dataclass(frozen=True, kw_only=True)
class InverseLinearity(Reference):
    """Polynomial that takes linear to measured signal."""

    kind: ClassVar[str] = "inverselinearity"
    coeffs: PixelArray = pixels("detector", "", "coefficients (power, row, column)")
    dq: PixelArray = pixels("detector", "", "flags, uint32")


@dataclass(frozen=True, kw_only=True)
class IntegralNonlinearity(Reference):
    """Correction of the analogue-to-digital converters, a table a channel."""

    kind: ClassVar[str] = "integralnonlinearity"
    value: NDArray[np.uint16]
    """Signal at which the corrections are tabulated [DN]."""
    corrections: NDArray[np.float64]
    """(channel, value): to be added to the measured signal [DN]."""


@dataclass(frozen=True, kw_only=True)
class Gain(Reference):
    """Electrons a data number."""

    kind: ClassVar[str] = "gain"
    data: PixelArray = pixels("detector", "electron / DN", "gain")


@dataclass(frozen=True, kw_only=True)
class ReadNoise(Reference):
    """Noise of one read."""

    kind: ClassVar[str] = "readnoise"
    data: PixelArray = pixels("detector", "DN", "noise of one read, 1 sigma")


@dataclass(frozen=True, kw_only=True)
class DarkRate(Reference):
    """Dark current."""

    kind: ClassVar[str] = "dark"
    dark_slope: PixelArray = pixels("detector", "DN / s", "dark rate")
    dark_slope_error: PixelArray = pixels("detector", "DN / s", "its error")
    dq: PixelArray = pixels("detector", "", "flags, uint32")


@dataclass(frozen=True, kw_only=True)
class Flat(Reference):
    """Relative response of the pixels."""

    kind: ClassVar[str] = "flat"
    data: PixelArray = pixels("science", "", "response, mean 1")
    err: PixelArray = pixels("science", "", "its error")
    dq: PixelArray = pixels("science", "", "flags, uint32")


@dataclass(frozen=True, kw_only=True)
class Ipc(Reference):
    """Interpixel capacitance: coupling of neighbouring pixels."""

    kind: ClassVar[str] = "ipc"
    data: NDArray[np.float32]
    """(row, column), both odd: kernel that the charge of the pixels is convolved with, sum 1."""


@dataclass(frozen=True, kw_only=True)
class Photometry(Reference):
    """Conversion of count rate to surface brightness, by optical element."""

    kind: ClassVar[str] = "photom"
    phot_table: Mapping[str, Mapping[str, Any]]
    """``photmjsr`` [MJy/sr / (DN/s)], ``uncertainty``, ``pixelareasr`` [sr]."""


@dataclass(frozen=True, kw_only=True)
class Distortion(Reference):
    """Geometric distortion: science pixel (x, y from 0) to V2, V3 [arcsec]."""

    kind: ClassVar[str] = "distortion"
    coordinate_distortion_transform: Any
    """An astropy model with an inverse."""


@dataclass(frozen=True, kw_only=True)
class Epsf(Reference):
    """Effective PSFs of one detector and element; positions and colours are in the metadata."""

    kind: ClassVar[str] = "epsf"
    psf: NDArray[np.float32]
    """(defocus, spectral type, place, row, column), sampled ``meta.oversample`` times a pixel."""
    extended_psf: NDArray[np.float32] | None = None
    """(row, column): one PSF with its far wings, on the same samples, where the file has it."""


KINDS: dict[str, type[Reference]] = {
    cls.kind: cls
    for cls in (
        Mask, Saturation, ReferencePixels, DarkDecay, Linearity, InverseLinearity,
        IntegralNonlinearity, Ipc, Gain, ReadNoise, DarkRate, Flat, Photometry, Distortion,
        Epsf,
    )
}  # fmt: skip
"""The kinds that steps ask for, by the name that CRDS uses."""
