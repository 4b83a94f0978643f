"""How much more extended than a star a source is.

spread_model (Desai et al. 2012, ApJ 757, 83; Bouy et al. 2013, A&A 554, A101): with the PSF p,
the same blurred by a disc of 1/16 of its width g, weights W and the image I,

    S = (g W I) / (p W I) - (g W p) / (p W p)

which is 0 for a star of any light, whatever pixels are left out, and grows with size.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.measure.neighbours import OWN
from roman_dms.measure.shapes import REACH, WIDE
from roman_dms.psf.evaluation import (
    TAPS,
    PsfField,
    blend,
    margin,
    padded,
    patch_shape,
    spline_weights,
)

DISC = 1 / 16
"""Scale length of the exponential disc that blurs the PSF [full width at half maximum]."""

MARGIN, DOUBT = 0.004, 1.0
"""A source is extended where S exceeds this and its error that many times: the first allows for
a PSF that is not known exactly.  Of simulated stars and galaxies at 1.6 micron with a signal to
noise of 5 to 7 in 2 pixels, 1.5 % and 87 % pass, of 10 to 15, 1.3 % and 98 %."""

WITHIN = 2.5
"""Pixels that are compared [full width at half maximum]."""


WEIGHED = REACH * WIDE**0.5
"""Pixels on each side that the adaptive moments of a star need."""

TINY = 1e-30
"""Variance of a sky without noise."""


class StarModel(NamedTuple):
    """What kernels need to draw stars and slightly blurred stars."""

    coefficients: NDArray[np.float32]
    """``PsfField.coefficients``."""
    nodes_x: NDArray[np.float64]
    """(node_x,) [pixel]."""
    nodes_y: NDArray[np.float64]
    """(node_y,) [pixel]."""
    half: int
    """Pixels on each side that are compared; 0: there is no PSF."""
    sigma: float
    """Standard deviation of the PSF's core [pixel]."""
    blur: float
    """Share of its neighbours along an axis in a blurred sample."""


def star_model(psf: PsfField | None) -> StarModel:
    """What kernels need of a PSF."""
    if psf is None:
        nothing = np.zeros((0, 0, 0, 0, 0, 0), np.float32)
        return StarModel(nothing, np.zeros(0), np.zeros(0), 0, 0.0, 0.0)
    fwhm = full_width(psf)
    half = min(int(np.ceil(max(WITHIN * fwhm, WEIGHED))), psf.reach)
    # an exponential disc has the variance of 3 squared scale lengths along each axis
    blur = 1.5 * (DISC * fwhm * psf.oversample) ** 2
    return StarModel(psf.coefficients, psf.nodes_x, psf.nodes_y, half, fwhm / 2.355, blur)


def full_width(psf: PsfField) -> float:
    """Full width at half maximum of a PSF, of the circle with the area above half [pixel]."""
    middle = psf.samples[psf.samples.shape[0] // 2, psf.samples.shape[1] // 2]
    above = np.count_nonzero(middle > 0.5 * middle.max())
    return float(2 * np.sqrt(above / np.pi) / psf.oversample)


@njit(nogil=True, cache=True)
def _weights(place: float, blur: float, out: Any) -> int:
    """Weights of the samples around a place, sharp and blurred; the first of the samples."""
    first = int(np.floor(place))
    sharp, slopes = np.empty(TAPS), np.empty(TAPS)
    spline_weights(place - first, sharp, slopes)
    out[:] = 0
    for k in range(TAPS):
        out[0, k + 1] = sharp[k]
        # so much smaller than the PSF, a disc acts by its variance alone
        out[1, k] += blur * sharp[k]
        out[1, k + 1] += (1 - 2 * blur) * sharp[k]
        out[1, k + 2] += blur * sharp[k]
    return first - TAPS // 2


@njit(nogil=True, cache=True, fastmath=True)
def star_pixels(stars: StarModel, x: float, y: float) -> Any:
    """The pixels of a star of unit light and of a blurred one.

    Parameters
    ----------
    stars
        The PSF.
    x, y
        The star's place [pixel].

    Returns
    -------
    NDArray, NDArray
        (2 half + 1, 2 half + 1) float32, the star in the middle pixel.
    """
    half, o = stars.half, stars.coefficients.shape[2]
    patch = np.empty(patch_shape(o, half), np.float32)
    blend(stars.coefficients, stars.nodes_x, stars.nodes_y, x, y, half, patch)
    size, middle = 2 * half + 1, (half + margin(o)) * o
    across, down = np.empty((2, TAPS + 2), np.float32), np.empty((2, TAPS + 2), np.float32)
    left = _weights(-(x - np.floor(x + 0.5)) * o, stars.blur, across) + middle - half * o
    low = _weights(-(y - np.floor(y + 0.5)) * o, stars.blur, down) + middle - half * o
    width = padded(size)
    star, wider = np.zeros((size, width), np.float32), np.zeros((size, width), np.float32)
    sharp, blurred = np.empty(width, np.float32), np.empty(width, np.float32)
    # every row of samples is summed along itself once, for all pixels of the star
    for sample in range(low, low + (size - 1) * o + TAPS + 2):
        sharp[:] = 0
        blurred[:] = 0
        for tap in range(TAPS + 2):
            phase, start = (left + tap) % o, (left + tap) // o
            line = patch[sample % o, phase, sample // o, start : start + width]
            one, two = across[0, tap], across[1, tap]
            for k in range(width):
                sharp[k] += one * line[k]
                blurred[k] += two * line[k]
        for tap in range(TAPS + 2):
            row, rest = (sample - low - tap) // o, (sample - low - tap) % o
            if rest == 0 and 0 <= row < size:
                for k in range(width):
                    star[row, k] += down[0, tap] * sharp[k]
                    wider[row, k] += down[1, tap] * blurred[k]
    return np.ascontiguousarray(star[:, :size]), np.ascontiguousarray(wider[:, :size])


@njit(nogil=True, cache=True, error_model="numpy")
def spread(
    value: Any, noise: Any, kind: Any, variance: Any, x0: int, y0: int, star: Any, wider: Any
) -> Any:
    """spread_model and its error; pixels count by one over the variance of the sky.

    Parameters
    ----------
    value, noise, kind
        (size, size) as they are on the image (`neighbours.cut_out`), the star in the middle.
    variance, x0, y0
        Variance of the sky on the image, and where the square begins in it.
    star, wider
        (width, width) the PSF and the blurred one, in the middle of the square.

    Returns
    -------
    float, float
        NaN where the source has no light that looks like a star's.
    """
    start = value.shape[0] // 2 - star.shape[0] // 2
    pi, gi, pp, gp = 0.0, 0.0, 0.0, 0.0
    vp, vg, vpg = 0.0, 0.0, 0.0
    for j in range(star.shape[0]):
        for i in range(star.shape[1]):
            if kind[start + j, start + i] != OWN:
                continue
            sky = max(variance[y0 + start + j, x0 + start + i], TINY)
            p, g = star[j, i] / sky, wider[j, i] / sky
            here, error = value[start + j, start + i], noise[start + j, start + i]
            pi += p * here
            gi += g * here
            pp += p * star[j, i]
            gp += g * star[j, i]
            vp += p * p * error
            vg += g * g * error
            vpg += p * g * error
    if not (pi > 0 and pp > 0):
        return np.nan, np.nan
    ratio = gi / pi
    error = vg - 2 * ratio * vpg + ratio * ratio * vp
    return ratio - gp / pp, np.sqrt(max(error, 0.0)) / pi


@njit(nogil=True, cache=True)
def looks_extended(spread_model: float, error: float) -> bool:
    """Whether a source is more extended than a star; never where it is not known."""
    return spread_model > MARGIN + DOUBT * error
