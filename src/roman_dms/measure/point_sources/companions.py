"""Stars that others hide: what is left when known stars are taken away.

Around bright stars residuals have structure, because no PSF is known exactly and galaxies are
no stars; a share of the model counts as noise there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.measure.detection.matched_filter import filter_rows, padded_to_four

ROWS = 64
"""Rows that one thread searches at a time."""

AROUND = 2
"""Pixels on each side over which the stars' light is averaged to say how wrong it may be."""


def hidden_peaks(
    light: NDArray[np.float32],
    stars: NDArray[np.float32],
    variance: NDArray[np.float32],
    doubt: tuple[float, float],
    saturated: NDArray[np.bool_],
    kernel: NDArray[np.floating],
    near: NDArray[np.bool_],
    threshold: float,
    workers: int = 2,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Peaks of the matched filter where it is looked for.

    Parameters
    ----------
    light, stars
        (rows, columns) image without sky, and the stars on it that are known.
    variance
        (rows, columns) variance of the sky; infinite where a pixel is unusable.
    doubt
        Variance that a unit of the stars' light adds, and the share of their light, in the
        mean of the pixels around, by which they may be wrong: where a PSF is steep, or its
        rings and spikes lie elsewhere, it is wrong by more than a share of the pixel's own.
    saturated
        (rows, columns) pixels to leave out.
    kernel
        (k, k), k odd: a star in the middle of a pixel.
    near
        (rows, columns) where to look.
    threshold
        Significance of the faintest peak.
    workers
        Threads; the result does not depend on them.

    Returns
    -------
    tuple
        (m,) columns, rows, to a fraction of a pixel, and fluxes of the peaks.
    """
    rows = light.shape[0]
    taps = padded_to_four(np.asarray(kernel, np.float32))
    images = (light, stars, variance, saturated, near)

    def search(top: int) -> NDArray[np.float64]:
        return _peaks(*images, *doubt, taps, top, min(top + ROWS, rows), threshold)

    if light.shape[1] < taps.shape[0]:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    with ThreadPoolExecutor(workers) as pool:
        found = np.concatenate(list(pool.map(search, range(0, rows, ROWS))))
    return found[:, 0], found[:, 1], found[:, 2]


@njit(nogil=True, cache=True)
def _peaks(  # type: ignore[no-untyped-def]
    light, stars, variance, saturated, near, per_light, share, taps, top, end, threshold
):
    """Places, fluxes and pixels of the peaks in the rows from ``top`` to ``end``, in order."""
    margin = taps.shape[0] // 2 + AROUND + 1
    rows, columns = light.shape
    low, high = max(top - margin, 0), min(end + margin, rows)
    found, count = np.empty((16, 4)), 0
    for left, right in _runs(near[max(top - 1, 0) : end + 1], margin):
        part = (slice(low, high), slice(left, right))
        noise, residual = _doubted(
            light[part], stars[part], variance[part], saturated[part], np.float32(per_light),
            np.float32(share**2),
        )  # fmt: skip
        first, last = max(top - 1, 0), min(end + 1, rows)
        map_ = np.empty((last - first, right - left), np.float32)
        filter_rows(residual, noise, first - low, taps, np.float32(1), map_)
        _keep(map_, near[first:last, left:right])
        for row in range(max(top, 1), min(end, rows - 1)):
            line = row - first
            for at in range(max(1 - left, 0), min(right, columns - 1) - left):
                here = map_[line, at]
                if here < threshold or not _highest(map_, line, at):
                    continue
                if count == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                to_right = _vertex(map_[line, at - 1], here, map_[line, at + 1])
                found[count, 0] = left + at + to_right
                found[count, 1] = row + _vertex(map_[line - 1, at], here, map_[line + 1, at])
                found[count, 2] = _flux(here, noise, taps, row - low, at)
                found[count, 3] = row * columns + left + at
                count += 1
    return found[np.argsort(found[:count, 3])]


@njit(nogil=True, cache=True)
def _runs(near, margin):  # type: ignore[no-untyped-def]
    """First and last columns, with a margin, of what is to be looked at."""
    columns = near.shape[1]
    seen = np.zeros(columns, np.bool_)
    for row in range(near.shape[0]):
        for column in range(columns):
            seen[column] |= near[row, column]
    runs = [(0, 0) for _ in range(0)]
    for column in range(columns):
        if not seen[column]:
            continue
        left, right = max(column - margin, 0), min(column + margin + 1, columns)
        if runs and left <= runs[-1][1]:
            runs[-1] = (runs[-1][0], right)
        else:
            runs.append((left, right))
    return runs


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _doubted(light, stars, variance, saturated, per_light, square):  # type: ignore[no-untyped-def]
    """Variance with that of the stars and of what is doubtful of them, and residuals."""
    noise = _mean_around(stars)
    residual = np.empty(light.shape, np.float32)
    for row in range(light.shape[0]):
        for k in range(light.shape[1]):
            star = max(stars[row, k], np.float32(0))
            whole = variance[row, k] + per_light * star + square * noise[row, k] ** 2
            noise[row, k] = np.float32(np.inf) if saturated[row, k] else whole
            residual[row, k] = light[row, k] - stars[row, k]
    return noise, residual


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _mean_around(image):  # type: ignore[no-untyped-def]
    """Mean of the pixels around each, less towards the edges."""
    rows, columns = image.shape
    across = np.zeros(image.shape, np.float32)
    for row in range(rows):
        for shift in range(-AROUND, AROUND + 1):
            for k in range(max(0, -shift), min(columns, columns - shift)):
                across[row, k] += image[row, k + shift]
    mean = np.zeros(image.shape, np.float32)
    share = np.float32(1 / (2 * AROUND + 1) ** 2)
    for row in range(rows):
        for other in range(max(0, row - AROUND), min(rows, row + AROUND + 1)):
            for k in range(columns):
                mean[row, k] += share * across[other, k]
    return mean


@njit(nogil=True, cache=True)
def _keep(map_, near):  # type: ignore[no-untyped-def]
    """Forget the significance of what is not to be looked at."""
    for row in range(map_.shape[0]):
        for k in range(map_.shape[1]):
            map_[row, k] = map_[row, k] if near[row, k] else np.float32(0)


@njit(nogil=True, cache=True)
def _flux(significance, noise, taps, row, column):  # type: ignore[no-untyped-def]
    """Flux of a star at a pixel, of its significance."""
    half, information = taps.shape[0] // 2, 0.0
    for r in range(max(row - half, 0), min(row + half + 1, noise.shape[0])):
        for c in range(max(column - half, 0), min(column + half + 1, noise.shape[1])):
            information += taps[r - row + half, c - column + half] ** 2 / noise[r, c]
    return significance / np.sqrt(information)


@njit(nogil=True, cache=True)
def _highest(values, row, column):  # type: ignore[no-untyped-def]
    """Whether no neighbour is higher; of equals the first counts."""
    here = values[row, column]
    for r in range(-1, 2):
        for c in range(-1, 2):
            other = values[row + r, column + c]
            if other > here or (other == here and (r < 0 or (r == 0 and c < 0))):
                return False
    return True


@njit(nogil=True, cache=True)
def _vertex(before, here, after):  # type: ignore[no-untyped-def]
    """Where a parabola through three values has its maximum, from the middle one."""
    bend = before - 2 * here + after
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5) if bend < 0 else 0.0


@njit(nogil=True, cache=True)
def look_around(shape, x, y, radius):  # type: ignore[no-untyped-def]
    """(rows, columns): whether a pixel lies within some distance of a star.

    Parameters
    ----------
    shape
        (rows, columns).
    x, y, radius
        (n,) places and distances [pixel].
    """
    near = np.zeros(shape, np.bool_)
    for i in range(x.size):
        far = int(radius[i])
        column, row = int(np.rint(x[i])), int(np.rint(y[i]))
        for r in range(max(row - far, 0), min(row + far + 1, shape[0])):
            for c in range(max(column - far, 0), min(column + far + 1, shape[1])):
                if (r - row) ** 2 + (c - column) ** 2 <= radius[i] ** 2:
                    near[r, c] = True
    return near


@njit(nogil=True, cache=True)
def shared_out(segments, x, y, flux, host, first, width):  # type: ignore[no-untyped-def]
    """Give stars that were found later their share of the pixels of the stars that hid them.

    A pixel of the host, or of the sky next to the new star, goes to the star that is
    brighter there, with Moffat's profile of exponent 2.

    Parameters
    ----------
    segments
        (rows, columns) labels, row i of the stars being label i + 1; changed.
    x, y, flux
        (n,) all stars.
    host
        (m,) row of the star that hid each new one, -1 if none did.
    first
        Row of the first new star.
    width
        Full width at half maximum of the PSF [pixel].
    """
    core = 2.4 / width**2  # 4 (sqrt(2) - 1) = 1.66 for the PSF; footprints are wider
    for new in range(host.size):
        star = first + new
        column, row = int(np.rint(x[star])), int(np.rint(y[star]))
        far = 6
        for r in range(max(row - far, 0), min(row + far + 1, segments.shape[0])):
            for c in range(max(column - far, 0), min(column + far + 1, segments.shape[1])):
                distance = (c - x[star]) ** 2 + (r - y[star]) ** 2
                owner = int(segments[r, c]) - 1
                if owner < 0:
                    if distance <= width**2:
                        segments[r, c] = star + 1
                    continue
                if owner == star or (owner != host[new] and owner < first):
                    continue
                other = (c - x[owner]) ** 2 + (r - y[owner]) ** 2
                mine = flux[star] / (1 + core * distance) ** 2
                if mine > flux[owner] / (1 + core * other) ** 2:
                    segments[r, c] = star + 1
