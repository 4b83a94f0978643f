"""What a fit is worth: errors, chi-square, flags and whether the source is wider than a star."""

from __future__ import annotations

import numpy as np
from numba import njit

from roman_dms.measure.point_sources.fits import FitFlag

NOT_CONVERGED = int(FitFlag.NOT_CONVERGED)
FEW_PIXELS = int(FitFlag.FEW_PIXELS)
EDGE = int(FitFlag.EDGE)
SATURATED = int(FitFlag.SATURATED)
MOVED = int(FitFlag.MOVED)
BLENDED = int(FitFlag.BLENDED)
NEGATIVE = int(FitFlag.NEGATIVE)
NOT_FITTED = int(FitFlag.NOT_FITTED)

RESULTS = 15
"""Numbers of a fit, in the order of the fields of `PointFits`, without flags."""

BASE, OTHERS, RESIDUAL, WEIGHT, MODEL = 0, 1, 2, 3, 4
"""Planes of the box around a group: variance without stars, light of others, weighted
residual, weight, and the model of the group."""


@njit(nogil=True, cache=True)
def give_up(stars, out, flags):  # type: ignore[no-untyped-def]
    """Mark stars that cannot be fitted."""
    for star in stars:
        out[:, star] = np.nan
        out[12, star] = 0
        flags[star] = NOT_FITTED


@njit(nogil=True, cache=True)
def report(  # type: ignore[no-untyped-def]
    m, box, stamp, place, background, covariance, columns, rows, half,
    begun_x, begun_y, settings, settled, blended, edge, saturated, out, flags,
):  # fmt: skip
    """Write the results of one star (`RESULTS`) and its flags."""
    at, last = 3 * m, covariance.shape[0] - 1
    flux = place[0, m]
    out[0], out[1], out[2] = place[1, m], place[2, m], flux
    out[3], out[4] = np.sqrt(covariance[at + 1, at + 1]), np.sqrt(covariance[at + 2, at + 2])
    out[5], out[6] = np.sqrt(covariance[at, at]), covariance[at + 1, at + 2]
    out[7], out[8] = covariance[at, at + 1], covariance[at, at + 2]
    out[9], out[10] = background, np.sqrt(covariance[last, last])
    pixels, full, chi2, share = _quality(box, stamp[0], columns[m], rows[m], half, saturated)
    out[11] = chi2 / (pixels - 3) if pixels > 3 else np.nan
    out[12] = pixels
    out[13], out[14] = _extent(box, stamp[0], flux, columns[m], rows[m], half)
    flag = 0
    if not settled:
        flag |= NOT_CONVERGED
    if share < 0.5:
        flag |= FEW_PIXELS
    if edge:
        flag |= EDGE
    if full:
        flag |= SATURATED
    far = max(abs(place[1, m] - begun_x), abs(place[2, m] - begun_y))
    if far >= settings[2] - 1e-6:
        flag |= MOVED
    if blended:
        flag |= BLENDED
    if flux <= 0:
        flag |= NEGATIVE
        out[3] = out[4] = out[6] = out[7] = out[8] = np.nan
    if not np.isfinite(flux + out[5]):
        flag |= NOT_FITTED
    flags[0] = flag


@njit(nogil=True, cache=True)
def _quality(box, value, column, row, half, saturated):  # type: ignore[no-untyped-def]
    """How well a star was seen.

    Usable pixels in its circle, whether some are saturated, chi-square, and what share of the
    squares of its PSF lies in usable pixels.
    """
    pixels, full, chi2, used, total = 0, False, 0.0, 0.0, 0.0
    for r in range(2 * half + 1):
        for k in range(2 * half + 1):
            if (r - half) ** 2 + (k - half) ** 2 > (half + 0.5) ** 2:
                continue
            square = np.float64(value[r, k]) ** 2
            total += square
            line, at = row + r - half, column + k - half
            if line < 0 or at < 0 or line >= box.shape[1] or at >= box.shape[2]:
                continue
            full = full or saturated[line, at]
            weight = np.float64(box[WEIGHT, line, at])
            if weight > 0:
                pixels += 1
                used += square
                chi2 += np.float64(box[RESIDUAL, line, at]) ** 2 / weight
    return pixels, full, chi2, used / total


@njit(nogil=True, cache=True)
def _extent(box, value, flux, column, row, half):  # type: ignore[no-untyped-def]
    """Variance beyond the PSF's, and its error, from residuals.

    A star blurred by a narrow Gaussian is p + q / 2 (d2p/dx2 + d2p/dy2); the flux takes its
    part of that.
    """
    vl = vv = ll = rl = 0.0
    for r in range(1, 2 * half):
        line = row + r - half
        if line < 0 or line >= box.shape[1]:
            continue
        for k in range(max(1, half - column), min(2 * half, box.shape[2] - column + half)):
            at = column + k - half
            weight = np.float64(box[WEIGHT, line, at])
            centre = np.float64(value[r, k])
            around = value[r - 1, k] + value[r + 1, k] + value[r, k - 1] + value[r, k + 1]
            template = 0.5 * flux * (around - 4 * centre)
            vv += weight * centre * centre
            vl += weight * centre * template
            ll += weight * template * template
            rl += box[RESIDUAL, line, at] * template
    information = ll - vl * vl / vv if vv > 0 else 0.0
    if information <= 0:
        return np.nan, np.nan
    return rl / information, 1 / np.sqrt(information)
