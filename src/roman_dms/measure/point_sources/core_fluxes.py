"""First fluxes of stars, from the pixels of their cores, where nothing is known of them yet."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.psf.evaluation import PsfField

CORE = 1
"""Pixels on each side of a star from which its first flux is taken."""


def core_fluxes(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    saturated: NDArray[np.bool_],
    psf: PsfField,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(n,) first fluxes, from the pixels around each place; 0 where none is usable."""
    middle = psf.samples[len(psf.nodes_y) // 2, len(psf.nodes_x) // 2]
    centre, step = (middle.shape[-1] - 1) // 2, psf.oversample
    core = middle[
        centre - CORE * step : centre + CORE * step + 1 : step,
        centre - CORE * step : centre + CORE * step + 1 : step,
    ]
    return _core_fluxes(light, variance, saturated, np.ascontiguousarray(core), x, y)


@njit(nogil=True, cache=True)
def _core_fluxes(light, variance, saturated, core, x, y):  # type: ignore[no-untyped-def]
    flux = np.zeros(x.size)
    half = core.shape[0] // 2
    for i in range(x.size):
        if not np.isfinite(x[i] + y[i]):
            continue
        column, row = int(np.rint(x[i])), int(np.rint(y[i]))
        seen, expected = 0.0, 0.0
        for r in range(max(row - half, 0), min(row + half + 1, light.shape[0])):
            for k in range(max(column - half, 0), min(column + half + 1, light.shape[1])):
                if variance[r, k] < np.inf and not saturated[r, k]:
                    seen += light[r, k]
                    expected += core[r - row + half, k - column + half]
        flux[i] = max(seen, 0.0) / expected if expected > 0 else 0.0
    return flux
