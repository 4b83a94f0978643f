"""Data-quality initialisation: the flags known before any pixel is looked at."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.calibration.bands import bands
from roman_dms.instrument.quality import Pixel

BAND_ROWS = 32
"""Rows that are read from the file at a time."""


def guide_window_flags(
    shape: tuple[int, int], window: tuple[int, int, int, int], grow: int = 0
) -> NDArray[np.uint32]:
    """Flags of the guide window.

    The columns of the window are touched in every row that is read while the
    window is read; the window itself cannot be used.

    Parameters
    ----------
    shape
        (rows, columns) of the detector.
    window
        First and last-plus-one column and row: x0, x1, y0, y1 [pixel].  A window
        that begins outside of the detector flags nothing (the mission writes a
        large negative number where there was none).
    grow
        Pixels by which the unusable box is grown on each side.

    Returns
    -------
    flags (rows, columns), uint32
    """
    flags = np.zeros(shape, np.uint32)
    x0, x1, y0, y1 = window
    if not (0 <= x0 < shape[1] and 0 <= y0 < shape[0]):
        return flags
    flags[:, x0:x1] |= np.uint32(Pixel.GW_AFFECTED_DATA)
    box = np.s_[max(y0 - grow, 0) : y1 + grow, max(x0 - grow, 0) : x1 + grow]
    flags[box] |= np.uint32(Pixel.DO_NOT_USE | Pixel.GW_AFFECTED_DATA)
    return flags


def read_borders(
    rows: Callable[[int, int], NDArray[Any]],
    shape: tuple[int, int, int],
    border: int,
    workers: int,
) -> dict[str, NDArray[np.float32]]:
    """The frame of reference pixels of a cube, as it was read.

    Parameters
    ----------
    rows
        Gives rows ``start:stop`` of the cube as an array (n, rows, columns) [DN].
    shape
        (n, rows, columns) of the cube.
    border
        Width of the frame [pixel].
    workers
        Threads that read.

    Returns
    -------
    ``left``, ``right`` (n, rows, border), ``bottom``, ``top`` (n, border, columns) [DN]
    """
    n, height, width = shape
    left = np.empty((n, height, border), np.float32)
    right = np.empty((n, height, border), np.float32)

    def take(place: tuple[int, int]) -> None:
        start, stop = place
        band = rows(start, stop)
        left[:, start:stop] = band[..., :border]
        right[:, start:stop] = band[..., width - border :]

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(take, bands(height, BAND_ROWS, workers)))
    return {
        "left": left,
        "right": right,
        "bottom": rows(0, border).astype(np.float32),
        "top": rows(height - border, height).astype(np.float32),
    }
