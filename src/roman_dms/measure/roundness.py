"""Sharpness and roundness of DAOFIND (Stetson 1987, PASP 99, 191), as photutils defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def kernel_of(fwhm: float) -> NDArray[np.float64]:
    """A round Gaussian in a circle, of zero sum, that fits the height of a Gaussian.

    Parameters
    ----------
    fwhm
        Full width at half maximum [pixel].

    Returns
    -------
    NDArray
        (size, size), size odd; 0 outside the circle of 1.5 standard deviations, 2 pixels at
        least.
    """
    sigma = fwhm / np.sqrt(8 * np.log(2))
    radius = max(2.0, 1.5 * sigma)
    offset = np.arange(-int(radius), int(radius) + 1)
    square = offset**2 + offset[:, None] ** 2
    inside = square <= radius**2
    gaussian = np.exp(-0.5 * square / sigma**2) * inside
    mean = gaussian.sum() / inside.sum()
    norm = np.sum(gaussian**2) - gaussian.sum() * mean
    return np.where(inside, (gaussian - mean) / norm, 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def sharp_and_round(value: Any, kernel: Any, row: Any) -> None:
    """Compare the middle pixel with its neighbours, and the quadrants with each other.

    Sharpness is the height of the middle pixel over its neighbours, over the fitted height;
    roundness the difference of the quadrants of the fitted heights over their sum, doubled.

    Parameters
    ----------
    value
        (size, size) light, the source in the middle pixel.
    kernel
        `kernel_of`.
    row
        Of ``measurements.ROW``, changed.
    """
    half, middle = kernel.shape[0] // 2, value.shape[0] // 2
    around, inside = 0.0, 0
    two, four, peak = 0.0, 0.0, 0.0
    for j in range(-half, half + 1):
        for i in range(-half, half + 1):
            if kernel[j + half, i + half] != 0 and (i != 0 or j != 0):
                around += value[middle + j, middle + i]
                inside += 1
            height = 0.0
            for n in range(-half, half + 1):
                for k in range(-half, half + 1):
                    height += kernel[n + half, k + half] * value[middle + j + n, middle + i + k]
            if i == 0 and j == 0:
                peak = height
                continue
            # quadrants as in DAOFIND: each with one of the half axes
            upper = (j <= 0 and i > 0) or (j >= 0 and i < 0)
            two += -height if upper else height
            four += abs(height)
    if peak != 0:
        row.sharpness = (value[middle, middle] - around / inside) / peak
    if four > 0:
        row.roundness1 = 2 * two / four
