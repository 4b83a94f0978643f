"""Interpixel capacitance in effective PSFs.

Neighbouring pixels are coupled: a part of a pixel's charge shows in the eight around it
(Moore, Ninkov & Forrest 2004, Proc. SPIE 5167, 204).  The light P(x) that a pixel at an
offset x from a star receives is therefore not what is read from it, which is

    P'(x) = sum over s of k(s) P(x - s),    s = (-1, 0, 1) x (-1, 0, 1) pixels.

An effective PSF is by definition what pixels record (Anderson & King 2000), so that of a
detector with the kernel k is P'.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import FormatError
from roman_dms.psf.grid import PsfGrid, with_core


def with_capacitance(grid: PsfGrid, kernel: ArrayLike) -> PsfGrid:
    """Effective PSFs as they are read from a detector whose pixels are coupled.

    Parameters
    ----------
    grid
        Effective PSFs without coupling, as the optical model gives them.
    kernel
        (3, 3) share of a pixel's charge that is seen one row and column before it, in
        its own, and one behind (RAD's ``ipc``): to be convolved with an image.

    Raises
    ------
    FormatError
        If the kernel has another shape, or no positive sum.
    """
    shares = np.asarray(kernel, np.float32)
    if shares.shape != (3, 3) or not shares.sum() > 0:
        raise FormatError(
            f"The kernel of the interpixel capacitance has the shape {shares.shape} and the sum "
            f"{shares.sum():g}.",
            "(3, 3), and a positive sum",
        )
    samples = _coupled(grid.samples, shares, grid.oversample)
    wings = _coupled(grid.wings, shares, 1)
    return replace(grid, samples=samples, wings=with_core(wings, samples, grid.oversample))


def _coupled(
    images: NDArray[np.float32], kernel: NDArray[np.float32], pixel: int
) -> NDArray[np.float32]:
    """Images (..., S, S), ``pixel`` samples a pixel, convolved with a kernel of pixels.

    Beyond its edge an image goes on as it ends.
    """
    rows, columns = images.shape[-2:]
    around = [(0, 0)] * (images.ndim - 2) + [(pixel, pixel)] * 2
    padded = np.pad(images, around, mode="edge")
    found = np.zeros_like(images)
    for (row, column), share in np.ndenumerate(kernel):
        top, left = (2 - row) * pixel, (2 - column) * pixel
        found += share * padded[..., top : top + rows, left : left + columns]
    return found
