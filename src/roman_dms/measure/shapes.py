"""Adaptive moments: the elliptical Gaussian that matches a source best.

The matrix M and centre for which a Gaussian source would have the moments that the light has
under a Gaussian weight that adapts to the source (Bernstein & Jarvis 2002, AJ 123, 583; Hirata &
Seljak 2003, MNRAS 343, 459): with the weight's matrix V,

    sum(V I d) = 0,  sum(V I (d d^T - C)) = 0,  C^-1 = M^-1 + V^-1

V = M as in those papers where the pixels sample it well.  A narrower weight feels where the source
lies within its pixel; it is widened to V = M + s 1 with a trace of 2 ``WIDE``, which finds the
same M of a Gaussian source.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

REACH = 4.0
"""Where the weight ends [standard deviation]."""

STEPS = 25
ARRIVED = 1e-5
"""Steps at most, and the change that is small enough [share of the trace of M]."""

MOST_ASTRAY = 4
"""Steps at which the moments may be those of no source."""

FLATTEST = 1e-3
"""Smallest determinant of M, in squares of its trace."""

WIDE = 2.0
"""Variance of the narrowest weight [pixel^2]: a star's size then varies by 1 % with its place in
a pixel of 0.11 arcsec at 1.6 micron, by 4 % with half of that, by 6 % at 0.6 micron (rms)."""


@njit(nogil=True, cache=True, error_model="numpy")
def adaptive(value: Any, x: float, y: float, sigma: float) -> Any:
    """The adaptive Gaussian of one source.

    A step takes the source for a Gaussian: Q^-1 = C^-1 - V^-1 is the next M.

    Parameters
    ----------
    value
        (size, size) light around the source.
    x, y, sigma
        Where and with which round Gaussian to start [pixel].

    Returns
    -------
    bool, float, float, float, float, float
        Whether it was found; its centre, Mxx, Mxy and Myy.
    """
    xx, xy, yy = sigma * sigma, 0.0, sigma * sigma
    start_x, start_y, astray = x, y, 0
    for _ in range(STEPS):
        wider = widening(xx, yy)
        vx, vy = xx + wider, yy + wider
        away = max(abs(x - start_x), abs(y - start_y))
        if not (away < 2 * sigma + 1 and REACH * np.sqrt(max(vx, vy)) < value.shape[0]):
            break
        s, sx, sy, cxx, cxy, cyy = _weighted_moments(value, x, y, vx, xy, vy)
        if not s > 0:
            break
        mx, my = sx / s, sy / s
        cxx, cxy, cyy = cxx / s - mx * mx, cxy / s - mx * my, cyy / s - my * my
        det_c, det_v = cxx * cyy - cxy * cxy, vx * vy - xy * xy
        # of a Gaussian source the weighted centre is at (1 + M V^-1)^-1 times its own
        step_x = mx + ((xx * vy - xy * xy) * mx + xy * wider * my) / det_v
        step_y = my + (xy * wider * mx + (yy * vx - xy * xy) * my) / det_v
        x += step_x
        y += step_y
        if not (cxx > 0 and det_c > FLATTEST * (cxx + cyy) ** 2):
            # noise next to the centre; it may be better at the new one
            astray += 1
            if astray > MOST_ASTRAY:
                break
            continue
        a, b, c = cyy / det_c - vy / det_v, xy / det_v - cxy / det_c, cxx / det_c - vx / det_v
        det = a * c - b * b
        if not (det > 0 and a > 0 and (a + c) / det < 2 * (vx + vy)):
            xx, xy, yy = 1.5 * vx, 1.5 * xy, 1.5 * vy
            continue
        change = abs(c / det - xx) + abs(b / det + xy) + abs(a / det - yy)
        xx, xy, yy = c / det, -b / det, a / det
        if not xx * yy - xy * xy > FLATTEST * (xx + yy) ** 2:
            break
        if change + abs(step_x) + abs(step_y) < ARRIVED * (xx + yy):
            return True, x, y, xx, xy, yy
    return False, x, y, xx, xy, yy


@njit(nogil=True, cache=True)
def widening(xx: float, yy: float) -> float:
    """What the weight is wider than M along each axis [pixel^2]."""
    return max(0.0, WIDE - 0.5 * (xx + yy))


@njit(nogil=True, cache=True, inline="always")
def _window(size: int, x: float, y: float, xx: float, yy: float) -> Any:
    """First and last columns and rows of a weight."""
    wide, tall = REACH * np.sqrt(xx), REACH * np.sqrt(yy)
    return (
        max(0, int(x - wide)), min(size, int(x + wide) + 2),
        max(0, int(y - tall)), min(size, int(y + tall) + 2),
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _weighted_moments(value: Any, x: float, y: float, xx: float, xy: float, yy: float) -> Any:
    """Sums of W I times 1, dx, dy, dx^2, dx dy, dy^2."""
    first, stop, low, high = _window(value.shape[0], x, y, xx, yy)
    det = xx * yy - xy * xy
    a, b, c = yy / det, -xy / det, xx / det
    across = np.empty(max(stop - first, 0))
    for k in range(across.size):
        across[k] = np.exp(-0.5 * a * (first + k - x) ** 2)
    s, sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(low, high):
        dy = j - y
        # exp(-b dx dy) along a row is a geometric series
        factor = np.exp(-0.5 * c * dy * dy - b * dy * (first - x))
        ratio = np.exp(-b * dy)
        r, rx, rxx = 0.0, 0.0, 0.0
        for k in range(across.size):
            dx = first + k - x
            light = across[k] * factor * value[j, first + k]
            factor *= ratio
            r += light
            rx += light * dx
            rxx += light * dx * dx
        s += r
        sx += rx
        sy += r * dy
        sxx += rxx
        sxy += rx * dy
        syy += r * dy * dy
    return s, sx, sy, sxx, sxy, syy


@njit(nogil=True, cache=True, error_model="numpy")
def shape_errors(
    value: Any, noise: Any, x: float, y: float, xx: float, xy: float, yy: float
) -> Any:
    """Errors of adaptive moments from the noise of the pixels.

    Of F(M) = sum(I V (q - c)), q = (dx^2, dx dy, dy^2), c those of C, noise n moves the zero by
    -J^-1 sum(n V (q - c)), J = dF/dM.  M, V and C have the same axes; with A = C M^-1 and
    B = C V^-1, dC = A dM A + B dV B.

    Parameters
    ----------
    value, noise
        (size, size) light around the source and its variance.
    x, y, xx, xy, yy
        The adaptive Gaussian (`adaptive`).

    Returns
    -------
    float, float, float
        Errors of e1, e2 and sigma; NaN where they have no meaning.
    """
    wider = widening(xx, yy)
    vx, vy = xx + wider, yy + wider
    det_v, det_sum = vx * vy - xy * xy, (xx + vx) * (yy + vy) - 4 * xy * xy
    a, b, c = vy / det_v, -xy / det_v, vx / det_v
    # B = M (M + V)^-1 = (1 - A), C = B V
    bx = (xx * (yy + vy) - 2 * xy * xy) / det_sum
    bxy = xy * wider / det_sum
    by = (yy * (xx + vx) - 2 * xy * xy) / det_sum
    cs = (bx * vx + bxy * xy, bx * xy + bxy * vy, bxy * xy + by * vy)
    total, fourth, scatter = _fourth_moments(value, noise, x, y, vx, xy, vy, cs)
    by_weight = fourth @ _sandwich(a, b, c, 2.0).T * 0.5 - total * _sandwich(bx, bxy, by, 1.0)
    by_source = -total * _sandwich(1 - bx, -bxy, 1 - by, 1.0)
    slope = np.empty((3, 3))
    for k in range(3):
        one, two, three = by_weight[k]
        # the trace of a widened weight stays as it is
        half = 0.5 * (one - three) if wider > 0 else 0.0
        slope[k, 0] = by_source[k, 0] + (half if wider > 0 else one)
        slope[k, 1] = by_source[k, 1] + two
        slope[k, 2] = by_source[k, 2] + (-half if wider > 0 else three)
    det, trace = xx * yy - xy * xy, xx + yy
    root, square = 0.25 * det**-0.75, trace * trace
    return (
        _spread((2 * yy / square, 0.0, -2 * xx / square), slope, scatter),
        _spread((-2 * xy / square, 2 / trace, -2 * xy / square), slope, scatter),
        _spread((root * yy, -2 * root * xy, root * xx), slope, scatter),
    )


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
    value: Any, noise: Any, x: float, y: float, vx: float, vxy: float, vy: float, cs: Any
) -> Any:
    """Sums of V I, of V I (q - c) q^T and of V^2 variance (q - c) (q - c)^T."""
    first, stop, low, high = _window(value.shape[0], x, y, vx, vy)
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
    fourth, scatter = np.empty((3, 3)), np.empty((3, 3))
    for k in range(3):
        for n in range(3):
            # q[k] is dx^(2 - k) dy^k
            both, down = 4 - k - n, k + n
            fourth[k, n] = light[both, down] - cs[k] * light[2 - n, n]
            scatter[k, n] = (
                error[both, down] - cs[k] * error[2 - n, n] - cs[n] * error[2 - k, k]
                + cs[k] * cs[n] * error[0, 0]
            )  # fmt: skip
    return light[0, 0], fourth, scatter


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
