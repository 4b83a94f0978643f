r"""Dark signal that decays after the reset of the detector.

After a reset each pixel shows a signal :math:`A e^{-t / \tau}` that is the same
for all pixels of a detector, t being the time since the reset at which the
pixel is read.  A resultant holds the mean over its reads.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.instrument.readout import row_and_column_times

REFERENCE_READ = 1.5
"""Time of the tabulated amplitude, in reads: the middle of the first one."""


def subtract(
    data: NDArray[np.float32],
    first_row: int,
    detector: Detector,
    amplitude: float,
    time_constant: float,
    pattern: ReadPattern,
) -> NDArray[np.float32]:
    """Subtract the decaying dark signal from a tile of rows.

    The time of a read is a sum of terms of read, row and column, so that the
    exponential is a product of three small vectors.

    Parameters
    ----------
    data
        ``(n, rows, columns)``, resultants [DN].
    first_row
        Row of the detector at which ``data`` begins.
    detector
        The detector whose pixels are read.
    amplitude
        Signal at the middle of the first read [DN].
    time_constant
        Time in which the signal falls by e [s].
    pattern
        The reads of each resultant.

    Returns
    -------
    ndarray
        ``(n, rows, columns)``, a new array [DN].

    Raises
    ------
    ReferenceDataError
        Where the amplitude is not finite or the time constant not positive.
    """
    if not (np.isfinite(amplitude) and np.isfinite(time_constant) and time_constant > 0):
        raise ReferenceDataError(
            f"The dark decay has amplitude {amplitude} DN and time constant {time_constant} s.",
            "finite numbers, and a time constant above zero",
            "Certify the darkdecaysignal reference file.",
        )
    rows = data.shape[-2]
    row_times, column_times = row_and_column_times(detector, pattern.frame_time, first_row, rows)
    by_row = np.exp(-row_times / time_constant)
    by_column = np.exp(-column_times / time_constant).astype(np.float32)
    by_resultant = _mean_decays(pattern, time_constant)
    factors = np.multiply.outer(amplitude * by_resultant, by_row).astype(np.float32)
    decay = factors[..., None] * by_column
    return np.subtract(data, decay, out=decay)


@lru_cache(maxsize=8)  # the same for every tile
def _mean_decays(pattern: ReadPattern, time_constant: float) -> NDArray[np.float64]:
    """What is left of the signal at the reads of each resultant, on the average."""
    per_read = pattern.frame_time / time_constant
    return np.array(
        [np.mean(np.exp((REFERENCE_READ - np.array(reads)) * per_read)) for reads in pattern]
    )
