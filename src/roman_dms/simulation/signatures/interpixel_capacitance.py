"""Interpixel capacitance: a part of a pixel's charge is seen by its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.simulation.signatures.stages import Conditions

KERNEL = (
    (0.00112597, 0.01513282, 0.00119188),
    (0.01463627, 0.93820048, 0.01294733),
    (0.00112571, 0.01444808, 0.00119146),
)
"""Where charge is seen, ``kernel[row, column]``: ``galsim.roman.ipc_kernel`` of GalSim 2.8,
turned by 180 degrees, since GalSim correlates it with an image."""


TERMS = 5
"""Terms of the inverse; 4e-6 of the charge is left over with :data:`KERNEL`."""


@dataclass(frozen=True)
class InterpixelCapacitance:
    """A kernel for the whole detector."""

    kernel: tuple[tuple[float, ...], ...] | None = None
    """(3, 3); that of the detector, or else :data:`KERNEL`, where ``None``."""

    def kernel_for(self, exposure: Conditions) -> NDArray[np.float32]:
        """The kernel, normalised."""
        known = exposure.properties.ipc_kernel
        chosen = self.kernel if self.kernel is not None else KERNEL if known is None else known
        kernel = np.asarray(chosen, np.float64)
        if kernel.shape != (3, 3) or not kernel.sum() > 0:
            raise FormatError(
                f"The kernel of the interpixel capacitance has the shape {kernel.shape} "
                f"and the sum {kernel.sum():g}.",
                "(3, 3), and a positive sum",
            )
        return (kernel / kernel.sum()).astype(np.float32)


def coupled(image: NDArray[np.float32], kernel: NDArray[np.floating]) -> NDArray[np.float32]:
    """What coupled pixels show of an image (row, column), with no charge beyond its edges."""
    seen = np.empty((image.shape[0], image.shape[1] + 2), np.float32)
    spread(np.pad(image, 1), np.asarray(kernel, np.float32), seen)
    return np.ascontiguousarray(seen[:, 1:-1])


def uncoupled(seen: NDArray[np.float32], kernel: NDArray[np.floating]) -> NDArray[np.float32]:
    """The charge (row, column) of which coupled pixels show an image.

    Neumann's series, charge <- charge + seen - coupled(charge): each term adds what
    the sum of those before fails to show, an eighth of the last.  Along the edges of an
    image that goes on beyond them, ``TERMS`` pixels are wrong.
    """
    charge = seen.copy()
    for _ in range(TERMS):
        charge += seen - coupled(charge, kernel)
    return charge


@njit(nogil=True, cache=True)
def spread(charge: Any, kernel: Any, seen: Any) -> None:
    """Convolve a band with a kernel.

    Parameters
    ----------
    charge
        ``(rows + 2, columns)`` float32: the band and a row on either side.
    kernel
        (3, 3) float32.
    seen
        ``(rows, columns)`` float32, overwritten; its first and last column are 0,
        which are reference pixels.
    """
    k00, k01, k02 = kernel[2, 2], kernel[2, 1], kernel[2, 0]
    k10, k11, k12 = kernel[1, 2], kernel[1, 1], kernel[1, 0]
    k20, k21, k22 = kernel[0, 2], kernel[0, 1], kernel[0, 0]
    for r in range(seen.shape[0]):
        below, middle, above = charge[r], charge[r + 1], charge[r + 2]
        seen[r, 0] = seen[r, -1] = np.float32(0)
        for c in range(1, seen.shape[1] - 1):
            seen[r, c] = (
                k00 * below[c - 1] + k01 * below[c] + k02 * below[c + 1]
                + k10 * middle[c - 1] + k11 * middle[c] + k12 * middle[c + 1]
                + k20 * above[c - 1] + k21 * above[c] + k22 * above[c + 1]
            )  # fmt: skip
