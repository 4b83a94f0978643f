"""Corrections of the rate image: dark rate and flat field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.quality import Pixel

Image = NDArray[np.float32]


def subtract_dark(
    rate: Image, dark: Image, dark_dq: NDArray[np.uint32], scale: float
) -> tuple[Image, NDArray[np.uint32]]:
    """Subtract the dark rate.

    Parameters
    ----------
    rate, dark
        (rows, columns) [DN/s]; a dark rate that is not finite is not subtracted.
    dark_dq
        Flags of the dark rate.
    scale
        Factor applied to the dark rate.

    Returns
    -------
    rate, flags
        Corrected rate [DN/s] and the flags to add.
    """
    known = np.isfinite(dark)
    flags = dark_dq | ~known * np.uint32(Pixel.UNRELIABLE_DARK)
    subtracted: Image = np.float32(scale) * np.where(known, dark, np.float32(0))
    return rate - subtracted, flags


class InverseFlat(NamedTuple):
    """What a rate image is multiplied by to be flat."""

    factor: Image
    """One over the response; 1 where there is no usable response."""
    flags: NDArray[np.uint32]
    """Flags to add: those of the flat field, NO_FLAT_FIELD where it is not usable."""


def invert_flat(flat: Image, flat_dq: NDArray[np.uint32]) -> InverseFlat:
    """Invert a flat field.

    Parameters
    ----------
    flat, flat_dq
        Response (mean 1) and its flags, (rows, columns).  A pixel without a usable
        response is flagged NO_FLAT_FIELD and left as it is.
    """
    lacking = (flat_dq & np.uint32(Pixel.NO_FLAT_FIELD)) != 0
    lacking |= ~(np.isfinite(flat) & (flat > 0))
    factor = np.reciprocal(np.where(lacking, np.float32(1), flat))
    return InverseFlat(factor, flat_dq | lacking * np.uint32(Pixel.NO_FLAT_FIELD))


def flat_variance(rate: Image, factor: Image, flat_err: Image) -> Image:
    """Variance that the error of the flat field adds to a flattened rate [DN2/s2].

    Parameters
    ----------
    rate
        Flattened rate [DN/s].
    factor
        One over the response.
    flat_err
        Error of the response; none where it is not finite.
    """
    relative = np.where(np.isfinite(flat_err), flat_err, np.float32(0)) * factor
    return np.square(rate * relative)
