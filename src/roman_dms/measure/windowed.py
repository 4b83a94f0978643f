"""Windowed centroids: precise for stars, not much disturbed by neighbours.

Where sum(w I d) = 0, w a Gaussian of the source's size: the fixed point of XWIN of SExtractor
(Bertin & Arnouts 1996; its manual, "Windowed positional parameters"), found by Newton's method.
A window as narrow as a star of 1.6 micron moves the centroid by 0.02 pixels (rms) with its place
in the pixel; `NARROWEST` keeps that at 0.001.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from roman_dms.measure.measurements import Caution

NO_WINDOW = int(Caution.NO_WINDOW)

FROM_HALF_LIGHT = 2 / 2.35
"""Standard deviation of the window in radii with half of the light."""

NARROWEST = 2.0**0.5
"""Standard deviation of the narrowest window [pixel]."""

REACH = 4.0
"""Where the window ends [standard deviation]."""

STEPS = 16
ARRIVED = 1e-4
"""Steps at most, and the one that is small enough: the next is its square [pixel]."""


@njit(nogil=True, cache=True, error_model="numpy")
def windowed(value: Any, noise: Any, x: float, y: float, half_light: float, row: Any) -> Any:
    """The windowed centroid of one source.

    Noise moves the place where sum(w I d) = 0 by minus the noise of the sum over the
    sum's derivative, which the errors are taken from.  To second order: of a Gaussian source of
    the window's size the sum goes as x exp(-x^2 / (4 sigma^2)), so that noise which moves it
    far moves it farther; the mean square is 1 + 1.5 error^2 / sigma^2 times that of the slope.

    Parameters
    ----------
    value, noise
        (size, size) the source's surroundings (`neighbours.mirror`).
    x, y
        Where to start in them.
    half_light
        Radius with half of the light [pixel].
    row
        Of ``measurements.ROW``: errors are written.

    Returns
    -------
    float, float
        The centroid in the square; NaN where there is none.
    """
    if not (np.isfinite(half_light) and np.isfinite(x) and np.isfinite(y)):
        row.warning_flags |= NO_WINDOW
        return np.nan, np.nan
    sigma = max(half_light * FROM_HALF_LIGHT, NARROWEST)
    start_x, start_y = x, y
    arrived = False
    for _ in range(STEPS):
        sums = _window_sums(value, noise, x, y, sigma)
        # derivatives of sum(w I d) by the place: negative definite around a peak
        xx, xy, yy = sums[3] - sums[0], sums[4], sums[5] - sums[0]
        determinant = xx * yy - xy * xy
        peak = determinant > 0 and xx < 0
        if not sums[0] > 0 or arrived:
            break
        if peak:
            step_x = (xy * sums[2] - yy * sums[1]) / determinant
            step_y = (xy * sums[1] - xx * sums[2]) / determinant
        else:
            step_x, step_y = 2 * sums[1] / sums[0], 2 * sums[2] / sums[0]
        shorter = min(1.0, 0.5 * sigma / np.hypot(step_x, step_y))
        x += shorter * step_x
        y += shorter * step_y
        arrived = np.hypot(step_x, step_y) < ARRIVED
        if not np.hypot(x - start_x, y - start_y) < 2 * sigma:
            break
    if not (arrived and peak):
        row.warning_flags |= NO_WINDOW
        return np.nan, np.nan
    a, b, c = yy / determinant, -xy / determinant, xx / determinant
    nxx, nxy, nyy = sums[6], sums[7], sums[8]
    var_x = max(a * a * nxx + 2 * a * b * nxy + b * b * nyy, 0.0)
    var_y = max(b * b * nxx + 2 * b * c * nxy + c * c * nyy, 0.0)
    far = 1 + 0.75 * (var_x + var_y) / (sigma * sigma)
    row.x_centroid_win_err, row.y_centroid_win_err = np.sqrt(far * var_x), np.sqrt(far * var_y)
    row.xy_centroid_win_cov = far * (a * b * nxx + (a * c + b * b) * nxy + b * c * nyy)
    return x, y


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _window_sums(value: Any, noise: Any, x: float, y: float, sigma: float) -> Any:
    """Sums of w I times 1, dx, dy, (dx^2, dx dy, dy^2) / sigma^2, and of w^2 variance."""
    size = value.shape[0]
    first_x, stop_x = max(0, int(x - REACH * sigma)), min(size, int(x + REACH * sigma) + 2)
    first_y, stop_y = max(0, int(y - REACH * sigma)), min(size, int(y + REACH * sigma) + 2)
    across = np.empty(max(stop_x - first_x, 0))
    for k in range(across.size):
        across[k] = np.exp(-0.5 * ((first_x + k - x) / sigma) ** 2)
    s, sx, sy, sxx, sxy, syy, nxx, nxy, nyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(first_y, stop_y):
        dy = j - y
        down = np.exp(-0.5 * (dy / sigma) ** 2)
        r, rx, rxx, n, nx, nxx_row = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(across.size):
            dx = first_x + k - x
            w = across[k] * down
            light, error = w * value[j, first_x + k], w * w * noise[j, first_x + k]
            r += light
            rx += light * dx
            rxx += light * dx * dx
            n += error
            nx += error * dx
            nxx_row += error * dx * dx
        s += r
        sx += rx
        sy += r * dy
        sxx += rxx
        sxy += rx * dy
        syy += r * dy * dy
        nxx += nxx_row
        nxy += nx * dy
        nyy += n * dy * dy
    square = sigma * sigma
    return s, sx, sy, sxx / square, sxy / square, syy / square, nxx, nxy, nyy
