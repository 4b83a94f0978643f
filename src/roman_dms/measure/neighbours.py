"""The surroundings of a source, without the light of others.

Pixels of other segments, unusable ones and those off the image take the value of their mirror
pixel about the source, as SExtractor's CORRECT does (Bertin & Arnouts 1996, A&AS 117, 393).
Where that says nothing either, they take the mean of the good pixels at the same distance;
where there is none, NaN: what needs the pixel has no meaning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

OWN, OTHER, BAD = 0, 1, 2
"""Kinds of pixels: of the source or the sky; of another segment; unusable or off the image."""

FINITE = np.float32(np.finfo(np.float32).max)
"""Variances of this and more, and NaN, are those of unusable pixels."""


@njit(nogil=True, cache=True)
def cut_out(
    light: Any, variance: Any, per_light: float, segments: Any, label: int, x0: int, y0: int,
    size: int,
) -> Any:  # fmt: skip
    """Copy a square of the image.

    Parameters
    ----------
    light, variance, segments
        The image; the variance of unusable pixels is not finite.
    per_light
        Variance that a unit of light adds.
    label
        The source's own segment.
    x0, y0
        First column and row of the square; it may reach beyond the image.
    size
        Pixels along each side.

    Returns
    -------
    NDArray, NDArray, NDArray
        (size, size) light, variance with the photon noise of the light, and kind
        (``OWN``, ``OTHER``, ``BAD``).
    """
    value = np.zeros((size, size), np.float32)
    noise = np.zeros((size, size), np.float32)
    kind = np.full((size, size), BAD, np.uint8)
    each, zero = np.float32(per_light), np.float32(0)
    first, stop = max(0, -x0), min(size, light.shape[1] - x0)
    for j in range(max(0, -y0), min(size, light.shape[0] - y0)):
        lights = light[y0 + j, x0 + first : x0 + stop]
        skies = variance[y0 + j, x0 + first : x0 + stop]
        labels = segments[y0 + j, x0 + first : x0 + stop]
        values, noises, kinds = value[j, first:stop], noise[j, first:stop], kind[j, first:stop]
        for i in range(stop - first):
            values[i] = lights[i]
            # not clipped at the sky's: that would add half of the sky's noise to every sum
            noises[i] = max(skies[i] + each * lights[i], zero)
        for i in range(stop - first):
            other = np.uint8((labels[i] != 0) & (labels[i] != label))
            kinds[i] = other if skies[i] < FINITE else np.uint8(BAD)
    return value, noise, kind


@njit(nogil=True, cache=True)
def mirror(value: Any, noise: Any, kind: Any, x: float, y: float) -> None:
    """Replace the pixels that are not the source's.

    A pixel that is counted twice has twice its value with even weights: both then have
    twice its variance.

    Parameters
    ----------
    value, noise, kind
        Of `cut_out`; the first two are changed.
    x, y
        The source's place in the square.
    """
    size = value.shape[0]
    twice_x, twice_y = int(np.round(2 * x)), int(np.round(2 * y))
    lost = np.empty((size * size, 2), np.int32)
    n = 0
    for j in range(size):
        other = twice_y - j
        for i in range(size):
            if kind[j, i] == OWN:
                continue
            to = twice_x - i
            if 0 <= other < size and 0 <= to < size and kind[other, to] == OWN:
                value[j, i] = value[other, to]
                noise[other, to] *= 2
                noise[j, i] = noise[other, to]
            else:
                lost[n, 0], lost[n, 1] = j, i
                n += 1
    if n:
        _fill(value, noise, kind, x, y, lost[:n])


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(value: Any, noise: Any, kind: Any, x: float, y: float, lost: Any) -> None:
    """Give pixels whose mirror pixel says nothing the mean at the same distance."""
    size = value.shape[0]
    rings = np.zeros((2 * size, 3))
    for j in range(size):
        for i in range(size):
            if kind[j, i] == OWN:
                ring = rings[int(np.sqrt((i - x) ** 2 + (j - y) ** 2) + 0.5)]
                ring[0] += 1
                ring[1] += value[j, i]
                ring[2] += noise[j, i]
    for k in range(lost.shape[0]):
        j, i = lost[k]
        ring = rings[int(np.sqrt((i - x) ** 2 + (j - y) ** 2) + 0.5)]
        # 0 / 0 where no pixel is left at this distance
        value[j, i] = ring[1] / ring[0]
        noise[j, i] = ring[2] / ring[0]


def nearest(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """The nearest other source of each.

    Parameters
    ----------
    x, y
        (n,) places [pixel]; those that are not finite have no neighbours.

    Returns
    -------
    NDArray, NDArray
        (n,) index, -1 for none, and distance [pixel], NaN for none.
    """
    from scipy.spatial import KDTree  # noqa: PLC0415 - slow to import

    index, distance = np.full(len(x), -1, np.int64), np.full(len(x), np.nan)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if known.size < 2:
        return index, distance
    places = np.stack([x, y], axis=1)[known]
    away, other = KDTree(places, balanced_tree=False, compact_nodes=False).query(places, k=2)
    # of sources at one and the same place either may come first
    second = np.where(other[:, 0] == np.arange(known.size), 1, 0)
    index[known] = known[np.take_along_axis(other, second[:, None], 1)[:, 0]]
    distance[known] = np.take_along_axis(away, second[:, None], 1)[:, 0]
    return index, distance
