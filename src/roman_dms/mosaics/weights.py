"""What a pixel counts in a mosaic, and the noise that is expected of it.

A weight that follows the light in its own pixel biases stars: where noise lifts a pixel its
photon noise is believed higher and it counts less, and a star's core counts less than its
wings.  Here the weight comes from the variance of the sky alone, a slow function of the place:
a mesh of medians, between whose cells it is bilinear and therefore never negative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.measure.mesh import cell_edges, filled, without_outliers
from roman_dms.mosaics.geometry import Area

PHOTONS = "var_poisson"
"""Name of the component of the variance that grows with light."""

SIDE = 12
"""Rows and columns of a cell from which its median is taken."""

BRIGHT = 0.01
"""Share of the brightest pixels, from which it is taken what light adds to the variance."""

UNKNOWN = float(np.finfo(np.float32).max)
"""Variance of an image of which nothing is usable."""


@dataclass(frozen=True)
class SkyNoise:
    """Variance of the pixels of an image, as if there were only sky."""

    mesh: NDArray[np.float64]
    """(my, mx) variance in cells that divide the detector evenly; `UNKNOWN` everywhere
    if nothing is usable [surface brightness squared]."""

    shape: tuple[int, int]
    """(rows, columns) of the detector."""

    per_light: float
    """What light above the sky adds to the variance, for each unit of surface brightness."""

    def over(self, window: Area) -> NDArray[np.float32]:
        """(rows, columns) variance in a part of the detector."""
        first_row, row_share = _between(window.y0, window.rows, self.shape[0], len(self.mesh))
        first, share = _between(window.x0, window.columns, self.shape[1], self.mesh.shape[1])
        lines = self.mesh[:, first] * (1 - share) + self.mesh[:, first + (share > 0)] * share
        values = np.empty(window.shape, np.float32)
        _fill(np.ascontiguousarray(lines, np.float32), first_row, row_share, values)
        return values


def sky_noise(
    data: NDArray[np.float32],
    variances: Mapping[str, NDArray[np.floating]],
    usable: NDArray[np.bool_],
    *,
    factor: float = 1.0,
    box: int = 64,
) -> SkyNoise:
    """Measure the variance where there is only sky.

    Medians of 144 pixels of each cell; cells that stand out, under the largest sources, take
    the median of their neighbours.  What light adds is the median, over the brightest hundredth
    of these pixels, of the variance of photons above that of their cell, per light above it.

    Parameters
    ----------
    data
        (row, column) surface brightness of the whole detector.
    variances
        Its variances by component, `PHOTONS` among them; their sum is meant.
    usable
        Which pixels count.
    factor
        What variances are to be multiplied by to be in the unit of ``data`` squared.
    box
        Width of a cell [pixel].

    Raises
    ------
    UsageError
        If there is no variance of photons.
    """
    if PHOTONS not in variances:
        raise UsageError(
            f"The variances of an image are {', '.join(variances) or 'none'}.",
            f"the variance of photons among them, {PHOTONS}",
        )
    sample = tuple(_sampled(cell_edges(size, box)) for size in data.shape)
    at = np.ix_(*sample)
    parts = {name: of[at].astype(np.float64) * factor for name, of in variances.items()}
    total = np.asarray(sum(parts.values()))
    good = usable[at] & np.isfinite(total) & (total > 0) & np.isfinite(data[at])
    mesh = _medians(total, good)
    if not np.isfinite(mesh).any():
        return SkyNoise(np.full_like(mesh, UNKNOWN), data.shape, 0.0)
    slope = _per_light(data[at].astype(np.float64), parts[PHOTONS], good)
    return SkyNoise(without_outliers(filled(mesh)), data.shape, slope)


def inverse_variance(
    noise: SkyNoise, window: Area, usable: NDArray[np.bool_], exposure_time: float
) -> NDArray[np.float32]:
    """(rows, columns) inverse variance of the sky in a window; 0 where it is unusable."""
    del exposure_time
    weight = noise.over(window)
    np.divide(np.float32(1), weight, out=weight)
    weight *= usable
    return weight


def exposure_time(
    noise: SkyNoise, window: Area, usable: NDArray[np.bool_], exposure_time: float
) -> NDArray[np.float32]:
    """(rows, columns) exposure time; 0 where a pixel is unusable [s]."""
    del noise, window
    return usable.astype(np.float32) * np.float32(exposure_time)


def uniform(
    noise: SkyNoise, window: Area, usable: NDArray[np.bool_], exposure_time: float
) -> NDArray[np.float32]:
    """(rows, columns) 1; 0 where a pixel is unusable."""
    del noise, window, exposure_time
    return usable.astype(np.float32)


Weighting = Callable[[SkyNoise, Area, NDArray[np.bool_], float], NDArray[np.float32]]
"""Takes the noise of an image, a window on it, which pixels there are usable, and the exposure
time [s], to the weights of the pixels."""

WEIGHTS: Mapping[str, Weighting] = {
    "inverse_variance": inverse_variance,
    "exposure_time": exposure_time,
    "uniform": uniform,
}
"""By name."""


def _sampled(edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """(cell * SIDE,) places along an axis, evenly in each cell."""
    steps = (np.arange(SIDE) + 0.5) / SIDE
    return (edges[:-1, None] + np.diff(edges)[:, None] * steps).astype(np.int64).ravel()


def _medians(values: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(my, mx) medians of the good values of each cell of SIDE x SIDE; NaN without any."""
    rows, columns = (size // SIDE for size in values.shape)
    cells = np.where(good, values, np.inf).reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2)
    ordered = np.sort(cells.reshape(rows, columns, -1), axis=-1)
    count = good.reshape(rows, SIDE, columns, SIDE).sum((1, 3))
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0)[..., None] // 2, axis=-1)
    return np.where(count > 0, middle[..., 0], np.nan)


def _per_light(
    data: NDArray[np.float64], photons: NDArray[np.float64], good: NDArray[np.bool_]
) -> float:
    """Variance of photons per light, both above the sky."""
    above = data - _medians(data, good).repeat(SIDE, 0).repeat(SIDE, 1)
    more = photons - _medians(photons, good).repeat(SIDE, 0).repeat(SIDE, 1)
    bright = good & (above >= np.quantile(above[good], 1 - BRIGHT)) & (above > 0)
    return max(0.0, float(np.median(more[bright] / above[bright]))) if bright.any() else 0.0


def _between(
    start: int, count: int, size: int, cells: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For pixels along an axis: the cell before each, and the share of the one behind."""
    place = np.clip((start + np.arange(count) + 0.5) * cells / size - 0.5, 0, cells - 1)
    first = np.minimum(place.astype(np.int64), max(cells - 2, 0))
    return first, (place - first).astype(np.float32)


@njit(nogil=True, cache=True)
def _fill(lines, first, share, values):  # type: ignore[no-untyped-def]
    """Between the lines of a mesh."""
    for row in range(values.shape[0]):
        one, other = lines[first[row]], lines[min(first[row] + 1, len(lines) - 1)]
        t = share[row]
        for column in range(values.shape[1]):
            values[row, column] = one[column] + t * (other[column] - one[column])
