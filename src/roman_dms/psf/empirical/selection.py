"""Pixels and stars that tell of the PSF, and those that tell of something else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.fitting import StarFits
from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.empirical.weighting import pixel_weights

CLIP = 5.0
"""Standard deviations from which on a pixel does not count, nor those beside it."""

LEAST_ERROR = (0.01, 3e-5)
"""What part of its own light, and of the star's, a pixel may differ by without doubt: stars
differ in colour, and wings that are not yet right must not be left out."""

MOST_CLIPPED = 0.2
"""Part of a star's pixels that may not count."""

CORE = 1.5
"""Distance from a star within which all pixels must count [pixel]."""


def agreeing(
    model: Model,
    whole: Stamps,
    fits: StarFits,
    shares: NDArray[np.float32],
    model_error: NDArray[np.float64],
    workers: int,
    *,
    trusted: bool,
) -> tuple[Stamps, NDArray[np.bool_]]:
    """Stars with the pixels that agree with the model, and (n,) which of them to use.

    Parameters
    ----------
    model
        The PSF.
    whole
        Images of stars, with all pixels that are usable.
    fits
        What was fitted to them.
    shares
        (n, component) of the start's components in each.
    model_error
        (2,) by what part of its own light, and of the star's, a pixel's model may err.
    workers
        Threads.
    trusted
        Whether the model is good enough to judge of stars' cores; otherwise these count.
    """
    kept = kept_pixels(model, whole, fits, shares, model_error, workers)
    if trusted:
        clipped = whole.with_good(kept)
        return clipped, whole_cores(whole, clipped)
    core = whole.good & core_pixels(whole.half)
    return whole.with_good(kept | core), np.ones(len(whole), bool)


def kept_pixels(
    model: Model,
    stamps: Stamps,
    fits: StarFits,
    shares: NDArray[np.float32],
    model_error: NDArray[np.float64],
    workers: int,
) -> NDArray[np.bool_]:
    """(n, P, P) pixels that agree with the model: without neighbours and cosmic rays.

    Those that are too bright and those too dark alike: were only the bright ones left out, a
    model that is too faint would become fainter in every round.
    """
    flux, sky = fits.found[:, 0], fits.found[:, 3, None, None]
    psf = model.pixels(stamps, fits.found[:, 1:3], shares, workers)
    residual = stamps.light - flux[:, None, None] * psf - sky
    doubt = np.maximum(model_error, LEAST_ERROR)
    weights = pixel_weights(stamps, psf, flux, doubt)
    bad = residual**2 * weights > CLIP**2
    spread = bad.copy()
    spread[:, 1:] |= bad[:, :-1]
    spread[:, :-1] |= bad[:, 1:]
    spread[:, :, 1:] |= bad[:, :, :-1]
    spread[:, :, :-1] |= bad[:, :, 1:]
    return stamps.good & ~spread


def whole_cores(whole: Stamps, clipped: Stamps) -> NDArray[np.bool_]:
    """(n,) which stars have all pixels near their middle, and enough of the others."""
    core = core_pixels(whole.half)
    enough = clipped.good.sum(axis=(1, 2)) > (1 - MOST_CLIPPED) * whole.good.sum(axis=(1, 2))
    return enough & clipped.good[:, core].all(axis=1)


def core_pixels(half: int) -> NDArray[np.bool_]:
    """(P, P) the pixels near a star's middle."""
    side = np.arange(-half, half + 1)
    return np.hypot(*np.meshgrid(side, side)) <= CORE
