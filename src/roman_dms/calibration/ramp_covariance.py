"""What a read pattern says about a ramp: times, noise and weights of its differences.

The fit works on the differences d_i = R_(i+1) - R_i of neighbouring resultants,
whose covariance is tridiagonal (Brandt 2024, PASP 136 045004, equations 28 and 29).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.read_patterns import ReadPattern

Coefficients = NDArray[np.float32]


class Differences(NamedTuple):
    """Times and covariance of the differences of resultants.

    The covariance of differences i and i + 1 is
    ``rate / gain * photon_next[i] + read_noise**2 * read_next[i]`` and the variance
    of difference i the same with ``photon`` and ``read``.  Each array has one
    element a difference; the last of ``photon_next`` and ``read_next`` is zero.
    """

    intervals: Coefficients
    """Time between the means of the two resultants [s]."""
    photon: Coefficients
    """Variance by photon noise for a rate of one electron a second [s]."""
    photon_next: Coefficients
    """Covariance with the next difference by photon noise [s]."""
    read: Coefficients
    """Variance by read noise, in units of the variance of one read."""
    read_next: Coefficients
    """Covariance with the next difference by read noise, in the same unit."""
    uniform: Coefficients
    """Weights that are best where read noise alone matters [1/s]."""


def differences(pattern: ReadPattern) -> Differences:
    """Return the times and covariance of the differences of a read pattern."""
    n, t, tau = pattern.counts, pattern.mean_times, pattern.variance_times
    last = np.zeros(1)
    arrays = (
        np.diff(t),
        tau[:-1] + tau[1:] - 2 * t[:-1],
        np.append((t - tau)[1:-1], last),
        1 / n[:-1] + 1 / n[1:],
        np.append(-1.0 / n[1:-1], last),
        # A weight on a resultant is one on every difference up to it.
        np.cumsum(uniform_weights(pattern)[::-1])[::-1][1:],
    )
    return Differences(*(np.ascontiguousarray(array, dtype=np.float32) for array in arrays))


def uniform_weights(pattern: ReadPattern) -> NDArray[np.float64]:
    """Weights of the resultants in a straight line through equally weighted reads [1/s].

    All zero if the pattern has one resultant.
    """
    n, t = pattern.counts, pattern.mean_times
    offsets = t - np.average(t, weights=n)
    spread = np.sum(n * offsets**2)
    return n * offsets / spread if spread > 0 else np.zeros(len(pattern))
