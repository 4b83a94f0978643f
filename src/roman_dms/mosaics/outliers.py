"""Which pixels of an image hold what its fellows do not: hits, trails, moving objects, faults.

The clean picture of a block (`median`) is brought back to the pixels of each image, and a pixel
that differs is rejected, after the manner of drizzlepac (Gonzaga et al. 2012, The DrizzlePac
Handbook; Fruchter & Hook 2002, PASP 114, 144, section 6), where

    (d - b)^2 > (scale * misfit)^2 + (snr * noise)^2,
    misfit^2 = |grad b|^2 + min(b, range)^2 + (range / 10)^2

with a second, lower pair of numbers for the neighbours of what the first one finds.  Four
things differ.  The two errors are independent and add in quadrature: their sum hides faint hits
under the noise of the misfit.  Noise is predicted from the picture, so that a hit does not excuse
itself.  The misfit is what sampling, the PSF's changes and errors of place do to a star: they move
it (the gradient, by central differences), and they change the share of its light b in a pixel.
Light counts up to the range of b over the pixel and its eight neighbours, so that the smooth
light of galaxies hides no hits.  The range alone, or differences to neighbours, are as large
beside a star's peak as on it, though residuals are half as large there or less: for the same share
of clipped stars this finds eight to fifteen more in a hundred of the hits near stars
(`benchmarks/mosaic_outliers.py`).  And b is not the bare picture: warping spreads every pixel over
its own square and that of the output's pixel, so that a star's peak in the picture is too low
(in F158, at half a pixel, by 13 per cent).  To lowest order this is diffusion with the squares'
variance, and as much of the Laplacian would undo it; half of that leaves least, since undoing
all of it sharpens the difference between one image's sampling of a star and another's too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import DEGREE, Area, BlockMap
from roman_dms.mosaics.images import InputImage

HALO = 16
"""Pixels of the picture around the core with which nothing depends on the block any more, for
images with up to 2.2 pixels of the picture in a pixel of theirs."""

SHARPENING = 0.5
"""Share of warping's blur that is undone in the prediction."""

DISTRUST = np.float32(0.1)
"""Share of the range of the prediction around a pixel that it may be off by where it has neither
light nor a gradient: next to a star that the picture shows in the wrong place."""


@dataclass(frozen=True)
class OutlierSettings:
    """What counts as an outlier."""

    snr: tuple[float, float] = (5.0, 4.0)
    """Standard deviations of the predicted noise: anywhere, and next to an outlier."""

    scale: tuple[float, float] = (1.2, 0.5)
    """Likewise, multiples of the misfit.  What a filter needs, `scale_at` tells; the default is
    that of F158."""

    grow: int = 0
    """Pixels around an outlier, corners included, that are rejected with it."""

    spread: float = 1.0
    """Width over which warping spread a pixel, in pixels of the image: ``pixfrac`` of
    drizzle's square kernel."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        UsageError
            For limits that are not positive numbers.
        """
        numbers = (*self.snr, *self.scale, self.grow, self.spread)
        if not all(np.isfinite(number) and number >= 0 for number in numbers) or not all(self.snr):
            raise UsageError(
                f"The limits of outliers are {self}.", "positive numbers, each pair high and low"
            )


def scale_at(wavelength: float) -> tuple[float, float]:
    """Scales with which fewer than one in a thousand cores of bright stars are clipped.

    Residuals of stars fall as the PSF grows on the pixels, linearly with the wavelength as far
    as the filters go: fitted to what stars of 1e4 to 1e6 electrons need in four exposures, with
    errors of place of 0.03 pixel, on a picture with pixels as wide as the detector's and half
    as wide (`benchmarks/mosaic_outliers.py`).

    >>> [round(scale_at(band)[0], 2) for band in (0.62, 1.577, 2.125)]
    [2.0, 1.24, 0.8]

    Parameters
    ----------
    wavelength
        Middle of the filter's band [micron].
    """
    high = 2.5 - 0.8 * wavelength
    return high, 0.4 * high


def rejected(
    image: InputImage,
    way: BlockMap,
    median: NDArray[np.float32],
    area: Area,
    core: Area,
    level: float,
    variance: ArrayLike,
    per_light: float,
    settings: OutlierSettings | None = None,
) -> NDArray[np.int32]:
    """The outliers among the pixels whose centres lie in a block.

    Parameters
    ----------
    image
        The pixels that may lie in the block; those without weight are not judged.
    way
        Between the picture and the image.
    median
        (rows, columns) of ``area``: the clean picture without sky; NaN where it is unknown.
    area
        Where the picture lies; ``core`` and `HALO` pixels around it.
    core
        The block.  Pixels within a thousandth of a pixel of its border count as inside, so
        that none falls between blocks.
    level
        The image's sky.
    variance
        Variance of a pixel where there is only sky: one number, or one for each pixel of
        ``image``.
    per_light
        What light above the sky adds to the variance, for each unit of surface brightness.
    settings
        What counts as an outlier.

    Returns
    -------
    NDArray
        (outlier, 2) row and column on the detector, by rows.

    Raises
    ------
    UsageError
        If the picture is not that of the area.
    """
    settings = settings or OutlierSettings()
    if median.shape != area.shape:
        raise UsageError(
            f"The clean picture has the shape {median.shape}.", f"that of its area, {area.shape}"
        )
    margin = 3 + settings.grow
    end = image.window.y0 + image.window.rows, image.window.x0 + image.window.columns
    seen = way.window(core, end, margin)
    window = None if seen is None else seen.within(image.window)
    if window is None:
        return np.empty((0, 2), np.int32)
    part = image.part(window)
    noise = np.broadcast_to(np.asarray(variance, np.float32), image.window.shape)
    predicted, inside = blotted(median, area, core, way, window, settings.spread)
    found = _judge(
        np.ascontiguousarray(part.data),
        np.ascontiguousarray(part.weight),
        np.ascontiguousarray(noise[image.window.slices(window)]),
        predicted,
        np.float32(level),
        np.float32(per_light),
        np.array(settings.snr, np.float32),
        np.array(settings.scale, np.float32),
    )
    if settings.grow:
        found = _grown(found, settings.grow) & (part.weight > 0)
    return np.add(np.argwhere(found & inside), (window.y0, window.x0)).astype(np.int32)


def blotted(
    median: NDArray[np.float32],
    area: Area,
    core: Area,
    way: BlockMap,
    window: Area,
    spread: float = 1.0,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What the pixels of an image should hold, by the clean picture.

    The picture, sharpened by half of what warping blurred it, is interpolated at the pixels'
    centres by cubic convolution (Keys 1981, IEEE Trans. ASSP 29, 1153); where a part of the
    16 pixels that this takes is unknown, linearly.  It holds the response of the pixels already,
    so that averaging it over them would blur it twice.

    Parameters
    ----------
    median, area, core, way
        As for `rejected`.
    window
        Pixels of the image.
    spread
        Width over which warping spread a pixel of the image.

    Returns
    -------
    tuple
        (rows, columns) surface brightness without the sky, NaN where it is unknown; and
        which pixels' centres lie in the core.
    """
    blur = (spread**2 / abs(np.linalg.det(way.jacobian)) + 1) / 12
    sharp = np.empty(median.shape, np.float32)
    _sharpen(np.ascontiguousarray(median), np.float32(SHARPENING * blur / 2), sharp)
    predicted = np.empty(window.shape, np.float32)
    inside = np.empty(window.shape, np.bool_)
    middle_x, middle_y = way.block.centre
    _blot(
        sharp,
        way.backward,
        (window.x0 - way.centre[0], window.y0 - way.centre[1]),
        (middle_x - area.x0, middle_y - area.y0),
        (core.x0 - area.x0 - 0.501, core.y0 - area.y0 - 0.501),
        (core.columns + 0.002, core.rows + 0.002),
        predicted,
        inside,
    )
    return predicted, inside


def _grown(found: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """With all pixels within ``width`` rows and columns."""
    padded = np.pad(found, width)
    size = 2 * width + 1
    around = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.asarray(around.any(axis=(-2, -1)))


@njit(nogil=True, cache=True)
def _sharpen(picture, share, sharp):  # type: ignore[no-untyped-def]
    """The picture less a share of its Laplacian; a difference to what is unknown is nothing."""
    rows, columns = picture.shape
    for row in range(rows):
        middle, result = picture[row], sharp[row]
        above, below = picture[max(row - 1, 0)], picture[min(row + 1, rows - 1)]
        for column in range(columns):
            value = middle[column]
            around = np.float32(0)
            for other in (
                above[column],
                below[column],
                middle[max(column - 1, 0)],
                middle[min(column + 1, columns - 1)],
            ):
                difference = other - value
                around += np.float32(0) if np.isnan(difference) else difference
            result[column] = value - share * around


@njit(nogil=True, cache=True)
def _blot(picture, backward, start, middle, first, size, predicted, inside):  # type: ignore[no-untyped-def]
    """Sample the picture at the centres of an image's pixels; see `blotted`."""
    line = np.empty((2, DEGREE + 1))
    for row in range(predicted.shape[0]):
        dy = start[1] + row
        for axis in range(2):
            for i in range(DEGREE + 1):
                of = backward[axis, i]
                line[axis, i] = of[0] + dy * (of[1] + dy * (of[2] + dy * of[3]))
        for column in range(predicted.shape[1]):
            dx = start[0] + column
            x = middle[0] + line[0, 0] + dx * (line[0, 1] + dx * (line[0, 2] + dx * line[0, 3]))
            y = middle[1] + line[1, 0] + dx * (line[1, 1] + dx * (line[1, 2] + dx * line[1, 3]))
            predicted[row, column] = _sampled(picture, x, y)
            across, up = x - first[0], y - first[1]
            inside[row, column] = 0 <= across < size[0] and 0 <= up < size[1]


@njit(nogil=True, cache=True)
def _sampled(picture, x, y):  # type: ignore[no-untyped-def]
    """The picture at a place: cubic, linear next to unknown pixels, NaN among them."""
    column, row = int(np.floor(x)), int(np.floor(y))
    u, v = np.float32(x - column), np.float32(y - row)
    if not (1 <= column < picture.shape[1] - 2 and 1 <= row < picture.shape[0] - 2):
        return np.float32(np.nan)
    a, b, c, d = _cubic(u)
    e, f, g, h = _cubic(v)
    one, two = picture[row - 1], picture[row]
    three, four = picture[row + 1], picture[row + 2]
    value = e * (a * one[column - 1] + b * one[column] + c * one[column + 1] + d * one[column + 2])
    value += f * (a * two[column - 1] + b * two[column] + c * two[column + 1] + d * two[column + 2])
    value += g * (
        a * three[column - 1] + b * three[column] + c * three[column + 1] + d * three[column + 2]
    )
    value += h * (
        a * four[column - 1] + b * four[column] + c * four[column + 1] + d * four[column + 2]
    )
    if not np.isnan(value):
        return value
    low = two[column] + u * (two[column + 1] - two[column])
    high = three[column] + u * (three[column + 1] - three[column])
    return low + v * (high - low)


@njit(nogil=True, cache=True)
def _cubic(t):  # type: ignore[no-untyped-def]
    """Weights of the four samples around a place, t from the second to the third."""
    one, half = np.float32(1), np.float32(0.5)
    rest = one - t
    a = -half * t * rest * rest
    d = -half * t * t * rest
    b = one + t * t * (np.float32(1.5) * t - np.float32(2.5))
    return a, b, one - a - b - d, d


@njit(nogil=True, cache=True)
def _judge(data, weight, variance, predicted, level, per_light, snr, scale):  # type: ignore[no-untyped-def]
    """Pixels beyond the first limits, and their neighbours beyond the second."""
    rows, columns = data.shape
    certain = np.zeros((rows, columns), np.bool_)
    possible = np.zeros((rows, columns), np.bool_)
    for row in range(rows):
        for column in range(columns):
            model = predicted[row, column]
            if np.isnan(model) or not weight[row, column] > 0:
                continue
            off = abs(data[row, column] - level - model)
            noise = np.sqrt(variance[row, column] + per_light * max(model, np.float32(0)))
            if off <= snr[1] * noise:
                continue
            misfit = _misfit(predicted, row, column)
            possible[row, column] = off > np.hypot(scale[1] * misfit, snr[1] * noise)
            certain[row, column] = off > np.hypot(scale[0] * misfit, snr[0] * noise)
    found = certain.copy()
    for row in range(rows):
        for column in range(columns):
            if certain[row, column]:
                for near in range(max(row - 1, 0), min(row + 2, rows)):
                    for beside in range(max(column - 1, 0), min(column + 2, columns)):
                        found[near, beside] |= possible[near, beside]
    return found


@njit(nogil=True, cache=True)
def _misfit(predicted, row, column):  # type: ignore[no-untyped-def]
    """How far an honest pixel may be off for a scale of one; see the top of the module."""
    rows, columns = predicted.shape
    value = low = high = predicted[row, column]
    for near in range(max(row - 1, 0), min(row + 2, rows)):
        for beside in range(max(column - 1, 0), min(column + 2, columns)):
            other = predicted[near, beside]
            if not np.isnan(other):
                low, high = min(low, other), max(high, other)
    reach = high - low
    across = _gradient(
        predicted[row, max(column - 1, 0)], value, predicted[row, min(column + 1, columns - 1)]
    )
    up = _gradient(
        predicted[max(row - 1, 0), column], value, predicted[min(row + 1, rows - 1), column]
    )
    light = min(max(value, np.float32(0)), reach)
    return np.sqrt(across**2 + up**2 + light**2 + (DISTRUST * reach) ** 2)


@njit(nogil=True, cache=True)
def _gradient(before, value, after):  # type: ignore[no-untyped-def]
    """Half of the difference of two neighbours, either of which may be unknown."""
    one, other = value - before, after - value
    one, other = other if np.isnan(one) else one, one if np.isnan(other) else other
    return np.float32(0) if np.isnan(one) else np.float32(0.5) * (one + other)
