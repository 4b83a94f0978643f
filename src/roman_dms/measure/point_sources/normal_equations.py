"""Least squares for the places and fluxes of a few stars together.

With the light of the others taken as known, the model of a pixel is

    m = sum_i F_i p(x - x_i, y - y_i) + b,

its variance that of the sky plus a part that grows with the model's own light: weights do not
follow the noise of the data, which would make faint fluxes too small.  Gauss and Newton's
steps solve for (F_i, x_i, y_i) and b at once; the inverse of the last normal matrix is the
covariance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roman_dms.measure.point_sources.verdict import (
    BASE,
    MODEL,
    OTHERS,
    RESIDUAL,
    WEIGHT,
    give_up,
    report,
)
from roman_dms.psf.evaluation import blend, evaluate, padded, patch_shape

DAMPING = 1e-6
"""Added to the diagonal of the scaled normal matrix: stars on one place stay finite."""

FIRST_STEP = 0.7
"""Largest first step along an axis [pixel]; halved when a star turns around."""

CLOSE = 0.02
"""A step has converged when it is this small in standard deviations."""

ZERO: Any = np.float32(0)
"""Where sums in single precision begin."""

FAST = {"reassoc", "contract", "nsz"}
"""Sums may be reordered, but infinite variances keep their meaning."""


@njit(nogil=True, cache=True)
def fit_groups(  # type: ignore[no-untyped-def]
    light, variance, per_light, saturated, drawn, coefficients, nodes_x, nodes_y,
    members, firsts, own, begun_x, begun_y, x, y, flux, halves, settings, out, flags,
):  # fmt: skip
    """Fit groups of stars, the light of all others staying as it is drawn.

    Parameters
    ----------
    light, variance, saturated
        (rows, columns) of the image; infinite variance where a pixel is unusable.
    per_light
        Variance a pixel gets from a unit of light.
    drawn
        (rows, columns) light of all stars as they were before.
    coefficients, nodes_x, nodes_y
        Of the `PsfField`.
    members, firsts, own
        Of the `Groups`, some of them.
    begun_x, begun_y
        (n,) places before all sweeps.
    x, y, flux
        (n,) as they were drawn.
    halves
        (n,) pixels of the fit on each side of a star.
    settings
        (4,) iterations, tolerance, farthest move, standard deviation of the background.
    out
        (15, n) filled for the stars that are a group's own.
    flags
        (n,) filled likewise.
    """
    largest, most = 1, 1
    for k in range(firsts[0], firsts[-1]):
        largest = max(largest, halves[members[k]])
    for group in range(own.size):
        most = max(most, firsts[group + 1] - firsts[group])
    width = padded(2 * largest + 1)
    patches = np.zeros((most, *patch_shape(coefficients.shape[2], largest)), np.float32)
    stamps = np.zeros((most, 3, 2 * largest + 1, width), np.float32)
    for group in range(own.size):
        stars = members[firsts[group] : firsts[group + 1]]
        _fit_group(
            light, variance, per_light, saturated, drawn, coefficients, nodes_x, nodes_y,
            stars, own[group], begun_x, begun_y, x, y, flux, halves, settings, patches, stamps,
            out, flags,
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _fit_group(  # type: ignore[no-untyped-def]
    light, variance, per_light, saturated, drawn, coefficients, nodes_x, nodes_y,
    stars, own, begun_x, begun_y, x, y, flux, halves, settings, patches, stamps, out, flags,
):  # fmt: skip
    """Fit the stars of one group."""
    count = stars.size
    columns = np.rint(x[stars]).astype(np.int64)
    rows = np.rint(y[stars]).astype(np.int64)
    half = halves[stars]
    left, right = max((columns - half).min(), 0), min((columns + half).max(), light.shape[1] - 1)
    low, high = max((rows - half).min(), 0), min((rows + half).max(), light.shape[0] - 1)
    if left > right or low > high:
        give_up(stars[:own], out, flags)
        return
    box = np.zeros((5, high - low + 1, right - left + 1), np.float32)
    seen = light[low : high + 1, left : right + 1]
    full = saturated[low : high + 1, left : right + 1]
    known = variance[low : high + 1, left : right + 1]
    sky = _usable(box, known, full, columns - left, rows - low, half)
    if sky <= 0:
        give_up(stars[:own], out, flags)
        return
    prior = settings[3] ** 2 * sky
    box[OTHERS] = drawn[low : high + 1, left : right + 1]
    place = np.empty((3, count))  # flux, x, y
    place[0], place[1], place[2] = flux[stars], x[stars], y[stars]
    for m in range(count):
        blend(coefficients, nodes_x, nodes_y, place[1, m], place[2, m], half[m], patches[m])
        evaluate(patches[m], half[m], place[1, m] - columns[m], place[2, m] - rows[m], stamps[m])
        _add(box[OTHERS], stamps[m, 0], -place[0, m], columns[m] - left, rows[m] - low, half[m])
    limit = np.full((2, count), FIRST_STEP)
    before = np.zeros((2, count))
    background = 0.0
    size = 3 * count + 1
    normal = np.zeros((size, size))
    right_side, step = np.zeros(size), np.zeros(size)
    settled = False
    for iteration in range(int(settings[0])):
        if iteration:
            for m in range(count):
                dx, dy = place[1, m] - columns[m], place[2, m] - rows[m]
                evaluate(patches[m], half[m], dx, dy, stamps[m])
        _compare(
            box, seen, per_light, place[0], background, stamps, columns - left, rows - low, half
        )
        _normal_equations(
            box, stamps, place[0], columns - left, rows - low, half, normal, right_side
        )
        normal[size - 1, size - 1] += 1 / prior
        right_side[size - 1] -= background / prior
        _invert(normal)
        _multiply(normal, right_side, step)
        background += step[size - 1]
        settled = _move(
            step,
            normal,
            place,
            columns,
            rows,
            begun_x[stars],
            begun_y[stars],
            limit,
            before,
            settings,
        )
        if settled:
            break
    for m in range(own):
        report(
            m, box, stamps[m], place, background, normal, columns - left, rows - low, half[m],
            begun_x[stars[m]], begun_y[stars[m]], settings, settled, count > 1,
            (columns[m] - half[m] < 0) or (columns[m] + half[m] >= light.shape[1])
            or (rows[m] - half[m] < 0) or (rows[m] + half[m] >= light.shape[0]),
            full, out[:, stars[m]], flags[stars[m] : stars[m] + 1],
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _usable(box, variance, saturated, columns, rows, halves):  # type: ignore[no-untyped-def]
    """Fill the variance of pixels in the circles around stars, infinite elsewhere; its mean."""
    box[BASE] = np.inf
    for m in range(columns.size):
        half = halves[m]
        for row in range(max(rows[m] - half, 0), min(rows[m] + half + 1, box.shape[1])):
            far = (half + 0.5) ** 2 - (row - rows[m]) ** 2
            reach = min(int(np.sqrt(far)), half)
            for k in range(max(columns[m] - reach, 0), min(columns[m] + reach + 1, box.shape[2])):
                if not saturated[row, k]:
                    box[BASE, row, k] = variance[row, k]
    total, used = 0.0, 0
    for row in range(box.shape[1]):
        for k in range(box.shape[2]):
            if np.isfinite(box[BASE, row, k]):
                total += box[BASE, row, k]
                used += 1
    return total / used if used else 0.0


@njit(nogil=True, cache=True, fastmath=FAST)
def _add(target, stamp, scale, column, row, half):  # type: ignore[no-untyped-def]
    """Add a star's stamp to the box where they overlap."""
    first, last = max(column - half, 0), min(column + half + 1, target.shape[1])
    factor = np.float32(scale)
    for r in range(max(row - half, 0), min(row + half + 1, target.shape[0])):
        source = stamp[r - row + half, first - column + half : last - column + half]
        line = target[r, first:last]
        for k in range(last - first):
            line[k] += factor * source[k]


@njit(nogil=True, cache=True, fastmath=FAST)
def _compare(box, light, per_light, flux, background, stamps, columns, rows, halves):  # type: ignore[no-untyped-def]
    """Fill model, weights and weighted residuals of the box."""
    box[MODEL] = box[OTHERS]
    for m in range(flux.size):
        _add(box[MODEL], stamps[m, 0], flux[m], columns[m], rows[m], halves[m])
    level, gain = np.float32(background), np.float32(per_light)
    zero, one = np.float32(0), np.float32(1)
    for row in range(box.shape[1]):
        base, model = box[BASE, row], box[MODEL, row]
        weight, residual, seen = box[WEIGHT, row], box[RESIDUAL, row], light[row]
        for k in range(base.size):
            weight[k] = one / (base[k] + gain * max(model[k], zero))
            residual[k] = weight[k] * (seen[k] - model[k] - level)


@njit(nogil=True, cache=True, fastmath=FAST)
def _normal_equations(box, stamps, flux, columns, rows, halves, normal, right_side):  # type: ignore[no-untyped-def]
    """Fill the normal matrix and its right side; parameters are flux, x, y of each star, b."""
    last = normal.shape[0] - 1
    normal[:] = 0
    right_side[:] = 0
    for row in range(box.shape[1]):
        weight, residual = box[WEIGHT, row], box[RESIDUAL, row]
        w, r = ZERO, ZERO
        for k in range(weight.size):
            w += weight[k]
            r += residual[k]
        normal[last, last] += w
        right_side[last] += r
    for m in range(flux.size):
        _own_block(
            box, stamps[m], flux[m], columns[m], rows[m], halves[m], normal, right_side, 3 * m
        )
        for other in range(m):
            _mixed_block(
                box, stamps[m], stamps[other], flux[m], flux[other], columns[m], rows[m],
                columns[other], rows[other], halves[m], halves[other], normal, 3 * m, 3 * other,
            )  # fmt: skip


@njit(nogil=True, cache=True, fastmath=FAST)
def _own_block(box, stamp, flux, column, row, half, normal, right_side, at):  # type: ignore[no-untyped-def]
    """What one star puts into the normal matrix by itself and with the background."""
    last = normal.shape[0] - 1
    first, end = max(column - half, 0), min(column + half + 1, box.shape[2])
    vv = vx = vy = xx = xy = yy = rv = rx = ry = v = x = y = 0.0
    for r in range(max(row - half, 0), min(row + half + 1, box.shape[1])):
        weight, residual = box[WEIGHT, r, first:end], box[RESIDUAL, r, first:end]
        line = r - row + half
        value = stamp[0, line, first - column + half : end - column + half]
        by_x = stamp[1, line, first - column + half : end - column + half]
        by_y = stamp[2, line, first - column + half : end - column + half]
        svv = svx = svy = sxx = sxy = syy = ZERO
        srv = srx = sry = sv = sx = sy = ZERO
        for k in range(end - first):
            a, b, c = weight[k] * value[k], weight[k] * by_x[k], weight[k] * by_y[k]
            svv += a * value[k]
            svx += a * by_x[k]
            svy += a * by_y[k]
            sxx += b * by_x[k]
            sxy += b * by_y[k]
            syy += c * by_y[k]
            srv += residual[k] * value[k]
            srx += residual[k] * by_x[k]
            sry += residual[k] * by_y[k]
            sv += a
            sx += b
            sy += c
        vv, vx, vy, xx, xy, yy = vv + svv, vx + svx, vy + svy, xx + sxx, xy + sxy, yy + syy
        rv, rx, ry, v, x, y = rv + srv, rx + srx, ry + sry, v + sv, x + sx, y + sy
    normal[at, at], normal[at + 1, at + 1], normal[at + 2, at + 2] = vv, flux**2 * xx, flux**2 * yy
    normal[at, at + 1] = normal[at + 1, at] = flux * vx
    normal[at, at + 2] = normal[at + 2, at] = flux * vy
    normal[at + 1, at + 2] = normal[at + 2, at + 1] = flux**2 * xy
    normal[at, last] = normal[last, at] = v
    normal[at + 1, last] = normal[last, at + 1] = flux * x
    normal[at + 2, last] = normal[last, at + 2] = flux * y
    right_side[at], right_side[at + 1], right_side[at + 2] = rv, flux * rx, flux * ry
    if flux <= 0:  # nothing says where it is: its place is held
        for held in (at + 1, at + 2):
            normal[held], normal[:, held] = 0, 0
            normal[held, held], right_side[held] = 1, 0


@njit(nogil=True, cache=True, fastmath=FAST)
def _mixed_block(  # type: ignore[no-untyped-def]
    box, stamp, other, flux, other_flux, column, row, column2, row2, half, half2, normal, at, at2
):
    """What two stars put into the normal matrix where they overlap."""
    first = max(column - half, column2 - half2, 0)
    end = min(column + half + 1, column2 + half2 + 1, box.shape[2])
    if end <= first:
        return
    vv = vx = vy = xv = xx = xy = yv = yx = yy = 0.0
    for r in range(
        max(row - half, row2 - half2, 0), min(row + half, row2 + half2, box.shape[1] - 1) + 1
    ):
        weight = box[WEIGHT, r, first:end]
        line, line2 = r - row + half, r - row2 + half2
        value = stamp[0, line, first - column + half : end - column + half]
        by_x = stamp[1, line, first - column + half : end - column + half]
        by_y = stamp[2, line, first - column + half : end - column + half]
        value2 = other[0, line2, first - column2 + half2 : end - column2 + half2]
        by_x2 = other[1, line2, first - column2 + half2 : end - column2 + half2]
        by_y2 = other[2, line2, first - column2 + half2 : end - column2 + half2]
        svv = svx = svy = sxv = sxx = sxy = syv = syx = syy = ZERO
        for k in range(end - first):
            a, b, c = weight[k] * value[k], weight[k] * by_x[k], weight[k] * by_y[k]
            svv += a * value2[k]
            svx += a * by_x2[k]
            svy += a * by_y2[k]
            sxv += b * value2[k]
            sxx += b * by_x2[k]
            sxy += b * by_y2[k]
            syv += c * value2[k]
            syx += c * by_x2[k]
            syy += c * by_y2[k]
        vv, vx, vy = vv + svv, vx + svx, vy + svy
        xv, xx, xy = xv + sxv, xx + sxx, xy + sxy
        yv, yx, yy = yv + syv, yx + syx, yy + syy
    f, g = max(flux, 0.0), max(other_flux, 0.0)  # the place of a negative one is held
    block = normal[at : at + 3, at2 : at2 + 3]
    block[0, 0], block[0, 1], block[0, 2] = vv, g * vx, g * vy
    block[1, 0], block[1, 1], block[1, 2] = f * xv, f * g * xx, f * g * xy
    block[2, 0], block[2, 1], block[2, 2] = f * yv, f * g * yx, f * g * yy
    normal[at2 : at2 + 3, at : at + 3] = block.T


@njit(nogil=True, cache=True)
def _invert(matrix):  # type: ignore[no-untyped-def]
    """Replace a positive matrix by its inverse (Gauss and Jordan, scaled and damped)."""
    size = matrix.shape[0]
    scale = np.empty(size)
    for i in range(size):
        scale[i] = 1 / np.sqrt(matrix[i, i]) if matrix[i, i] > 0 else 1.0
    for i in range(size):
        for j in range(size):
            matrix[i, j] *= scale[i] * scale[j]
        matrix[i, i] = 1 + DAMPING
    for k in range(size):
        pivot = 1 / max(matrix[k, k], DAMPING)
        matrix[k, k] = 1.0
        for j in range(size):
            matrix[k, j] *= pivot
        for i in range(size):
            if i != k and matrix[i, k] != 0:
                factor = matrix[i, k]
                matrix[i, k] = 0.0
                for j in range(size):
                    matrix[i, j] -= factor * matrix[k, j]
    for i in range(size):
        for j in range(size):
            matrix[i, j] *= scale[i] * scale[j]


@njit(nogil=True, cache=True)
def _multiply(matrix, vector, product):  # type: ignore[no-untyped-def]
    """Fill a product; numpy's would load BLAS."""
    for i in range(vector.size):
        product[i] = 0.0
        for j in range(vector.size):
            product[i] += matrix[i, j] * vector[j]


@njit(nogil=True, cache=True)
def _move(  # type: ignore[no-untyped-def]
    step, covariance, place, columns, rows, begun_x, begun_y, limit, before, settings
):
    """Take a step, not too far; whether all have settled."""
    settled = True
    for m in range(place.shape[1]):
        at = 3 * m
        place[0, m] += step[at]
        if abs(step[at]) > CLOSE * np.sqrt(covariance[at, at]):
            settled = settled and abs(step[at]) < 1e-4 * abs(place[0, m])
        for axis in range(2):
            wanted = step[at + 1 + axis]
            if wanted * before[axis, m] < 0:
                limit[axis, m] *= 0.5
            taken = min(max(wanted, -limit[axis, m]), limit[axis, m])
            begun = begun_x[m] if axis == 0 else begun_y[m]
            middle = columns[m] if axis == 0 else rows[m]
            lowest = max(begun - settings[2], middle - 1.0)
            highest = min(begun + settings[2], middle + 1.0)
            new = min(max(place[1 + axis, m] + taken, lowest), highest)
            taken = new - place[1 + axis, m]
            place[1 + axis, m] = new
            before[axis, m] = taken
            error = np.sqrt(covariance[at + 1 + axis, at + 1 + axis])
            if abs(taken) > max(settings[1], CLOSE * error):
                settled = False
    return settled
