"""The far wings of sources: one kernel, spread over the image for all of them at once.

A source between pixels is split over the four around it, which interpolates the
kernel linearly.  What this and the mean kernel miss near a source, the stamps
of the stars put right; far out it is far below the noise.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]

BAND = 64
"""Rows that one thread works on at a time."""

FOURIER_COST = 150
"""Operations a pixel of three Fourier transforms; decides which way is the faster."""


def wings_beyond(wings: Image, inner: float, outer: float) -> Image:
    """The wings, with a hole in the middle.

    Parameters
    ----------
    wings
        (W, W), W odd: fraction of the light on whole pixels.
    inner, outer
        Radii where the wings begin to rise from zero and where they are whole [pixel].

    Returns
    -------
    Array
        (W, W).
    """
    half = wings.shape[0] // 2
    offset = np.arange(-half, half + 1)
    radius = np.hypot(offset, offset[:, None])
    rise = np.clip((radius - inner) / max(outer - inner, 1e-9), 0, 1)
    return (wings * rise**2 * (3 - 2 * rise)).astype(np.float32)


def wings_outside(wings: Image, reach: float) -> Image:
    """The wings outside the square that samples of a PSF cover, to ``reach`` pixels."""
    half = wings.shape[0] // 2
    outside = np.abs(np.arange(-half, half + 1)) > reach
    return np.where(outside | outside[:, None], wings, np.float32(0))


def spread(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rate: NDArray[np.float64],
    kernel: Image,
    image: Image,
    workers: int,
) -> None:
    """Add the kernel, at every source, to an image.

    Parameters
    ----------
    x, y
        (n,) places [pixel].
    rate
        (n,) [electron / s].
    kernel
        (W, W), W odd.
    image
        (rows, columns) [electron / s], changed.
    """
    half = kernel.shape[0] // 2
    reach = half + 1
    near = (np.abs(x - (image.shape[1] - 1) / 2) < image.shape[1] / 2 + reach) & (
        np.abs(y - (image.shape[0] - 1) / 2) < image.shape[0] / 2 + reach
    )
    if not np.all(near):
        x, y, rate = x[near], y[near], rate[near]
    if not x.size or not np.any(kernel):
        return
    size = [scipy.fft.next_fast_len(n + 2 * half + 1, real=True) for n in image.shape]
    if 4 * x.size * kernel.size > FOURIER_COST * size[0] * size[1]:
        _convolve(x, y, rate, kernel, image, (size[0], size[1]), workers)
        return
    bands = range(0, image.shape[0], BAND)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda top: _stamp(x, y, rate, kernel, image[top : top + BAND], top), bands))


def _convolve(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rate: NDArray[np.float64],
    kernel: Image,
    image: Image,
    size: tuple[int, int],
    workers: int,
) -> None:
    """Add the kernel at all sources by Fourier transforms with a margin for the wings."""
    half = kernel.shape[0] // 2
    points = np.zeros(size, np.float32)
    _split(x, y, rate, half, points)
    waves = scipy.fft.rfft2(points, overwrite_x=True, workers=workers)
    del points
    waves *= scipy.fft.rfft2(kernel, size, workers=workers)
    blurred = scipy.fft.irfft2(waves, size, overwrite_x=True, workers=workers)
    # the kernel's centre is at (half, half), and so is the image's first pixel
    first = 2 * half
    image += blurred[first : first + image.shape[0], first : first + image.shape[1]]


@njit(nogil=True, cache=True)
def _split(x, y, rate, margin, points):  # type: ignore[no-untyped-def]
    """Share every source among the four pixels around it."""
    for i in range(x.size):
        column = int(np.floor(x[i]))
        row = int(np.floor(y[i]))
        u = np.float32(x[i] - column)
        v = np.float32(y[i] - row)
        light = np.float32(rate[i])
        for step_y in range(2):
            for step_x in range(2):
                share = light * (v if step_y else 1 - v) * (u if step_x else 1 - u)
                to_row = row + step_y + margin
                to_column = column + step_x + margin
                if 0 <= to_row < points.shape[0] and 0 <= to_column < points.shape[1]:
                    points[to_row, to_column] += share


@njit(nogil=True, cache=True, fastmath={"contract"})
def _stamp(x, y, rate, kernel, band, top):  # type: ignore[no-untyped-def]
    """Add the kernel at all sources to the rows of an image from ``top`` on."""
    half = kernel.shape[0] // 2
    side = kernel.shape[0]
    for i in range(x.size):
        column = int(np.floor(x[i]))
        row = int(np.floor(y[i])) - top
        u = np.float32(x[i] - column)
        v = np.float32(y[i] - row - top)
        light = np.float32(rate[i])
        for step_y in range(2):
            for step_x in range(2):
                share = light * (v if step_y else 1 - v) * (u if step_x else 1 - u)
                first_row = row + step_y - half
                first = column + step_x - half
                start = max(0, -first)
                stop = min(side, band.shape[1] - first)
                for k in range(max(0, -first_row), min(side, band.shape[0] - first_row)):
                    for j in range(start, stop):
                        band[first_row + k, first + j] += share * kernel[k, j]


def spread_coarsely(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rate: NDArray[np.float64],
    kernel: Image,
    image: Image,
    workers: int,
) -> None:
    """Add a faint and wide kernel as :func:`spread` does, but on pixels of 4 x 4."""
    half = kernel.shape[0] // 2
    before = (4 * (half // 4 + 1) + 2) - half  # the centre comes to the third of four pixels
    after = -(kernel.shape[0] + before) % 8 + 4
    padded = np.pad(kernel, (before, after))
    rows, columns = (-(-side // 4) for side in image.shape)
    side = padded.shape[0] // 4
    binned = padded[: 4 * side, : 4 * side].reshape(side, 4, side, 4).sum(axis=(1, 3))
    centre = (half + before) // 4
    wide = binned[: 2 * centre + 1, : 2 * centre + 1]
    coarse = np.zeros((rows, columns), np.float32)
    spread((x - 2) / 4, (y - 2) / 4, rate, np.ascontiguousarray(wide), coarse, workers)
    coarse /= 16
    for start in range(4):
        part = image[start::4]
        part += np.repeat(coarse[: part.shape[0]], 4, axis=1)[:, : image.shape[1]]
