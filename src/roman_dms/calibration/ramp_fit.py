"""From resultants to a rate: jump detection and fit of ramps in one.

Two published methods with one result: the likelihood fit with its chi-squared
search for jumps (Brandt 2024, PASP 136 045004 and 045005), and the weights of
Casertano et al. (2022, Roman-STScI-000394) with the jump statistic of Sharma &
Casertano (2024, PASP 136 054504).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roman_dms.calibration import ramp_casertano, ramp_likelihood
from roman_dms.calibration.ramp_covariance import differences
from roman_dms.errors import CalibrationError
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

JUMP_THRESHOLD = 4.85
"""Significance above which a difference of resultants is a jump [sigma].

Each pixel has about two tests a resultant: 4.85 keeps false jumps below 1e-4 a
pixel for the read patterns of the mission and finds 98 % of hits beyond 6 sigma.
"""

SECOND_OMISSION = ((3, 3.7), (4, 2.7), (5, 2.7), (6, 1.5))
"""What chi-squared must gain further for a second difference to be left out, by
the median number of reads of the inner resultants; level beyond the ends."""


class RampFit(NamedTuple):
    """The rate of each pixel, how well it is known, and the jumps that were left out.

    A pixel without any usable difference of resultants has rate, variances,
    chi-squared and dumo of zero and the flag DO_NOT_USE.
    """

    rate: NDArray[np.float32]
    """Rate [DN/s], shape (rows, columns)."""
    var_poisson: NDArray[np.float32]
    """Variance of the rate by photon noise [DN^2/s^2]."""
    var_rnoise: NDArray[np.float32]
    """Variance of the rate by read noise [DN^2/s^2]."""
    chisq: NDArray[np.float32]
    """Chi-squared of the fit."""
    dumo: NDArray[np.float32]
    """Rate of a fit with equal weights to all resultants, minus ``rate`` [DN/s]."""
    dq: NDArray[np.uint32]
    """New flags of the pixels, to be added to those known before."""
    jumps: NDArray[np.int16]
    """(resultant, row, column) of each jump, shape (N, 3), in no special order.

    A jump between resultants k - 1 and k belongs to k; one among the reads of
    resultant k spoils both differences and is listed for k and k + 1.
    """


def fit_likelihood(
    data: NDArray[np.float32],
    resultant_dq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    pattern: ReadPattern,
    *,
    jump_threshold: float | None = JUMP_THRESHOLD,
) -> RampFit:
    """Fit ramps by likelihood and leave out jumps (Brandt 2024).

    Parameters
    ----------
    data
        Linear resultants [DN], shape (n, rows, columns).
    resultant_dq
        Their flags.  DO_NOT_USE, SATURATED, DROPOUT and AD_FLOOR leave a resultant
        out, JUMP_DET the difference to the one before.  Values that are not finite
        are left out too.  A pixel that saturated is flagged so, with a slope from the
        resultants before if there are two.
    gain
        Electrons per DN, shape (rows, columns).
    read_noise
        Standard deviation of one read [DN], shape (rows, columns).
    pattern
        The reads of each resultant.
    jump_threshold
        Significance of a jump [sigma]; None for no search.

    Returns
    -------
    RampFit
        NO_GAIN_VALUE and DO_NOT_USE mark pixels whose gain is not positive (they
        are fitted without photon noise), OTHER_BAD_PIXEL those with a resultant
        that is no number.

    Raises
    ------
    CalibrationError
        If the shapes do not agree, or the threshold is not positive.
    """
    _check_shapes(data, resultant_dq, gain, read_noise, pattern)
    if len(pattern) == 1:
        return _without_fit(data, resultant_dq)
    one, two = improvements(jump_threshold, pattern)
    arrays = _contiguous(data, resultant_dq, gain, read_noise)
    out, dq, jumps = ramp_likelihood.fit_tile(
        *arrays, differences(pattern), np.float32(one), np.float32(two)
    )
    return RampFit._make((*out, dq, jumps))


def fit_casertano(
    data: NDArray[np.float32],
    resultant_dq: NDArray[np.uint8],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    pattern: ReadPattern,
    *,
    jumps: bool = True,
    threshold_intercept: float = 5.5,
    threshold_constant: float = 1 / 3,
) -> RampFit:
    """Fit ramps with the weights of Casertano et al. (2022) and cut them at jumps.

    Parameters
    ----------
    data, resultant_dq, gain, read_noise, pattern
        As for :func:`fit_likelihood`.
    jumps
        Whether to search for jumps.
    threshold_intercept, threshold_constant
        A difference is a jump beyond intercept - constant * log10(slope) [sigma],
        with the slope in electron/s between 1 and 10^4 (Sharma & Casertano 2024).

    Returns
    -------
    RampFit
        As of :func:`fit_likelihood`, with chi-squared zero.  Both resultants beside
        a jump are left out and listed.

    Raises
    ------
    CalibrationError
        If the shapes do not agree.
    """
    _check_shapes(data, resultant_dq, gain, read_noise, pattern)
    if len(pattern) == 1:
        return _without_fit(data, resultant_dq)
    threshold = threshold_intercept if jumps else math.inf, threshold_constant
    weights = ramp_casertano.weights(pattern)
    arrays = _contiguous(data, resultant_dq, gain, read_noise)
    out, dq, found = ramp_casertano.fit_tile(*arrays, weights, threshold)
    return RampFit._make((*out, dq, found))


def improvements(threshold: float | None, pattern: ReadPattern) -> tuple[float, float]:
    """Improvement of chi-squared that one omission, or two, must bring.

    The penalty for the second omission balances two biases of the rate after a
    hit among the reads of a resultant: too high where a small part of the charge
    is left in the neighbour, too low where the neighbour was dropped because its
    noise is positive.  The fewer reads share a resultant, the rarer is the first.
    """
    if threshold is None:
        return math.inf, math.inf
    if not threshold > 0:
        raise CalibrationError(
            f"The jump threshold is {threshold!r}.", "a positive number of sigma, or none"
        )
    inner = pattern.counts[1:-1] if len(pattern) > 2 else pattern.counts
    penalty = np.interp(np.median(inner), *np.transpose(SECOND_OMISSION))
    return threshold**2, threshold**2 + float(penalty)


def _check_shapes(
    data: NDArray[Any],
    resultant_dq: NDArray[Any],
    gain: NDArray[Any],
    read_noise: NDArray[Any],
    pattern: ReadPattern,
) -> None:
    if data.ndim != 3 or data.shape[0] != len(pattern):
        raise CalibrationError(
            f"The resultants have the shape {data.shape}.",
            f"({len(pattern)}, rows, columns), as many as the read pattern has",
        )
    named = {"flags of the resultants": (resultant_dq, data.shape)}
    named |= {"gain": (gain, data.shape[1:]), "read noise": (read_noise, data.shape[1:])}
    for name, (array, shape) in named.items():
        if array.shape != shape:
            raise CalibrationError(
                f"The {name} have the shape {array.shape}.", f"{shape}, as the resultants"
            )


def _contiguous(
    data: NDArray[Any], resultant_dq: NDArray[Any], gain: NDArray[Any], read_noise: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """Arrays as the kernels are compiled for, once, and fast; no copy where they are so."""
    return (
        np.ascontiguousarray(data, np.float32),
        np.ascontiguousarray(resultant_dq, np.uint8),
        np.ascontiguousarray(gain, np.float32),
        np.ascontiguousarray(read_noise, np.float32),
    )


def _without_fit(data: NDArray[np.float32], resultant_dq: NDArray[np.uint8]) -> RampFit:
    """Return the result for a single resultant, which has no slope."""
    zero = np.zeros((5, *data.shape[1:]), np.float32)
    saturated = resultant_dq[0] & Resultant.SATURATED.value != 0
    dq = np.where(saturated, Pixel.DO_NOT_USE | Pixel.SATURATED, Pixel.DO_NOT_USE)
    return RampFit._make((*zero, dq.astype(np.uint32), np.empty((0, 3), np.int16)))
