"""Maxima that bright stars bring along: spots and rays of the PSF."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

MARGIN = 1.5
"""How much higher than in the given wings the PSF's own maxima may be: they vary with the
colour of a star and its place."""

STRETCH = 0.15
"""How much nearer or further they may be, as a share of their distance, for the same reason."""

REACH = 256
"""How far maxima are expected if the wings are not given [pixel]."""

CORE = 1.5
"""Within so many widths the PSF has one maximum."""


def structure_of(
    kernel: NDArray[np.float32],
    wings: NDArray[np.floating] | None,
    contrast: float,
    width: float,
    sharpening: float = 0.0,
) -> NDArray[np.float32]:
    """How high the maxima of a star's own structure may be, relative to the star.

    Parameters
    ----------
    kernel
        (k, k) of the filter.
    wings
        (w, w), w odd: the PSF on whole pixels, far out, to look for maxima.  If not given,
        they may be as high as ``contrast`` / (1 + (r / width)^2); if given, where none are
        seen, that to the power 3/2 of the bracket.
    contrast, width
        Near the star, and how soon it falls off [pixel].
    sharpening
        See ``DetectionSettings``.

    Returns
    -------
    structure
        (radius + 1,) by distance in whole pixels.
    """
    if wings is None:
        return _fall(np.arange(REACH + 1), contrast, width, 1.0)
    from scipy.ndimage import uniform_filter  # noqa: PLC0415 - slow to import
    from scipy.signal import oaconvolve  # noqa: PLC0415 - slow to import

    middle = wings.shape[0] // 2
    filtered = oaconvolve(np.asarray(wings, np.float64), kernel[::-1, ::-1], mode="same")
    filtered += sharpening * (filtered - uniform_filter(filtered, 3, mode="nearest"))
    relative = filtered / filtered[middle, middle]
    inner = relative[1:-1, 1:-1]
    highest = np.ones(inner.shape, bool)
    for i, j in _NEIGHBOURS:
        highest &= inner > relative[1 + i : -1 + i or None, 1 + j : -1 + j or None]
    rows, columns = np.nonzero(highest)
    distances = np.hypot(rows + 1 - middle, columns + 1 - middle)
    heights = inner[rows, columns]
    structure = _fall(np.arange(middle + 1), contrast, width, 1.5)
    for distance, height in zip(distances, heights, strict=True):
        if distance > CORE * width:
            near = slice(int(distance * (1 - STRETCH)), int(distance * (1 + STRETCH)) + 2)
            structure[near] = np.maximum(structure[near], np.float32(MARGIN * height))
    return structure


_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


def _fall(
    radius: NDArray[np.int64], contrast: float, width: float, power: float
) -> NDArray[np.float32]:
    return (contrast / (1 + (radius / width) ** 2) ** power).astype(np.float32)


@njit(nogil=True, cache=True)
def disown(x, y, height, noise, real, structure, least, separation):  # type: ignore[no-untyped-def]
    """Take from maxima their reality if they may be structure of a brighter star nearby.

    Parameters
    ----------
    x, y
        (n,) places, in the order of rows [pixel].
    height, noise
        (n,) significance and its standard deviation.
    real
        (n,) changed.
    structure
        See ``structure_of``.
    least
        Structure lower than this is no maximum anyone would take for a source.
    separation
        How much a source exceeds structure [standard deviations].
    """
    candidates = np.flatnonzero(real)
    doubtful = np.zeros(len(real), np.bool_)
    for bright in candidates:
        radius = len(structure) - 1
        while radius > 0 and structure[radius] * height[bright] < least:
            radius -= 1
        if radius == 0:
            continue
        at = np.searchsorted(candidates, bright)
        for way in (-1, 1):
            other = at + way
            while 0 <= other < len(candidates):
                one = candidates[other]
                dy = y[one] - y[bright]
                if abs(dy) > radius + 2:  # rows of maxima, not of their summits, are in order
                    break
                dx = x[one] - x[bright]
                if abs(dx) <= radius + 1 and height[one] < height[bright]:
                    distance = int(np.hypot(dx, dy))
                    if distance <= radius:
                        possible = structure[distance] * height[bright] + separation * noise[one]
                        doubtful[one] |= height[one] < possible
                other += way
    for one in candidates:
        real[one] &= not doubtful[one]
