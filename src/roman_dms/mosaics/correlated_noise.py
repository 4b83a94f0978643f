"""How much noisier an aperture is than the variances of its pixels say.

Pixels of a mosaic that share an input pixel have noise in common, of which their variances
tell nothing (Fruchter & Hook 2002, PASP 114, 144, section 7; Casertano et al. 2000, AJ 120,
2747, appendix).  Here the noise is followed exactly: the sum over an aperture m,

    sum over o of m_o data_o = sum over i of T_i d_i,    T_i = w_i sum over o of a_io m_o / W_o,

has the variance sum of T_i^2 var_i, to be compared with the sum of m_o^2 var_o.  The factor
is the square root of their ratio: multiply an aperture's error by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.mosaics.combining import combined
from roman_dms.mosaics.geometry import Area, BlockMap
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.kernels import Floats, Kernel, Shares
from roman_dms.mosaics.patches import PATCH_ROWS, RUN, Way, look_up, next_stop, patch_memory
from roman_dms.mosaics.warping import laid_out, warp

TOTAL = "total"


def correlated_noise_factor(
    images: Sequence[InputImage],
    ways: Sequence[BlockMap],
    area: Area,
    kernel: Kernel,
    apertures: Floats | None = None,
) -> Floats:
    """Noise in apertures, over what the variances of their pixels add up to.

    Parameters
    ----------
    images, ways
        The exposures, and their maps of one block.
    area
        A part of that block.
    apertures
        (n, rows, columns) weights of the pixels of the area in each sum; one aperture that is
        the whole area if not given.

    Returns
    -------
    ndarray
        (n,) factors on the standard deviation.

    Raises
    ------
    UsageError
        If an aperture holds no pixel with data.
    """
    weights = np.ones((1, *area.shape)) if apertures is None else np.asarray(apertures, float)
    totals = [_with_total(image) for image in images]
    pairs = list(zip(totals, ways, strict=True))
    warped = [warp(image, way, area, kernel) for image, way in pairs]
    mosaic = combined(warped, [0.0] * len(warped), area)
    filled = mosaic.weight > 0
    per_weight, variance = np.zeros(area.shape), np.zeros(area.shape)
    per_weight[filled] = 1 / mosaic.weight[filled].astype(float)
    variance[filled] = mosaic.variances[TOTAL][filled]
    apparent = np.einsum("nyx,nyx,yx->n", weights, weights, variance)
    if not (apparent > 0).all():
        raise UsageError("An aperture holds no pixel with data.", "apertures within the mosaic")
    true = np.zeros(len(weights))
    for image, way in pairs:
        for n, aperture in enumerate(weights):
            true[n] += _variance_of_sum(image, way, area, kernel, aperture * per_weight)
    return np.asarray(np.sqrt(true / apparent))


def circles(area: Area, radii: Sequence[float]) -> Floats:
    """(n, rows, columns): 1 at pixels whose centres are within each radius of the middle."""
    row, column = np.indices(area.shape)
    distance = np.hypot(row - (area.rows - 1) / 2, column - (area.columns - 1) / 2)
    return np.asarray(distance <= np.asarray(radii)[:, np.newaxis, np.newaxis], float)


def factor_of_uniform_dithers(pixfrac: float, scale: float) -> float:
    """The factor for many exposures at random dithers, not turned against the mosaic.

    Fruchter & Hook (2002), section 7, for square drops and a large aperture.

    Parameters
    ----------
    scale
        Side of an output pixel [input pixel].
    """
    ratio = pixfrac / scale
    return ratio / (1 - 1 / (3 * ratio)) if ratio >= 1 else 1 / (1 - ratio / 3)


def _with_total(image: InputImage) -> InputImage:
    total = np.zeros_like(image.data)
    for variance in image.variances.values():
        total += variance
    return InputImage(image.window, image.data, image.weight, {TOTAL: total})


def _variance_of_sum(
    image: InputImage, way: BlockMap, area: Area, kernel: Kernel, factors: Floats
) -> float:
    """Of the sum of factors x light, from one exposure."""
    planes, of_block, shares = laid_out(image, way, area, kernel, [TOTAL])
    sums = np.zeros(len(planes.light))
    _scatter(factors, of_block, shares, (area.x0, area.y0), planes.stride, sums)
    return float(np.sum(sums * sums * planes.variances[0, :, 0]))


@njit(nogil=True, cache=True, error_model="numpy")
def _scatter(
    factors: Floats,
    way: Way,
    kernel: Shares,
    area: tuple[int, int],
    stride: int,
    sums: NDArray[np.float64],
) -> None:
    """Add factor x share of each output pixel to its input pixels: `warp` transposed."""
    patch = patch_memory(kernel, stride)
    x0, y0 = area
    end_y, end_x = y0 + factors.shape[0], x0 + factors.shape[1]
    y = y0
    while y < end_y:
        stop_y = next_stop(y, way.y0, PATCH_ROWS, end_y)
        x = x0
        while x < end_x:
            stop_x = next_stop(x, way.x0, RUN, end_x)
            look_up(way, kernel, x, y, stop_x, stop_y, stride, patch)
            pixel = 0
            for row in range(y - y0, stop_y - y0):
                for column in range(x - x0, stop_x - x0):
                    for k in range(patch.offsets.size):
                        at = patch.base[pixel] + patch.offsets[k]
                        sums[at] += patch.share[k, pixel] * factors[row, column]
                    pixel += 1
            x = stop_x
        y = stop_y
