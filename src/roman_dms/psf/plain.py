"""Effective PSFs that no model of the telescope made: a Gaussian, or a user's own image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.grid import PsfGrid

SIGMA = 2 * np.sqrt(2 * np.log(2))
"""Full widths at half maximum in standard deviations."""


def gaussian_psf(fwhm: float, *, oversample: int = 4) -> PsfGrid:
    """A round Gaussian that is integrated over the pixels; the same everywhere.

    Parameters
    ----------
    fwhm
        Full width at half maximum before the pixels [pixel].
    oversample
        Samples a pixel.

    Raises
    ------
    UsageError
        For a width that is not positive.
    """
    from scipy.special import erf  # noqa: PLC0415 - slow to import

    if not (np.isfinite(fwhm) and fwhm > 0):
        raise UsageError(f"The full width at half maximum is {fwhm!r}.", "a positive number")
    width = np.sqrt(2) * fwhm / SIGMA
    half = int(np.ceil(max(8, 4 * fwhm))) * oversample
    place = np.arange(-half, half + 1) / oversample
    profile = 0.5 * (erf((place + 0.5) / width) - erf((place - 0.5) / width))
    return constant_psf(np.outer(profile, profile), oversample)


def constant_psf(samples: ArrayLike, oversample: int) -> PsfGrid:
    """One effective PSF for a whole image.

    Parameters
    ----------
    samples
        (S, S), S odd: fraction of the light in a pixel whose centre lies
        (column - (S - 1) / 2) / oversample from the source; scaled to a sum of one over
        whole pixels.
    oversample
        Samples a pixel.

    Raises
    ------
    UsageError
        For an array that cannot be an effective PSF.
    """
    psf = np.asarray(samples, float)
    square = psf.ndim == 2 and psf.shape[0] == psf.shape[1] and psf.shape[0] % 2 == 1
    if not square or oversample < 1 or not np.isfinite(psf).all() or not psf.sum() > 0:
        raise UsageError(
            f"The PSF has the shape {psf.shape} and {oversample} samples a pixel.",
            "a square of an odd number of finite samples with light in it",
        )
    psf = (psf / psf.sum() * oversample**2).astype(np.float32)
    middle = (psf.shape[0] - 1) // 2 % oversample
    wings: NDArray[np.float32] = psf[middle::oversample, middle::oversample]
    return PsfGrid(
        detector="",
        element="",
        oversample=oversample,
        nodes_x=np.zeros(1),
        nodes_y=np.zeros(1),
        wavelengths=np.ones(1),
        samples=psf[None, None, None],
        wings=wings.copy(),
    )
