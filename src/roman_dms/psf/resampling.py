"""Between the samples of a PSF: images at any sampling, blurred by what is narrow.

Splines of the fifth degree, and convolutions with what has a known transfer function, act on
rows and on columns alike, so that each is a matrix along an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Axis = NDArray[np.float64]

LARGEST = 2001
"""Samples along an axis of an image, at most."""


@dataclass(frozen=True)
class Sampling:
    """Where the samples of an image are."""

    oversample: float
    half: int
    phase: bool

    @classmethod
    def of(cls, oversample: float, size: int, phase: bool = True) -> Sampling:
        """Samples of a stamp so many pixels wide.

        Raises
        ------
        UsageError
            For a size or sampling that cannot be.
        """
        if not (np.isfinite(oversample) and oversample > 0) or size < 1 or size % 2 == 0:
            raise UsageError(
                f"An image of {size} pixels with {oversample} samples each was asked for.",
                "an odd number of pixels, and samples above zero",
            )
        half = int((size - 1) / 2 * oversample + 1e-9)
        if 2 * half + 1 > LARGEST:
            raise UsageError(
                f"An image of {2 * half + 1} samples along an axis was asked for.",
                f"{LARGEST} at most",
                "ask for a smaller size or a lower oversampling",
            )
        return cls(float(oversample), half, phase)

    def middle(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the middle sample of a star's image is [pixel]."""
        return np.round(place * self.oversample) / self.oversample if self.phase else place

    def offsets(self, place: float) -> Axis:
        """(S,) offsets of the samples from a star [pixel]."""
        middle = float(self.middle(np.array(place)))
        return middle - place + np.arange(-self.half, self.half + 1) / self.oversample


def gaussian(size: int, deviation: float) -> NDArray[np.float64]:
    """Matrix (size, size) that blurs samples by a Gaussian of a standard deviation [sample]."""
    if not deviation:
        return np.eye(size)
    return smoothing(size, lambda frequency: np.exp(-2 * (np.pi * deviation * frequency) ** 2))


def smoothing(size: int, transfer: Callable[[Axis], Axis]) -> NDArray[np.float64]:
    """Matrix (size, size) that convolves samples with what has a transfer function.

    Exact for light that the samples hold, however narrow the blur (Lang 2020,
    arXiv:2012.15797).

    Parameters
    ----------
    transfer
        Takes frequencies [cycle / sample].
    """
    width = 2 * size
    unit = np.zeros(width)
    unit[0] = 1
    frequencies = np.fft.rfftfreq(width).astype(float)
    response = np.fft.irfft(np.fft.rfft(unit) * transfer(frequencies), width)
    place = np.arange(size)
    return response[np.subtract.outer(place, place)]


def interpolation(size: int, oversample: float, offsets: Axis) -> NDArray[np.float64]:
    """Matrix that takes samples around a star to values at offsets from it; 0 outside.

    Parameters
    ----------
    size
        Of the samples, the star in the middle.
    oversample
        Samples a pixel.
    offsets
        (S,) [pixel].

    Returns
    -------
    NDArray
        (S, size).
    """
    places = offsets * oversample + (size - 1) / 2
    matrix = np.zeros((len(places), size))
    inside = (places > -1e-9) & (places < size - 1 + 1e-9)
    matrix[inside] = _splines(size)(np.clip(places[inside], 0, size - 1))
    return matrix


@lru_cache(maxsize=8)
def _splines(size: int) -> Any:
    """Splines of the fifth degree (less, through few samples) through each unit vector."""
    from scipy.interpolate import make_interp_spline  # noqa: PLC0415 - slow to import

    degree = min(5, (size - 1) // 2 * 2 - 1) if size > 2 else size - 1
    return make_interp_spline(np.arange(float(size)), np.eye(size), k=degree)
