"""The effective PSF at every sub-pixel phase, ready to be moved by less than a sample.

A star falls between the samples of an oversampled PSF.  The nearest sample
gives the phase; the rest t of the way, from -1 to 1 in half samples, is an
expansion of the shift in Chebyshev polynomials.  With the wavenumber k
[radian / sample] and Jacobi and Anger's expansion (NIST DLMF 10.12.3)

    exp(-i k t / 2) = J_0(k / 2) + 2 sum_n (-i)^n J_n(k / 2) T_n(t)

each term is a filter of the samples, done once.  A sum up to the third degree
errs several times less than Taylor's of the same degree, since the error is
spread over the whole sample.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

from roman_dms.psf.grid import PsfGrid

CORE = 4
"""Pixels on each side of the central one that make the core, where terms up to the third
degree are needed; outside, the PSF is below 1 % of its peak."""

CORE_TERMS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
"""Degrees of the polynomials in x and in y of the terms in the core."""

WIDE_TERMS = CORE_TERMS[:3]
"""The same farther out."""

LANES = 16
"""Rows of a table are filled up to a multiple of this, so that loops have no remainder."""


class Phases(NamedTuple):
    """Terms of the expansion on whole pixels, for every phase.

    Phases and nodes count columns faster than rows.
    """

    core: NDArray[np.float32]
    """(phase, node, component, row, term, column), rows -CORE to CORE, columns from -CORE on,
    filled up."""
    wide: NDArray[np.float32]
    """The same around the core, rows -half to half, columns from -half on; 0 in the core."""
    half: int
    """Pixels from the centre to the edge."""


def reach(psf: PsfGrid) -> int:
    """Pixels on each side of the central one that the samples cover at every phase."""
    return ((psf.samples.shape[-1] - 1) // 2 - psf.oversample // 2) // psf.oversample


def tabulate(psf: PsfGrid, half: int, workers: int) -> Phases:
    """Filter the samples, and lay them out by phase.

    Parameters
    ----------
    half
        Pixels on each side of the central one, at most `reach`.
    """
    inner = min(CORE, half)
    core = _laid_out(psf, inner, CORE_TERMS, workers)
    wide = _laid_out(psf, half, WIDE_TERMS, workers)
    hole = slice(half - inner, half + inner + 1)
    wide[..., hole, :, hole] = 0
    return Phases(core, wide, half)


def _laid_out(
    psf: PsfGrid, half: int, terms: tuple[tuple[int, int], ...], workers: int
) -> NDArray[np.float32]:
    """Some terms, on 2 half + 1 rows."""
    oversample = psf.oversample
    margin = oversample // 2 + 8
    centre = (psf.samples.shape[-1] - 1) // 2
    kept = min(centre, half * oversample + margin)
    inner = slice(centre - kept, centre + kept + 1)
    samples = psf.samples[..., inner, inner]
    samples = samples.reshape(samples.shape[0], -1, *samples.shape[-2:])
    size = scipy.fft.next_fast_len(2 * kept + 1 + margin, real=True)
    along_y = _filters(2 * np.pi * np.fft.fftfreq(size))
    along_x = _filters(2 * np.pi * np.fft.rfftfreq(size))
    side = 2 * half + 1
    width = -(-side // LANES) * LANES
    values = np.zeros(
        (oversample**2, samples.shape[1], samples.shape[0], side, len(terms), width), np.float32
    )
    for component, colour in enumerate(samples):
        waves = scipy.fft.rfft2(colour, (size, size), workers=workers)
        for term, (i, j) in enumerate(terms):
            filtered = waves * (along_y[j][:, None] * along_x[i])
            moved = scipy.fft.irfft2(filtered, (size, size), overwrite_x=True, workers=workers)
            for phase in range(oversample**2):
                first = [
                    kept - half * oversample - steps + oversample // 2
                    for steps in divmod(phase, oversample)
                ]
                cut = [slice(start, start + side * oversample, oversample) for start in first]
                values[phase, :, component, :, term, :side] = moved[:, cut[0], cut[1]]
    return values


def _filters(waves: NDArray[np.floating[Any]]) -> NDArray[np.complex64]:
    """(degree, wave) transforms of the terms along one axis, to the third degree."""
    degrees = np.arange(4)[:, None]
    factor = np.where(degrees, 2, 1) * (-1j) ** degrees
    filters: NDArray[np.complex64] = (factor * scipy.special.jv(degrees, waves / 2)).astype(
        np.complex64
    )
    return filters
