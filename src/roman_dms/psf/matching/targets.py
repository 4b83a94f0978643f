"""The PSF to which the images of several bands, detectors or epochs can all be brought."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.matching.transfer import effective_samples, resampled, squared, transfer

SOFTNESS = 0.5
"""Outer part of the half width in which a target goes over into the broadest PSF."""


def target_psf(
    psfs: Sequence[ArrayLike], *, oversample: int, size: int | None = None, whole: bool = False
) -> NDArray[np.float64]:
    """The sharpest PSF, of such kind, that none of several PSFs has to be sharpened for.

    At each frequency it passes what that PSF passes which passes least, and it is symmetric
    about the place of the star, so that centres of light agree in all bands.  The reddest of
    the PSFs, the usual target, does not have this property: rings and spikes of a bluer one
    pass frequencies that it does not, and coma differs between them.

    Parameters
    ----------
    psfs
        Arrays (S, S) of oversampled effective PSFs, the star in the middle of each.
    oversample
        Samples a pixel of all of them.
    size
        Width of the target [pixel], odd; that of the widest PSF if not given.
    whole
        Whether each array holds all the light of a star, whatever it sums to.

    Returns
    -------
    NDArray
        (T, T) oversampled effective PSF; beyond it lies what it lacks of all the light.

    Raises
    ------
    UsageError
        For no PSFs, or arrays that are none.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2  # noqa: PLC0415 - slow to import

    if not psfs:
        raise UsageError("No PSF was given to find a target for.", "one PSF or more")
    lights = [
        resampled(effective_samples(psf, oversample, whole=whole), oversample, oversample)
        for psf in psfs
    ]
    widest = max(light.shape[0] for light in lights)
    samples = widest if size is None else (size - 1) * oversample + 1
    width = next_fast_len(2 * max(widest, samples), real=True)
    all_pass = [np.sqrt(squared(transfer(one, oversample, width))) for one in lights]
    passed = np.min(all_pass, axis=0)
    broadest = min(all_pass, key=np.sum)
    # Where the least of several functions changes from one to the other it has a kink, and
    # its image a far ringing: far out the image is made that of the broadest PSF.
    place = np.minimum(np.abs(np.fft.fftfreq(width, 1 / width)) / (samples // 2 + 1), 1)
    edge = np.sin(np.pi / 2 * np.clip((1 - place) / SOFTNESS, 0, 1)) ** 2
    ringing = irfft2(passed - broadest, s=(width, width))
    soft = broadest + rfft2(ringing * np.outer(edge, edge)).real
    safe = irfft2(np.clip(soft, 0, passed), s=(width, width)) * oversample**2
    at = np.arange(-(samples // 2), samples // 2 + 1)
    return safe[np.ix_(at, at)]
