"""An effective PSF where stars are: between samples and between nodes, with slopes.

Quintic splines (Unser 1999, IEEE Signal Processing Magazine 16(6), 22) go through the samples
and are smooth up to the fourth derivative, so that the slopes belong to the values.  All
pixels of a star have the same offset from the samples: its weights are computed once, and with
samples sorted by phase each is a weight times a contiguous row.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.grid import PsfGrid

ORDER = 5
"""Degree of the splines."""

TAPS = ORDER + 1
"""Samples along an axis that a value depends on."""

LANES = 8
"""Widths of stamps are multiples of this, so that loops over columns vectorise."""


@dataclass(frozen=True)
class PsfField:
    """The effective PSFs of one colour of light over a detector, ready to be sampled."""

    nodes_x: NDArray[np.float64]
    """(node_x,) columns of the nodes, increasing [pixel]."""

    nodes_y: NDArray[np.float64]
    """(node_y,) rows of the nodes, increasing [pixel]."""

    samples: NDArray[np.float32]
    """(node_y, node_x, S, S): fraction of the light in a pixel whose centre lies
    (column - (S - 1) / 2) / oversample from the star, and the same for rows."""

    oversample: int
    """Samples a pixel, along each axis."""

    wings: NDArray[np.float32]
    """(W, W) the same on whole pixels, far out."""

    coefficients: NDArray[np.float32]
    """(node_y, node_x, oversample, oversample, P, Q) of the splines, by phase: ``[..., i, j,
    :, :]`` are the samples i + k oversample rows and j + l oversample columns from the
    centre, which is at phase 0, ``[P // 2, P // 2]``; zeros around."""

    @classmethod
    def of(cls, grid: PsfGrid, wavelength: float | None = None, workers: int = 1) -> PsfField:
        """One colour of a grid.

        Parameters
        ----------
        grid
            Effective PSFs.
        wavelength
            Mean wavelength of the detected photons [micron]; that of the middle of the
            grid's components if not given.
        workers
            Threads; the result does not depend on them.

        Raises
        ------
        UsageError
            If the PSFs are not finite, hold no light, or are too narrow to be sampled.
        """
        if wavelength is None:
            wavelength = float(np.mean(grid.wavelengths[[0, -1]]))
        shares = grid.weights(np.array([wavelength]))[0]
        used = np.flatnonzero(shares)
        samples = sum(
            (shares[k] * grid.samples[k] for k in used[1:]), shares[used[0]] * grid.samples[used[0]]
        )
        _check(grid, samples)
        return cls(
            grid.nodes_x,
            grid.nodes_y,
            samples,
            grid.oversample,
            grid.wings,
            _phases(samples, grid.oversample, workers),
        )

    @property
    def reach(self) -> int:
        """Whole pixels from a star's pixel to which the samples hold, wherever it is in it."""
        return int(((self.samples.shape[-1] - 1) / 2 - ORDER // 2) / self.oversample - 1)

    @cached_property
    def fading(self) -> NDArray[np.float64]:
        """Mean light of a star at whole radii, in pixels, made to fall everywhere."""
        middle = self.wings.shape[0] // 2
        y, x = np.indices(self.wings.shape) - middle
        radius = np.rint(np.hypot(x, y)).astype(int)
        inside = radius < middle
        light = np.bincount(radius[inside], self.wings[inside].astype(float))
        profile = np.abs(light / np.bincount(radius[inside]))
        return np.maximum.accumulate(profile[::-1])[::-1]

    def pixels(self, x: float, y: float, half: int) -> NDArray[np.float32]:
        """The image of a star of unit light on whole pixels.

        Parameters
        ----------
        x, y
            The star's place [pixel].
        half
            Pixels on each side of the star's own; beyond `reach` they come from the wings.

        Returns
        -------
        NDArray
            (2 half + 1, 2 half + 1): fraction of the light, the star in the middle pixel.
        """
        column, row = round(x), round(y)
        near = min(half, self.reach)
        stamp = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
        if near < half:
            stamp += wing_pixels(self.wings, x - column, y - row, half)
        patch = np.zeros(patch_shape(self.oversample, near), np.float32)
        values = np.empty((1, 2 * near + 1, padded(2 * near + 1)), np.float32)
        blend(self.coefficients, self.nodes_x, self.nodes_y, x, y, near, patch)
        evaluate(patch, near, x - column, y - row, values)
        inner = slice(half - near, half + near + 1)
        stamp[inner, inner] = values[0, :, : 2 * near + 1]
        return stamp


def _check(grid: PsfGrid, samples: NDArray[np.float32]) -> None:
    """Raise if PSFs cannot be sampled."""
    if not np.isfinite(samples).all() or not np.isfinite(grid.wings).all():
        raise UsageError(
            f"The PSF of {grid.detector} in {grid.element} has values that are not finite.",
            "finite effective PSFs",
            "build the PSF again, or choose another",
        )
    if not (samples.max(axis=(-2, -1)) > 0).all():
        raise UsageError(
            f"The PSF of {grid.detector} in {grid.element} holds no light.",
            "effective PSFs with a positive peak at every node",
        )
    size = samples.shape[-1]
    if size % 2 == 0 or size < 6 * grid.oversample + TAPS:
        raise UsageError(
            f"The PSF has {size} x {size} samples, {grid.oversample} a pixel.",
            f"an odd number, {6 * grid.oversample + TAPS} or more",
        )


def _phases(samples: NDArray[np.float32], oversample: int, workers: int) -> NDArray[np.float32]:
    """Coefficients of the splines through samples, sorted by phase (`PsfField.coefficients`)."""
    half = (samples.shape[-1] - 1) // 2
    middle = -(-half // oversample) + margin(oversample)
    rows = 2 * middle + 1
    before = middle * oversample - half
    inside = slice(before, before + samples.shape[-1])
    ny, nx = samples.shape[:2]
    by_phase = np.zeros((ny, nx, oversample, oversample, rows, rows + LANES), np.float32)

    def sort(line: int) -> None:
        wide = np.zeros((nx, rows * oversample, rows * oversample), np.float32)
        wide[:, inside, inside] = _coefficients(samples[line])
        split = wide.reshape(nx, rows, oversample, rows, oversample)
        by_phase[line, ..., :rows] = split.transpose(0, 2, 4, 1, 3)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(sort, range(ny)))
    return by_phase


def _coefficients(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients of the splines through samples along the last two axes."""
    from scipy.ndimage import spline_filter1d  # noqa: PLC0415 - slow to import

    along = spline_filter1d(samples, ORDER, axis=-1, output=np.float32, mode="mirror")
    whole: NDArray[np.float32] = spline_filter1d(
        along, ORDER, axis=-2, output=np.float32, mode="mirror"
    )
    return whole


@njit(cache=True, nogil=True)
def margin(oversample):  # type: ignore[no-untyped-def]
    """Pixels more on each side that a patch needs, for taps and for a star that moves a pixel."""
    return 1 + (TAPS // 2 + oversample - 1) // oversample


@njit(cache=True, nogil=True)
def padded(width):  # type: ignore[no-untyped-def]
    """Width rounded up to whole vectors."""
    return (width + LANES - 1) // LANES * LANES


@njit(cache=True, nogil=True)
def patch_shape(oversample, half):  # type: ignore[no-untyped-def]
    """Shape of the array for `blend`."""
    around = margin(oversample)
    rows = 2 * (half + around) + 1
    return oversample, oversample, rows, padded(rows) + LANES


@njit(cache=True, nogil=True)
def between(nodes, place):  # type: ignore[no-untyped-def]
    """Node before a place, node after it, and how far it is from the first to the second."""
    last = nodes.size - 1
    if place <= nodes[0] or last == 0:
        return 0, 0, 0.0
    if place >= nodes[last]:
        return last, last, 0.0
    after = np.searchsorted(nodes, place, side="right")
    share = (place - nodes[after - 1]) / (nodes[after] - nodes[after - 1])
    return after - 1, after, share


@njit(cache=True, nogil=True, fastmath=True)
def blend(coefficients, nodes_x, nodes_y, x, y, half, patch):  # type: ignore[no-untyped-def]
    """Coefficients at one place, bilinear between nodes, for stamps of half + half + 1 pixels.

    Parameters
    ----------
    coefficients, nodes_x, nodes_y
        Of a `PsfField`.
    x, y
        Place on the detector [pixel].
    half
        Pixels on each side, at most ``PsfField.reach``.
    patch
        float32 of `patch_shape`, or larger; filled.
    """
    left, right, to_right = between(nodes_x, x)
    low, high, to_high = between(nodes_y, y)
    a, b = np.float32((1 - to_high) * (1 - to_right)), np.float32((1 - to_high) * to_right)
    c, d = np.float32(to_high * (1 - to_right)), np.float32(to_high * to_right)
    oversample = coefficients.shape[2]
    around = half + margin(oversample)
    first = coefficients.shape[4] // 2 - around
    width = min(padded(2 * around + 1), coefficients.shape[5] - first)
    stop = first + width
    for i in range(oversample):
        for j in range(oversample):
            for row in range(2 * around + 1):
                at = first + row
                one = coefficients[low, left, i, j, at, first:stop]
                two = coefficients[low, right, i, j, at, first:stop]
                three = coefficients[high, left, i, j, at, first:stop]
                four = coefficients[high, right, i, j, at, first:stop]
                target = patch[i, j, row]
                for k in range(width):
                    target[k] = a * one[k] + b * two[k] + c * three[k] + d * four[k]


@njit(cache=True, nogil=True)
def spline_weights(t, values, slopes):  # type: ignore[no-untyped-def]
    """Weights of the six samples around a place, and their derivatives by the place.

    Parameters
    ----------
    t
        Distance beyond the third of them, 0 to 1 [sample].
    values, slopes
        (6,) filled.
    """
    for k in range(TAPS):
        far = t + 2 - k
        distance = abs(far)
        sign = 1.0 if far > 0 else -1.0
        outer = max(3 - distance, 0.0)
        middle = max(2 - distance, 0.0)
        inner = max(1 - distance, 0.0)
        values[k] = (outer**5 - 6 * middle**5 + 15 * inner**5) / 120
        slopes[k] = -sign * (outer**4 - 6 * middle**4 + 15 * inner**4) / 24


@njit(cache=True, nogil=True, fastmath=True)
def evaluate(patch, half, dx, dy, out):  # type: ignore[no-untyped-def]
    """The pixels of a star of unit light, and their derivatives by its place.

    Parameters
    ----------
    patch
        Coefficients around the star (`blend`), with the same ``half``.
    half
        Pixels on each side of the middle pixel.
    dx, dy
        The star's place from the centre of the middle pixel, -1 to 1 [pixel].
    out
        (3, 2 half + 1, L) float32, L = ``padded(2 half + 1)`` or more: values, derivatives by
        x and by y; columns beyond 2 half + 1 get numbers without meaning.  Only the values
        where it is (1, 2 half + 1, L).
    """
    oversample = patch.shape[0]
    around = margin(oversample)
    weights = np.empty((4, TAPS), np.float32)
    first_x = int(np.floor(-dx * oversample))
    first_y = int(np.floor(-dy * oversample))
    spline_weights(-dx * oversample - first_x, weights[0], weights[1])
    spline_weights(-dy * oversample - first_y, weights[2], weights[3])
    by_x, slope_x, by_y, slope_y = weights[0], weights[1], weights[2], weights[3]
    places = np.empty((2, TAPS), np.int64)
    phase, start = places[0], places[1]
    for k in range(TAPS):
        slope_x[k] *= -oversample
        slope_y[k] *= -oversample
        tap = first_x + k - 2 + around * oversample
        phase[k] = tap % oversample
        start[k] = tap // oversample
    size = 2 * half + 1
    width = padded(size)
    u0, u1, u2, u3, u4, u5 = by_x[0], by_x[1], by_x[2], by_x[3], by_x[4], by_x[5]
    v0, v1, v2, v3, v4, v5 = slope_x[0], slope_x[1], slope_x[2], slope_x[3], slope_x[4], slope_x[5]
    slopes = min(out.shape[0] - 1, 1)
    out[:, :size, :width] = 0
    for row in range(size):
        value = out[0, row, :width]
        dvdx, dvdy = out[slopes, row, :width], out[2 * slopes, row, :width]
        for tap in range(TAPS):
            at = first_y + tap - 2 + around * oversample
            i, line = at % oversample, at // oversample + row
            p0 = patch[i, phase[0], line, start[0] : start[0] + width]
            p1 = patch[i, phase[1], line, start[1] : start[1] + width]
            p2 = patch[i, phase[2], line, start[2] : start[2] + width]
            p3 = patch[i, phase[3], line, start[3] : start[3] + width]
            p4 = patch[i, phase[4], line, start[4] : start[4] + width]
            p5 = patch[i, phase[5], line, start[5] : start[5] + width]
            w, s = by_y[tap], slope_y[tap]
            if not slopes:
                for k in range(width):
                    value[k] += w * (
                        u0 * p0[k] + u1 * p1[k] + u2 * p2[k] + u3 * p3[k] + u4 * p4[k] + u5 * p5[k]
                    )
                continue
            for k in range(width):
                q0, q1, q2, q3, q4, q5 = p0[k], p1[k], p2[k], p3[k], p4[k], p5[k]
                level = u0 * q0 + u1 * q1 + u2 * q2 + u3 * q3 + u4 * q4 + u5 * q5
                slope = v0 * q0 + v1 * q1 + v2 * q2 + v3 * q3 + v4 * q4 + v5 * q5
                value[k] += w * level
                dvdx[k] += w * slope
                dvdy[k] += s * level


@njit(cache=True, nogil=True)
def wing_pixels(wings, dx, dy, half):  # type: ignore[no-untyped-def]
    """The wings of a star of unit light on whole pixels, bilinear; zero beyond their array.

    Parameters
    ----------
    wings
        (W, W) of a `PsfField`.
    dx, dy
        The star's place from the centre of the middle pixel [pixel].
    half
        Pixels on each side of it.

    Returns
    -------
    NDArray
        (2 half + 1, 2 half + 1) float32.
    """
    middle = wings.shape[0] // 2
    left, low = int(np.floor(-dx)), int(np.floor(-dy))
    right, up = np.float32(-dx - left), np.float32(-dy - low)
    one = np.float32(1)
    out = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for row in range(max(0, half - middle - low), min(2 * half + 1, half + middle - low)):
        at = row - half + middle + low
        for column in range(max(0, half - middle - left), min(2 * half + 1, half + middle - left)):
            to = column - half + middle + left
            out[row, column] = (one - up) * (
                (one - right) * wings[at, to] + right * wings[at, to + 1]
            ) + up * ((one - right) * wings[at + 1, to] + right * wings[at + 1, to + 1])
    return out
