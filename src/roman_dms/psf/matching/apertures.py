"""What circular apertures hold of an effective PSF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def encircled(
    psf: NDArray[np.floating], oversample: int, radii: tuple[float, ...]
) -> tuple[float, ...]:
    """Light that apertures about a star hold, averaged over its places in its pixel.

    Parameters
    ----------
    psf
        (S, S), S odd: fractions of the light in a pixel, or a difference of such.
    oversample
        Samples a pixel.
    radii
        [pixel].

    Returns
    -------
    tuple[float, ...]
        Fraction of the light, where each pixel counts with the part of it that is inside.
    """
    half = min(psf.shape[0] // 2, int((max(radii, default=0) + 1) * oversample))
    inner = middle(psf, half)
    weights = (aperture(half, oversample, radius) for radius in radii)
    return tuple(float((weight * inner).sum()) / oversample**2 for weight in weights)


def aperture(half: int, oversample: int, radius: float) -> NDArray[np.float64]:
    """How much of each sample's pixel lies in a circle about the middle sample.

    Parameters
    ----------
    half
        Samples on each side of the middle.
    oversample
        Samples a pixel.
    radius
        [pixel].

    Returns
    -------
    NDArray
        (2 half + 1, 2 half + 1).
    """
    from scipy.ndimage import convolve1d  # noqa: PLC0415 - slow to import

    place = np.arange(-half, half + 1.0) ** 2
    distance = np.sqrt(place[:, None] + place)
    disc = np.clip(radius * oversample - distance + 0.5, 0, 1)
    if oversample % 2:
        pixel = np.ones(oversample)
    else:
        pixel = np.concatenate([[0.5], np.ones(oversample - 1), [0.5]])
    for axis in (0, 1):
        disc = convolve1d(disc, pixel / oversample, axis=axis, mode="nearest")
    return disc


def middle(samples: NDArray[np.floating], half: int) -> NDArray[np.floating]:
    """(2 half + 1, 2 half + 1) samples in the middle of an array of odd size."""
    inner = slice(samples.shape[0] // 2 - half, samples.shape[0] // 2 + half + 1)
    return samples[inner, inner]
