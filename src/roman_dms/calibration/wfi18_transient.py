"""The transient in the first read of detector WFI18.

After a reset the first rows of this detector's first read show a signal that
falls with the time since the start of the read as a sum of two exponentials.
It is estimated on the rows of each exposure: the first resultant is compared
with the second and third, extended back in time, in the darker half of each
row's pixels.  Two later resultants tell which pixels are dark, so that the
choice does not bias the comparison.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.quality import Resultant
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.instrument.readout import FULL_ROWS, row_and_column_times

RESULTANTS_NEEDED = 5
"""Three to foretell the first read, two to find dark pixels."""

AFFECTED_ROWS = 1000
"""Rows, of 4096, that are flagged where the transient cannot be estimated."""

CLIP = 3.0
"""Deviation from the median of a row beyond which a pixel is left out, in sigma."""

SIGMA_PER_MAD = 1.4826
"""Sigma of a normal distribution in median absolute deviations."""

BAND_ROWS = 64


class Transient(NamedTuple):
    """Sum of two exponentials in the time since the start of the first read."""

    amplitudes: tuple[float, float]
    """[DN]."""
    time_constants: tuple[float, float]
    """[s]."""

    def signal(self, detector: Detector, frame_time: float) -> NDArray[np.float32]:
        """Signal in the first resultant, (rows, columns) [DN]."""
        row_times, column_times = row_and_column_times(detector, frame_time)
        by_row = np.array(
            [a * np.exp(-row_times / tau) for a, tau in zip(*self, strict=True)], np.float32
        )
        by_column = np.array(
            [np.exp(-column_times / tau) for tau in self.time_constants], np.float32
        )
        return by_row.T @ by_column


def estimate(
    data: NDArray[np.float32], detector: Detector, pattern: ReadPattern
) -> Transient | None:
    """Estimate the transient from the rows of a whole exposure.

    Parameters
    ----------
    data
        ``(n, rows, columns)`` [DN].
    detector
        Its border and timing.
    pattern
        The reads of each resultant.

    Returns
    -------
    Transient or None
        ``None`` with fewer than five resultants, or where no sum of two decaying
        exponentials fits.
    """
    if len(pattern) < RESULTANTS_NEEDED:
        return None
    inside = slice(detector.border, -detector.border)
    row_times, column_times = row_and_column_times(detector, pattern.frame_time)
    times = row_times[inside] + np.mean(column_times[inside])
    excess = np.concatenate(
        [
            _row_excess(data[:RESULTANTS_NEEDED, start:stop, inside], pattern.mean_times)
            for start, stop in _bands(detector)
        ]
    )
    return _fit(times, excess)


def remove_transient(
    data: NDArray[np.float32],
    detector: Detector,
    pattern: ReadPattern,
    *,
    mask_rows: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Subtract the transient, or flag what it affects.

    Parameters
    ----------
    data, detector, pattern
        As in :func:`estimate`.
    mask_rows
        Flag, and do not estimate.

    Returns
    -------
    data, flags
        The data, in a new array where they changed [DN], and the flags to add
        to those of the resultants, ``(n, rows, columns)``.
    """
    flags = np.zeros(data.shape, np.uint8)
    transient = None if mask_rows else estimate(data, detector, pattern)
    if transient is None:
        stop = AFFECTED_ROWS * detector.rows // FULL_ROWS
        flags[0, :stop] = Resultant.DO_NOT_USE | Resultant.WFI18_TRANSIENT
        return data, flags
    corrected = data.astype(np.float32)
    corrected[0] -= transient.signal(detector, pattern.frame_time)
    return corrected, flags


def _bands(detector: Detector) -> list[tuple[int, int]]:
    first, last = detector.border, detector.rows - detector.border
    return [(start, min(start + BAND_ROWS, last)) for start in range(first, last, BAND_ROWS)]


def _row_excess(data: NDArray[np.float32], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the dark pixels of each row of what the first resultant has too much [DN]."""
    back = np.float32((times[1] - times[0]) / (times[2] - times[1]))
    excess = data[0] - data[1] + (data[2] - data[1]) * back
    rise = data[4] - data[3]
    used = rise <= np.median(rise, axis=1, keepdims=True)
    sample = np.where(used, excess, np.float32(np.nan))
    off = np.abs(sample - np.nanmedian(sample, axis=1, keepdims=True))
    sigma = SIGMA_PER_MAD * np.nanmedian(off, axis=1, keepdims=True)
    return np.mean(excess, axis=1, where=off <= CLIP * sigma, dtype=np.float64)


def _fit(times: NDArray[np.float64], excess: NDArray[np.float64]) -> Transient | None:
    """Fit two exponentials; ``None`` unless both decay."""
    from scipy.optimize import OptimizeWarning, curve_fit  # noqa: PLC0415 - slow to import

    def model(t: NDArray[np.float64], *p: float) -> NDArray[np.float64]:
        return p[0] * np.exp(-t / p[2]) + p[1] * np.exp(-t / p[3])

    # Where the mission's pipeline starts: rows 300 and 1000 of 4096.
    early, late = (times[len(times) * row // FULL_ROWS] for row in (300, 1000))
    start = (1.1 * excess[0], -0.1 * excess[0], early, late)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # of steps far from the solution
            found, _ = curve_fit(model, times, excess, p0=start)
    except (ValueError, RuntimeError, OptimizeWarning):
        return None
    a, b, tau_a, tau_b = (float(value) for value in found)
    if not (np.all(np.isfinite(found)) and tau_a > 0 and tau_b > 0):
        return None
    return Transient((a, b), (tau_a, tau_b))
