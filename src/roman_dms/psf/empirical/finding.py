"""Stars that are bright, whole and alone, in one image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.exposure import Exposure

SIGNIFICANCE = 25.0
"""Least light of the brightest pixel, in standard deviations of the sky."""

COMPANION = 0.1
"""Brightest companion of a star, as a part of its own brightest pixel."""

ISOLATION = 8.0
"""Distance within which there may be no companion [pixel]."""

SATURATED_REACH = 3
"""Distance within which there may be no saturated pixel [pixel]."""


def find_stars(
    exposure: Exposure, most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Places (x, y) [pixel] and brightest pixels of what may be stars, brightest first.

    Galaxies are among them: how wide a source is shows when it is fitted.

    Parameters
    ----------
    exposure
        The image.
    most
        How many, at most.
    """
    sky, scatter = _level(exposure)
    columns, rows, peaks = _peaks(exposure, sky, SIGNIFICANCE * scatter)
    alone = _alone(columns, rows, peaks) & _whole(exposure, columns, rows)
    order = np.argsort(-peaks[alone], kind="stable")[:most]
    brightest = np.flatnonzero(alone)[order]
    columns, rows, peaks = columns[brightest], rows[brightest], peaks[brightest]
    x, y = _centres(exposure.data - sky, columns, rows)
    return x, y, peaks


def _level(exposure: Exposure) -> tuple[np.float32, np.float32]:
    """Median of the image and its scatter, from a part of the pixels."""
    some = exposure.data[::7, ::7][exposure.usable[::7, ::7]]
    if not some.size:
        return np.float32(0), np.float32(np.inf)
    middle = np.median(some)
    below = some[some <= middle]  # sources are above
    return middle, np.float32(1.4826 * np.median(middle - below))


def _peaks(
    exposure: Exposure, sky: np.float32, least: np.float32
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Pixels that are the brightest of the 5 x 5 around them."""
    data = exposure.data
    rows, columns = np.nonzero((data > sky + least) & exposure.usable)
    height, width = data.shape
    inside = (rows >= 2) & (rows < height - 2) & (columns >= 2) & (columns < width - 2)
    rows, columns = rows[inside], columns[inside]
    highest = np.ones(len(rows), bool)
    for i in range(-2, 3):
        for j in range(-2, 3):
            other = data[rows + i, columns + j]
            middle = data[rows, columns]
            highest &= (
                (middle > other) | ((i, j) == (0, 0)) | (((i, j) > (0, 0)) & (middle == other))
            )
    return columns[highest], rows[highest], (data - sky)[rows[highest], columns[highest]]


def _alone(
    columns: NDArray[np.int64], rows: NDArray[np.int64], peaks: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Whether no peak is near that is bright beside this one."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    alone = np.ones(len(peaks), bool)
    if len(peaks) > 1:
        pairs = cKDTree(np.stack([columns, rows], 1)).query_pairs(ISOLATION, output_type="ndarray")
        for one, other in (pairs.T, pairs.T[::-1]):
            alone[one[peaks[other] > COMPANION * peaks[one]]] = False
    return alone


def _whole(
    exposure: Exposure, columns: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether no pixel near is saturated, and those around are usable."""
    height, width = exposure.data.shape
    whole = np.ones(len(rows), bool)
    for i in range(-SATURATED_REACH, SATURATED_REACH + 1):
        for j in range(-SATURATED_REACH, SATURATED_REACH + 1):
            at = np.clip(rows + i, 0, height - 1), np.clip(columns + j, 0, width - 1)
            whole &= ~exposure.saturated[at]
            if max(abs(i), abs(j)) <= 1:
                whole &= exposure.usable[at]
    return whole


def _centres(
    light: NDArray[np.float32], columns: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroids of the 3 x 3 pixels around each peak."""
    side = np.arange(-1, 2)
    stamp = np.maximum(light[rows[:, None, None] + side[:, None], columns[:, None, None] + side], 0)
    total = stamp.sum(axis=(1, 2), dtype=float)
    x = (stamp * side).sum(axis=(1, 2)) / total
    y = (stamp * side[:, None]).sum(axis=(1, 2)) / total
    return columns + np.clip(x, -0.5, 0.5), rows + np.clip(y, -0.5, 0.5)
