"""Boxes, light and moments of segments.

The moments are those of the segment's positive pixels, as the mission's catalogue has them
(photutils); fluxes take all pixels.  Notation of Bertin & Arnouts 1996 (A&AS 117, 393).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.measure.measurements import Caution

CENTRE_UNUSABLE, EDGE = int(Caution.CENTRE_UNUSABLE), int(Caution.EDGE)
SATURATED, UNUSABLE, NO_PIXELS = (
    int(Caution.SATURATED),
    int(Caution.UNUSABLE),
    int(Caution.NO_PIXELS),
)

PIXEL = 1 / 12
"""Variance of a flat pixel: added to moments of sources that are narrower than one [pixel^2]."""


def boxes_of(segments: NDArray[np.uint32], n: int, workers: int = 2) -> NDArray[np.int32]:
    """Boxes around segments.

    Parameters
    ----------
    segments
        (row, column) 0 for the sky, 1 to n.
    n
        Number of segments.
    workers
        Threads.

    Returns
    -------
    NDArray
        (n, 4) first column, last column, first row, last row; the first beyond the last
        where a label has no pixel.
    """
    edges = np.linspace(0, segments.shape[0], workers + 1).astype(int)

    def of_band(band: int) -> NDArray[np.int32]:
        boxes = np.empty((n, 4), np.int32)
        boxes[:, ::2], boxes[:, 1::2] = np.iinfo(np.int32).max, -1
        _extend(segments, edges[band], edges[band + 1], boxes)
        return boxes

    with ThreadPoolExecutor(workers) as pool:
        bands = np.array(list(pool.map(of_band, range(workers))))
    return np.stack([bands[..., 0].min(0), bands[..., 1].max(0), bands[..., 2].min(0),
                     bands[..., 3].max(0)], axis=1)  # fmt: skip


@njit(nogil=True, cache=True)
def _extend(segments: Any, first: int, stop: int, boxes: Any) -> None:
    """Extend boxes by the pixels of a band of rows."""
    for row in range(first, stop):
        line = segments[row]
        column = 0
        while column < line.size:
            label, start = line[column], column
            column += 1
            if label == 0:
                continue
            while column < line.size and line[column] == label:
                column += 1
            box = boxes[label - 1]
            box[0], box[1] = min(box[0], start), max(box[1], column - 1)
            box[2], box[3] = min(box[2], row), max(box[3], row)


@njit(nogil=True, cache=True, error_model="numpy")
def isophote(
    light: Any, variance: Any, per_light: float, segments: Any, quality: Any, saturated: Any,
    label: int, box: Any, row: Any,
) -> None:  # fmt: skip
    """Light and moments of one segment.

    Parameters
    ----------
    light, variance, segments
        The image; the variance of unusable pixels is not finite.
    per_light
        Variance that a unit of light adds.
    quality, saturated
        (row, column), or of shape (0, 0): not known.
    label, box
        The segment and its first and last columns and rows.
    row
        Of ``measurements.ROW``, changed.
    """
    x0, y0 = 0.5 * (box[0] + box[1]), 0.5 * (box[2] + box[3])
    flux, noise, area, used, positive = 0.0, 0.0, 0, 0, 0.0
    sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0
    n0, nx, ny, nxx, nxy, nyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(box[2], box[3] + 1):
        y = j - y0
        for i in range(box[0], box[1] + 1):
            if segments[j, i] != label:
                continue
            area += 1
            if not np.isfinite(variance[j, i]):
                continue
            used += 1
            value = np.float64(light[j, i])
            own = max(variance[j, i] + per_light * value, 0.0)
            flux += value
            noise += own
            if value <= 0:
                continue
            x = i - x0
            positive += value
            sx += value * x
            sy += value * y
            sxx += value * x * x
            sxy += value * x * y
            syy += value * y * y
            n0 += own
            nx += own * x
            ny += own * y
            nxx += own * x * x
            nxy += own * x * y
            nyy += own * y * y
    row.segment_area = area
    _gather(segments, quality, saturated, label, box, row)
    if used < area:
        row.warning_flags |= UNUSABLE
    if used == 0:
        row.warning_flags |= NO_PIXELS
        return
    row.segment_flux, row.segment_flux_err = flux, np.sqrt(noise)
    if positive <= 0:
        return
    mx, my = sx / positive, sy / positive
    row.x_centroid, row.y_centroid = x0 + mx, y0 + my
    square = positive * positive
    row.x_centroid_err = np.sqrt(max(nxx - 2 * mx * nx + mx * mx * n0, 0.0) / square)
    row.y_centroid_err = np.sqrt(max(nyy - 2 * my * ny + my * my * n0, 0.0) / square)
    row.xy_centroid_cov = (nxy - mx * ny - my * nx + mx * my * n0) / square
    _ellipse(sxx / positive - mx * mx, sxy / positive - mx * my, syy / positive - my * my, row)


@njit(nogil=True, cache=True)
def _gather(segments: Any, quality: Any, saturated: Any, label: int, box: Any, row: Any) -> None:
    """Flags of all pixels of a segment."""
    for j in range(box[2], box[3] + 1):
        for i in range(box[0], box[1] + 1):
            if segments[j, i] == label:
                if quality.size:
                    row.image_flags |= np.int32(quality[j, i])
                if saturated.size and saturated[j, i]:
                    row.warning_flags |= SATURATED


@njit(nogil=True, cache=True, error_model="numpy")
def _ellipse(xx: float, xy: float, yy: float, row: Any) -> None:
    """The ellipse of second moments; what is narrower than a pixel is widened by one."""
    if xx * yy - xy * xy < PIXEL**2:
        xx += PIXEL
        yy += PIXEL
    half, part = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    determinant = xx * yy - xy * xy
    row.semimajor = np.sqrt(half + part)
    row.semiminor = np.sqrt(determinant / (half + part))
    row.fwhm = 2 * np.sqrt(np.log(2.0) * 2 * half)
    row.ellipticity = 1 - row.semiminor / row.semimajor
    row.orientation_pix = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy)) % 360
    row.cxx = yy / determinant
    row.cxy = -2 * xy / determinant
    row.cyy = xx / determinant
