"""Adaptive moments: the elliptical Gaussian that matches a source best.

The matrix M and centre for which a Gaussian source would have the moments that the light has
under a Gaussian weight that adapts to the source (Bernstein & Jarvis 2002, AJ 123, 583; Hirata &
Seljak 2003, MNRAS 343, 459): with the weight's matrix V,

    sum(V I d) = 0,  sum(V I (G d d^T - C)) = 0,  C^-1 = M^-1 + V^-1

V = M as in those papers where the pixels sample it well.  A narrower weight feels where the source
lies within its pixel; it is widened to V = M + s 1, smoothly, to a trace of at least 2 ``WIDE``,
which finds the same M of a Gaussian source.

A weight that follows the noise makes the moments of faint sources non-linear and often finds none.
With S the signal to noise under the weight, sum(V I) / sqrt(sum(V^2 variance)), the weight keeps
the share a = 1 / (1 + (HELD / S)^4) of its ellipticity and of the logarithm of its size over
``WIDE``.  That moves no M of a Gaussian source, but of other profiles a narrower weight sees less
of the wings.  The ellipticity of C itself is damped, G, by 1 / (1 + (DAMPED / S)^4), as noise
alone gives the faintest sources values beyond 1.  Of elliptical Gaussians (e = 0.4) with a signal
to noise of 30, 12 and 7 the mean ellipticity is 0.99, 0.89 and 0.63 times the true one, the
median size 1.00, 0.98 and 0.95 times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

REACH = 4.0
"""Where the weight ends [standard deviation]."""

STEPS = 40
ARRIVED = 1e-4
"""Steps at most, and the change that is small enough [share of the trace of M]."""

CAREFUL, NEAR = 12, 5e-4
"""Steps after which each is shortened, and the change that is small enough then: some sources go
back and forth, faint ones or where the weight's end passes from pixel to pixel."""

SETTLED = 10
"""Steps after which the signal to noise is taken for known."""

MOST_ASTRAY = 6
"""Steps at which the moments may be those of no source."""

FLATTEST = 1e-3
"""Smallest determinant of M, in squares of its trace."""

WIDE = 2.0
"""Variance of the narrowest weight [pixel^2]: a star's size then varies by 1 % with its place in
a pixel of 0.11 arcsec at 1.6 micron, by 4 % with half of that, by 6 % at 0.6 micron (rms)."""

SMOOTH = 4.0
"""How sharply the weight passes from one size to the other: V has (WIDE^p + size^p)^(1/p)."""

NARROWEST = 0.2
"""Least mean variance of a source along an axis [pixel^2]: of a star at 0.6 micron, with its
pixel; noise makes some faint stars look narrower."""

HELD = 14.0
"""Signal to noise at which the weight is half held; this and the next chosen so that deviations
of simulated stars and galaxies are as large as their errors (``benchmarks/accuracy_shapes.py``)."""

DAMPED = 5.0
"""Signal to noise at which ellipticities are damped by a half."""


@njit(nogil=True, cache=True, error_model="numpy")
def adaptive(value: Any, x: float, y: float, sigma: float, noise: Any = None) -> Any:
    """The adaptive Gaussian of one source.

    A step takes the source for a Gaussian: Q^-1 = C^-1 - V^-1 is the next M.

    Parameters
    ----------
    value
        (size, size) light around the source.
    x, y, sigma
        Where and with which round Gaussian to start [pixel].
    noise
        (size, size) its variance; none if not given.

    Returns
    -------
    bool, float, float, float, float, float, float, float
        Whether it was found; its centre, Mxx, Mxy and Myy; shares of the weight's shape and of
        the ellipticity that were kept, 1 without noise.
    """
    xx, xy, yy = sigma * sigma, 0.0, sigma * sigma
    start_x, start_y, astray, keep, damp = x, y, 0, 1.0, 1.0
    for step in range(STEPS):
        vx, vxy, vy = weight(xx, xy, yy, keep)
        away = max(abs(x - start_x), abs(y - start_y))
        if not (away < 2 * sigma + 1 and REACH * np.sqrt(max(vx, vy)) < value.shape[0]):
            break
        if step < SETTLED:
            s, sx, sy, cxx, cxy, cyy, n = _weighted_moments(value, noise, x, y, vx, vxy, vy)
            keep, damp = share(s, n, HELD), share(s, n, DAMPED)
        else:
            s, sx, sy, cxx, cxy, cyy, _ = _weighted_moments(value, None, x, y, vx, vxy, vy)
        if not s > 0:
            break
        mx, my = sx / s, sy / s
        cxx, cxy, cyy = _kept(
            cxx / s - mx * mx, cxy / s - mx * my, cyy / s - my * my, damp, 0.5 * (vx + vy)
        )
        det_c, det_v = cxx * cyy - cxy * cxy, vx * vy - vxy * vxy
        a, b, c = vy / det_v, -vxy / det_v, vx / det_v
        # of a Gaussian source the weighted centre is at (1 + M V^-1)^-1 times its own
        step_x = mx + (xx * a + xy * b) * mx + (xx * b + xy * c) * my
        step_y = my + (xy * a + yy * b) * mx + (xy * b + yy * c) * my
        shorter = min(1.0, 0.5 * np.sqrt(cxx + cyy) / np.hypot(step_x, step_y))
        x += shorter * step_x
        y += shorter * step_y
        if not det_c > FLATTEST * (cxx + cyy) ** 2:
            # noise next to the centre; it may be better at the new one
            astray += 1
            if astray > MOST_ASTRAY:
                break
            continue
        a, b, c = cyy / det_c - a, -cxy / det_c - b, cxx / det_c - c
        det = a * c - b * b
        if not (det > 0 and a > 0):
            xx, xy, yy = 1.5 * xx, 1.5 * xy, 1.5 * yy
            continue
        smaller = min(1.0, 2 * (xx + yy) * det / (a + c)) / det
        part = 1.0 if step < CAREFUL else 0.6
        to_xx, to_xy, to_yy = smaller * c - xx, -smaller * b - xy, smaller * a - yy
        xx, xy, yy = xx + part * to_xx, xy + part * to_xy, yy + part * to_yy
        if not xx * yy - xy * xy > FLATTEST * (xx + yy) ** 2:
            break
        change = abs(to_xx) + abs(to_xy) + abs(to_yy) + abs(step_x) + abs(step_y)
        enough = ARRIVED if step < CAREFUL else NEAR
        if change < enough * (xx + yy):
            return True, x, y, xx, xy, yy, keep, damp
    return False, x, y, xx, xy, yy, keep, damp


@njit(nogil=True, cache=True, error_model="numpy")
def share(s: float, n: float, half: float) -> float:
    """What is kept of something at a signal to noise of s / sqrt(n), a half at ``half``."""
    return 1 / (1 + (half * half * n / (s * s)) ** 2)


@njit(nogil=True, cache=True, error_model="numpy")
def weight(xx: float, xy: float, yy: float, keep: float) -> Any:
    """V of M, with the share of its shape that is kept."""
    mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    above = (1 + (mean / WIDE) ** SMOOTH) ** (1 / SMOOTH)
    size, part = WIDE * above**keep, keep * above ** (keep - 1)
    return size + part * half, part * xy, size - part * half


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _kept(xx: float, xy: float, yy: float, damp: float, wide: float) -> Any:
    """Moments with damped ellipticity, of no less than the narrowest source."""
    mean = max(0.5 * (xx + yy), NARROWEST * wide / (NARROWEST + wide))
    half = 0.5 * damp * (xx - yy)
    return mean + half, damp * xy, mean - half


@njit(nogil=True, cache=True, inline="always")
def window(size: int, x: float, y: float, xx: float, yy: float) -> Any:
    """First and last columns and rows of a weight."""
    wide, tall = REACH * np.sqrt(xx), REACH * np.sqrt(yy)
    return (
        max(0, int(x - wide)), min(size, int(x + wide) + 2),
        max(0, int(y - tall)), min(size, int(y + tall) + 2),
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _weighted_moments(
    value: Any, noise: Any, x: float, y: float, xx: float, xy: float, yy: float
) -> Any:
    """Sums of W I times 1, dx, dy, dx^2, dx dy, dy^2, and of W^2 variance."""
    first, stop, low, high = window(value.shape[0], x, y, xx, yy)
    det = xx * yy - xy * xy
    a, b, c = yy / det, -xy / det, xx / det
    across = np.empty(max(stop - first, 0))
    for k in range(across.size):
        across[k] = np.exp(-0.5 * a * (first + k - x) ** 2)
    s, sx, sy, sxx, sxy, syy, n = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(low, high):
        dy = j - y
        # exp(-b dx dy) along a row is a geometric series
        factor = np.exp(-0.5 * c * dy * dy - b * dy * (first - x))
        ratio = np.exp(-b * dy)
        r, rx, rxx = 0.0, 0.0, 0.0
        for k in range(across.size):
            dx = first + k - x
            w = across[k] * factor
            light = w * value[j, first + k]
            if noise is not None:
                n += w * w * noise[j, first + k]
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
    return s, sx, sy, sxx, sxy, syy, n
