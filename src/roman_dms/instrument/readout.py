"""When each pixel of a frame is read.

All channels are read at once, row after row.  Between rows a channel pauses for
a few clocks, and several times a frame it stops for the guide window.  The
model and its numbers are those that the mission's calibration pipeline uses;
its documentation calls the time of the guide window provisional.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.detectors import Detector

CLOCK = 4.915263e-06
"""Time to read one pixel [s]."""

ROW_PAUSE = 14
"""Pixel clocks between two rows of a channel."""

GUIDE_WINDOW_VISITS = 16
"""Times a frame at which the guide window is read, every 256 rows of 4096."""

GUIDE_WINDOW_WEIGHT = 1.5
"""Factor on the time in the guide window: transients decay faster meanwhile."""

FULL_ROWS = 4096
"""Rows of the flight detector, whose frame time the clock rate belongs to."""


def row_and_column_times(
    detector: Detector, frame_time: float, first_row: int = 0, rows: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times whose outer sum is :func:`read_times`.

    Parameters
    ----------
    detector
        Its rows, channels and orientation.
    frame_time
        Time from one frame to the next [s].
    first_row, rows
        Which rows of the detector; all to the last one where ``rows`` is ``None``.

    Returns
    -------
    tuple
        ``(rows,)`` and ``(columns,)`` [s].
    """
    width, height = detector.channel_width, detector.rows
    order = np.arange(height)
    stride = max(1, height // GUIDE_WINDOW_VISITS)
    visits = height // stride
    # A detector with fewer rows has a slower clock, so that it spends the same
    # part of the frame in the guide window.
    clocks = frame_time / CLOCK * height / FULL_ROWS
    last = (width - 1) + (height - 1) * (width + ROW_PAUSE)
    visit = (clocks - last) / visits * GUIDE_WINDOW_WEIGHT
    unit = frame_time / (last + visit * visits)

    row_times = unit * (
        order * (width + ROW_PAUSE) + visit * np.minimum(order // stride, visits - 1)
    )
    forward = unit * np.arange(width, dtype=np.float64)
    column_times = np.concatenate(
        [forward[::-1] if channel % 2 else forward for channel in range(detector.channels)]
    )
    # Two of three detectors have their rows reversed in the science orientation.
    # The third has its columns reversed, which changes nothing, since channels
    # are read in alternate directions.
    if detector.number % 3:
        row_times = row_times[::-1]
    stop = height if rows is None else first_row + rows
    return row_times[first_row:stop], column_times


def read_times(
    detector: Detector, frame_time: float, first_row: int = 0, rows: int | None = None
) -> NDArray[np.float64]:
    """Time after the start of a frame at which each pixel is read.

    Parameters
    ----------
    detector, frame_time, first_row, rows
        As in :func:`row_and_column_times`.

    Returns
    -------
    ndarray
        ``(rows, columns)`` [s].
    """
    row_times, column_times = row_and_column_times(detector, frame_time, first_row, rows)
    return np.add.outer(row_times, column_times)
