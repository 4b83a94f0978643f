"""A clean picture of a block: the robust middle of its images, pixel by pixel.

All pixels of a piece of a row are sorted together by a sorting network (Batcher's, in the form of
Knuth 1998, The Art of Computer Programming 3, section 5.2.2, algorithm M), whose comparisons
do not depend on the values, so that they run on whole vectors.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError

FRACTION = 0.4
"""Share of its full weight with which an image counts in a pixel: less lies at its edge or
next to bad pixels."""

FEWEST = 2
"""Images from which the picture is made; one image alone cannot say what is a hit."""

DOUBT = 4.0
"""Middle values of an even number of images that differ by more than this times the noise of
their difference are not averaged: the lower one is free of hits."""

SHARE = 0.5
"""Of the lower value that they may differ in addition: undersampled stars do."""

LANE = 128
"""Columns that are sorted together."""


def median_of(
    light: NDArray[np.float32],
    weight: NDArray[np.float32],
    levels: ArrayLike,
    *,
    noise: ArrayLike,
    full: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """The median of warped images without their skies; the lower middle where that is safer.

    Of an even number of values the mean of the two in the middle is taken, as usual, but the
    lower one where they differ beyond noise and sampling; with two images that is the lower
    (the rule of drizzlepac's "minmed"), so that a hit does not get into the picture.

    Parameters
    ----------
    light, weight
        (image, row, column) sums of weighted surface brightness, and of weights.
    levels
        (image,) what is subtracted from each image: its sky.
    noise
        (image,) standard deviation of a pixel of each input image where there is only sky.
    full
        (image,) weight of an output pixel that lies wholly on usable pixels; if not given the
        median of the image's weights that are not zero.

    Returns
    -------
    NDArray
        (row, column) surface brightness above the sky; NaN where fewer than two images count.

    Raises
    ------
    UsageError
        For arrays of different shapes.
    """
    levels, noise = np.asarray(levels, np.float32), np.asarray(noise, np.float64)
    of_images = levels.shape == noise.shape == light.shape[:1]
    if light.ndim != 3 or light.shape != weight.shape or not of_images:
        raise UsageError(
            f"Light of the shape {light.shape}, weight {weight.shape}, levels {levels.shape} and "
            f"noise {noise.shape} cannot be put together.",
            "(image, row, column) twice and (image,) twice",
        )
    whole = full_weights(weight) if full is None else np.asarray(full, np.float64)
    enough = np.where(whole > 0, FRACTION * whole, np.inf).astype(np.float32)
    picture = np.empty(light.shape[1:], np.float32)
    if len(light) < FEWEST:
        picture.fill(np.nan)
        return picture
    limit = np.float32(DOUBT * np.sqrt(2 * np.mean(noise**2)))
    _middle(light, weight, levels, enough, limit, sorting_network(len(light)), picture)
    return picture


def full_weights(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """(image,) median of the weights (image, row, column) that are not zero; 0 without any."""
    some = [image[::4, ::4] for image in weight]
    return np.array([np.median(of[of > 0]) if (of > 0).any() else 0.0 for of in some])


@lru_cache(maxsize=128)
def sorting_network(size: int) -> NDArray[np.int64]:
    """(comparison, 2): pairs of places that, put in order one after the other, sort all."""
    pairs = []
    top = 1 << max(0, (size - 1).bit_length() - 1)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(size - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return np.array(pairs, np.int64).reshape(-1, 2)


@njit(nogil=True, cache=True, error_model="numpy")
def _middle(light, weight, levels, enough, limit, pairs, picture):  # type: ignore[no-untyped-def]
    """The rule of `median_of`; values that do not count are infinite and sort last."""
    images, rows, columns = light.shape
    values = np.empty((images, LANE), np.float32)
    for row in range(rows):
        for first in range(0, columns, LANE):
            last = min(first + LANE, columns)
            count = np.zeros(LANE, np.int32)
            for image in range(images):
                _fill(
                    light[image, row, first:last],
                    weight[image, row, first:last],
                    levels[image],
                    enough[image],
                    values[image],
                    count,
                )
            for pair in range(len(pairs)):
                _put_in_order(values[pairs[pair, 0]], values[pairs[pair, 1]])
            for column in range(last - first):
                n = count[column]
                if n < FEWEST:
                    picture[row, first + column] = np.nan
                    continue
                low, high = values[(n - 1) // 2, column], values[n // 2, column]
                if high - low > limit + np.float32(SHARE) * max(low, np.float32(0)):
                    high = low
                picture[row, first + column] = np.float32(0.5) * (low + high)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(light, weight, level, enough, values, count):  # type: ignore[no-untyped-def]
    """Values of one image along a piece of a row, and how many images count."""
    for column in range(len(light)):
        good = weight[column] > enough
        value = light[column] / weight[column] - level
        values[column] = value if good else np.float32(np.inf)
        count[column] += good


@njit(nogil=True, cache=True)
def _put_in_order(one, other):  # type: ignore[no-untyped-def]
    """The lower values into the one, the higher into the other."""
    for column in range(LANE):
        a, b = one[column], other[column]
        one[column] = min(a, b)
        other[column] = max(a, b)
