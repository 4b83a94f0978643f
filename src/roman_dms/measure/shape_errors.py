"""Errors of adaptive moments: from the noise of the pixels, to second order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roman_dms.measure.shapes import SMOOTH, WIDE, weight, window


@njit(nogil=True, cache=True, error_model="numpy")
def shape_errors(
    value: Any, noise: Any, x: float, y: float, xx: float, xy: float, yy: float, keep: float,
    damp: float,
) -> Any:  # fmt: skip
    """Errors of adaptive moments from the noise of the pixels.

    Of F(M) = sum(V I (G q - c)), q = (dx^2, dx dy, dy^2), c those of C, noise n moves the zero
    by -J^-1 sum(n V (G q - c)), J = dF/dM.  M, V and C have the same axes; with A = C M^-1 and
    B = C V^-1, dC = A dM A + B dV B.

    To second order: noise makes ellipticities larger than they are, and at a large one the same
    noise is a smaller change, which would give such sources too small errors.  Those of e1 and
    e2 are taken at the ellipticity that is left without the noise (`_without_noise`); that of
    the size: `_of_skewed_size`.

    Parameters
    ----------
    value, noise
        (size, size) light around the source and its variance.
    x, y, xx, xy, yy, keep, damp
        The adaptive Gaussian (`adaptive`, with the same noise).

    Returns
    -------
    float, float, float
        Errors of e1, e2 and sigma; NaN where they have no meaning.
    """
    vx, vxy, vy = weight(xx, xy, yy, keep)
    a, b, c = _inverse(vx, vxy, vy)
    # B = M (M + V)^-1 = (1 - A), C = B V
    ix, ixy, iy = _inverse(xx + vx, xy + vxy, yy + vy)
    bx, bxy, by = xx * ix + xy * ixy, xx * ixy + xy * iy, xy * ixy + yy * iy
    cs = (bx * vx + bxy * vxy, bx * vxy + bxy * vy, bxy * vxy + by * vy)
    total, fourth, scatter = _fourth_moments(value, noise, x, y, vx, vxy, vy, cs, damp)
    by_weight = 0.5 * _product(fourth, _sandwich(a, b, c, 2.0).T)
    by_weight -= total * _sandwich(bx, bxy, by, 1.0)
    slope = _product(by_weight, _weight_slope(xx, xy, yy, keep))
    slope -= total * _sandwich(1 - bx, -bxy, 1 - by, 1.0)
    det, trace = xx * yy - xy * xy, xx + yy
    root, square = 0.25 * det**-0.75, trace * trace
    e1_err = _spread((2 * yy / square, 0.0, -2 * xx / square), slope, scatter)
    e2_err = _spread((-2 * xy / square, 2 / trace, -2 * xy / square), slope, scatter)
    sigma_err = _spread((root * yy, -2 * root * xy, root * xx), slope, scatter)
    e1, e2, mean = (xx - yy) / trace, 2 * xy / trace, 0.5 * trace
    more1, more2 = _without_noise(e1, e2, mean, 0.5 * (vx + vy), e1_err, e2_err)
    e1_err, e2_err = e1_err * more1, e2_err * more2
    sigma_err *= _of_skewed_size(np.sqrt(det), 0.5 * (vx + vy), sigma_err)
    # neither is beyond 1, which bounds the scatter: this form suits simulated sources
    return e1_err / np.sqrt(1 + e1_err * e1_err), e2_err / np.sqrt(1 + e2_err * e2_err), sigma_err


@njit(nogil=True, cache=True, error_model="numpy")
def _of_skewed_size(mean: float, wide: float, error: float) -> float:
    """Factor of the error of the size to second order.

    M = C V / (V - C) and so sigma = sqrt(M) grow faster than C: a size that noise made too large
    has too large an error, which goes as exp(k z) with the deviation z; deviations over errors
    have a variance of 1 + 5 k^2.  Where M is hardly larger than its error, the slope of
    sqrt(M) is taken at sqrt(M^2 + error^2).
    """
    skew = 2 * np.sqrt(mean) * error * max(2 / (mean + wide) - 0.5 / mean, 0.0)
    square = 4 * error * error / mean
    return np.sqrt(1 + 5 * skew * skew) / (1 + square) ** 0.25


@njit(nogil=True, cache=True, error_model="numpy")
def _without_noise(
    e1: float, e2: float, mean: float, wide: float, e1_err: float, e2_err: float
) -> Any:
    """Factors of the errors from a noisy ellipticity to what is left of it without noise.

    What is left: the share |e|^2 / (|e|^2 + error^2), with the error of a round source; that of
    one component alone, which suits simulated sources best.
    """
    square = e1 * e1 + e2 * e2
    if not 0 < square < 1:
        return 1.0, 1.0
    e = np.sqrt(square)
    along, across = _gaussian_errors(e, mean, wide)
    c, s = e1 * e1 / square, e2 * e2 / square
    unit = (e1_err * e1_err + e2_err * e2_err) / (along * along + across * across)
    round_error = _gaussian_errors(0.0, mean, wide)[0]
    left = e * square / (square + unit * round_error * round_error)
    to_along, to_across = _gaussian_errors(left, mean, wide)
    more_along, more_across = (to_along / along) ** 2, (to_across / across) ** 2
    return (
        np.sqrt(c * more_along + s * more_across),
        np.sqrt(s * more_along + c * more_across),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def _gaussian_errors(e: float, mean: float, wide: float) -> Any:
    """Errors of |e| and across it for a Gaussian in even noise under a round weight.

    In arbitrary units.  With axes M1 and M2, C = M V / (M + V), dM = (M / C)^2 dC, and the
    moments of the weight's square, V / 2, for those of the noise.
    """
    one, two = mean * (1 + e), mean * (1 - e)
    c1, c2 = one * wide / (one + wide), two * wide / (two + wide)
    up1, up2 = (one + wide) / wide, (two + wide) / wide
    # light under the weight
    total = np.sqrt(1 / (up1 * up2))
    square = wide * wide
    var1 = (0.75 * square - c1 * wide + c1 * c1) * up1**4
    var2 = (0.75 * square - c2 * wide + c2 * c2) * up2**4
    both = (0.25 * square - 0.5 * (c1 + c2) * wide + c1 * c2) * (up1 * up2) ** 2
    along = two * two * var1 + one * one * var2 - 2 * one * two * both
    across = 0.25 * square * (up1 * up2) ** 2
    return np.sqrt(along) / (2 * mean * mean * total), np.sqrt(across) / (mean * total)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _inverse(a: float, b: float, c: float) -> Any:
    """Of a symmetric matrix, (xx, xy, yy)."""
    det = a * c - b * b
    return c / det, -b / det, a / det


@njit(nogil=True, cache=True, error_model="numpy")
def _weight_slope(xx: float, xy: float, yy: float, keep: float) -> Any:
    """Change of V = `weight` (M) by that of M."""
    mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    power = (mean / WIDE) ** SMOOTH
    above = (1 + power) ** (1 / SMOOTH)
    part = keep * above ** (keep - 1)
    # of the logarithm of above by xx and by yy
    growth = 0.5 * power / (1 + power) / mean
    size, loss = WIDE * above**keep * keep * growth, part * (1 - keep) * growth
    slope = np.zeros((3, 3))
    slope[1, 1] = part
    for k in (0, 2):
        sign = 0.5 * part if k == 0 else -0.5 * part
        slope[0, k] = size - loss * half + sign
        slope[1, k] = -loss * xy
        slope[2, k] = size + loss * half - sign
    return slope


@njit(nogil=True, cache=True)
def _product(one: Any, other: Any) -> Any:
    """Of two small matrices, without the calls of a library for large ones."""
    result = np.zeros((3, 3))
    for k in range(3):
        for n in range(3):
            for i in range(3):
                result[k, n] += one[k, i] * other[i, n]
    return result


@njit(nogil=True, cache=True)
def _sandwich(a: float, b: float, c: float, cross: float) -> Any:
    """Matrix that makes (xx, xy, yy) of A D A from that of D, A symmetric.

    ``cross`` 2: (vx^2, 2 vx vy, vy^2), v = A d, from (dx^2, dx dy, dy^2).
    """
    return np.array(
        [
            [a * a, 2 * a * b, b * b],
            [cross * a * b, cross * (a * c + b * b), cross * b * c],
            [b * b, 2 * b * c, c * c],
        ]
    )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _fourth_moments(
    value: Any, noise: Any, x: float, y: float, vx: float, vxy: float, vy: float, cs: Any,
    damp: float,
) -> Any:  # fmt: skip
    """Sums of V I, of V I (G q - c) q^T and of V^2 variance (G q - c) (G q - c)^T."""
    first, stop, low, high = window(value.shape[0], x, y, vx, vy)
    det = vx * vy - vxy * vxy
    a, b, c = vy / det, -vxy / det, vx / det
    across = np.empty(max(stop - first, 0))
    for k in range(across.size):
        across[k] = np.exp(-0.5 * a * (first + k - x) ** 2)
    # powers of dx and dy, of light and of variance: [power of dx, power of dy]
    light, error = np.zeros((5, 5)), np.zeros((5, 5))
    for j in range(low, high):
        dy = j - y
        factor = np.exp(-0.5 * c * dy * dy - b * dy * (first - x))
        ratio = np.exp(-b * dy)
        p0, p1, p2, p3, p4 = 0.0, 0.0, 0.0, 0.0, 0.0
        n0, n1, n2, n3, n4 = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(across.size):
            dx = first + k - x
            w = across[k] * factor
            factor *= ratio
            p, n = w * value[j, first + k], w * w * noise[j, first + k]
            square = dx * dx
            p0 += p
            p1 += p * dx
            p2 += p * square
            p3 += p * square * dx
            p4 += p * square * square
            n0 += n
            n1 += n * dx
            n2 += n * square
            n3 += n * square * dx
            n4 += n * square * square
        power = 1.0
        for k in range(5):
            light[0, k] += p0 * power
            light[1, k] += p1 * power
            light[2, k] += p2 * power
            light[3, k] += p3 * power
            light[4, k] += p4 * power
            error[0, k] += n0 * power
            error[1, k] += n1 * power
            error[2, k] += n2 * power
            error[3, k] += n3 * power
            error[4, k] += n4 * power
            power *= dy
    fourth, scatter, first_powers = np.empty((3, 3)), np.empty((3, 3)), np.empty((1, 3))
    for k in range(3):
        # q[k] is dx^(2 - k) dy^k
        first_powers[0, k] = error[2 - k, k]
        for n in range(3):
            fourth[k, n] = light[4 - k - n, k + n]
            scatter[k, n] = error[4 - k - n, k + n]
    _damp(fourth.T, damp)
    _damp(scatter, damp)
    _damp(scatter.T, damp)
    _damp(first_powers, damp)
    for k in range(3):
        for n in range(3):
            fourth[k, n] -= cs[k] * light[2 - n, n]
            scatter[k, n] += (
                cs[k] * cs[n] * error[0, 0] - cs[k] * first_powers[0, n]
                - cs[n] * first_powers[0, k]
            )  # fmt: skip
    return light[0, 0], fourth, scatter


@njit(nogil=True, cache=True)
def _damp(rows: Any, damp: float) -> None:
    """Damp the ellipticity of rows of (xx, xy, yy)."""
    for k in range(rows.shape[0]):
        mean, half = 0.5 * (rows[k, 0] + rows[k, 2]), 0.5 * damp * (rows[k, 0] - rows[k, 2])
        rows[k, 0], rows[k, 1], rows[k, 2] = mean + half, damp * rows[k, 1], mean - half


@njit(nogil=True, cache=True, error_model="numpy")
def _spread(g: Any, slope: Any, scatter: Any) -> float:
    """Square root of u^T scatter u, with u the solution of slope^T u = g (Cramer's rule)."""
    p, q, r = slope[0], slope[1], slope[2]
    u = np.empty(3)
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        one, two = slope[i], slope[j]
        u[k] = (
            g[0] * (one[1] * two[2] - one[2] * two[1])
            + g[1] * (one[2] * two[0] - one[0] * two[2])
            + g[2] * (one[0] * two[1] - one[1] * two[0])
        )
    det = (
        p[0] * (q[1] * r[2] - q[2] * r[1])
        + p[1] * (q[2] * r[0] - q[0] * r[2])
        + p[2] * (q[0] * r[1] - q[1] * r[0])
    )
    total = 0.0
    for k in range(3):
        for n in range(3):
            total += u[k] * u[n] * scatter[k, n]
    return np.sqrt(total) / abs(det) if abs(det) > 0 else np.nan
