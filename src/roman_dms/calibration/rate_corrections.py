"""Corrections of the rate image: dark rate and flat field."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    flags = dark_dq | np.where(known, 0, Pixel.UNRELIABLE_DARK).astype(np.uint32)
    subtracted: Image = np.float32(scale) * np.where(known, dark, np.float32(0))
    return rate - subtracted, flags


class Flattened(NamedTuple):
    """A rate image divided by the flat field."""

    images: dict[str, Image]
    var_flat: Image
    flags: NDArray[np.uint32]


def divide_by_flat(
    rates: dict[str, Image],
    variances: dict[str, Image],
    flat: Image,
    flat_err: Image,
    flat_dq: NDArray[np.uint32],
) -> Flattened:
    """Divide by the flat field.

    Parameters
    ----------
    rates
        Images that scale as the rate [DN/s], among them ``data``.
    variances
        Images that scale as its square [DN2/s2].
    flat, flat_err, flat_dq
        Response (mean 1), its error and flags.  A pixel without a usable
        response is flagged NO_FLAT_FIELD and left as it is.

    Returns
    -------
    images, var_flat, flags
        All images corrected; the variance that the error of the flat adds
        [DN2/s2]; the flags to add.
    """
    lacking = (flat_dq & np.uint32(Pixel.NO_FLAT_FIELD)) != 0
    lacking |= ~(np.isfinite(flat) & (flat > 0))
    inverse = np.where(lacking, np.float32(1), np.float32(1) / np.where(lacking, 1, flat))
    inverse = inverse.astype(np.float32)
    images: dict[str, Any] = {name: image * inverse for name, image in rates.items()}
    squared = inverse * inverse
    images |= {name: image * squared for name, image in variances.items()}
    relative = np.where(lacking | ~np.isfinite(flat_err), 0, flat_err) * inverse
    var_flat = np.square(images["data"] * relative, dtype=np.float32)
    flags = flat_dq | np.where(lacking, Pixel.NO_FLAT_FIELD, 0).astype(np.uint32)
    return Flattened(images, var_flat, flags)
