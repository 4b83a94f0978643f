"""Exposures laid on one area of a mosaic, combined.

With the sums that `warping` makes of each exposure n,

    data = sum of light_n / weight,        weight = sum of weight_n,
    variance = sum of variance_n / weight^2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.images import Image
from roman_dms.mosaics.warping import Warped

PLANE = 32
"""Exposures to a plane of the context."""


@dataclass(frozen=True)
class Combination:
    """An area of a mosaic; arrays are (rows, columns), NaN where no exposure gives anything."""

    area: Area

    data: Image
    """Surface brightness."""

    err: Image
    """Standard deviation, of all components of the variance together."""

    weight: Image
    """Sum of share x weight; 0 where there is nothing."""

    variances: dict[str, Image]
    """By component."""

    context: NDArray[np.uint32]
    """(planes, rows, columns): bit n of plane k is set where exposure 32 k + n contributes."""

    exposure_time: Image
    """Sum over the contributing exposures, in the unit that was given."""


class Sums:
    """Exposures added up so far, in double precision."""

    def __init__(self, area: Area, components: Iterable[str], exposures: int) -> None:
        self.area = area
        self.light = np.zeros(area.shape)
        self.weight = np.zeros(area.shape)
        self.variances = {name: np.zeros(area.shape) for name in components}
        self.context = np.zeros((-(-exposures // PLANE), *area.shape), np.uint32)
        self.exposure_time = np.zeros(area.shape)

    def add(self, warped: Warped, exposure_time: float, index: int) -> None:
        """Add an exposure where it overlaps the area.

        Raises
        ------
        UsageError
            If its variances have other components.
        """
        if warped.variances.keys() != self.variances.keys():
            raise UsageError(
                f"An exposure has the variances {_listed(warped.variances)}.",
                f"as in the others: {_listed(self.variances)}",
            )
        common = self.area.within(warped.area)
        if common is None:
            return
        to = common.x0 - self.area.x0, common.y0 - self.area.y0
        start = common.x0 - warped.area.x0, common.y0 - warped.area.y0
        size = common.columns, common.rows
        plane, bit = divmod(index, PLANE)
        _accumulate(warped.light, start, size, to, self.light)
        _accumulate(warped.weight, start, size, to, self.weight)
        for name, variance in warped.variances.items():
            _accumulate(variance, start, size, to, self.variances[name])
        _note(
            warped.weight,
            start,
            size,
            to,
            np.uint32(1 << bit),
            float(exposure_time),
            self.context[plane],
            self.exposure_time,
        )

    def combination(self) -> Combination:
        """The mosaic so far."""
        data, err, weight, time = (np.empty(self.area.shape, np.float32) for _ in range(4))
        _mean(self.light, self.weight, data, weight)
        err[:] = 0
        variances = {name: np.empty_like(err) for name in self.variances}
        for name, sums in self.variances.items():
            _variance_of_mean(sums, self.weight, variances[name], err)
        np.sqrt(err, out=err)
        err[np.isnan(data)] = np.nan
        time[:] = self.exposure_time
        return Combination(self.area, data, err, weight, variances, self.context, time)


@njit(nogil=True, cache=True)
def _accumulate(part, start, size, to, total):  # type: ignore[no-untyped-def]
    """Add a rectangle of one plane to another; corners and sizes are (x, y)."""
    for row in range(size[1]):
        one = part[start[1] + row, start[0] : start[0] + size[0]]
        sums = total[to[1] + row, to[0] : to[0] + size[0]]
        for column in range(size[0]):
            sums[column] += one[column]


@njit(nogil=True, cache=True)
def _note(weight, start, size, to, bit, time, context, times):  # type: ignore[no-untyped-def]
    """Where an exposure has weight, set its bit and count its time; see `_accumulate`."""
    for row in range(size[1]):
        one = weight[start[1] + row, start[0] : start[0] + size[0]]
        bits = context[to[1] + row, to[0] : to[0] + size[0]]
        sums = times[to[1] + row, to[0] : to[0] + size[0]]
        for column in range(size[0]):
            contributes = one[column] > 0
            bits[column] |= bit if contributes else np.uint32(0)
            sums[column] += time if contributes else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(light, weight, data, single):  # type: ignore[no-untyped-def]
    """Light over weight, NaN without weight; and the weight in single precision."""
    for row in range(light.shape[0]):
        for column in range(light.shape[1]):
            w = weight[row, column]
            data[row, column] = light[row, column] / w if w > 0 else np.nan
            single[row, column] = w


@njit(nogil=True, cache=True, error_model="numpy")
def _variance_of_mean(sums, weight, variance, total):  # type: ignore[no-untyped-def]
    """Sums over squared weight, NaN without weight; added to a total."""
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            w = weight[row, column]
            value = np.float32(sums[row, column] / (w * w) if w > 0 else np.nan)
            variance[row, column] = value
            total[row, column] += value


def combined(
    warped: Sequence[Warped | None], exposure_times: Sequence[float], area: Area
) -> Combination:
    """Combine exposures.

    Parameters
    ----------
    warped
        One of each exposure, ``None`` where it is nowhere near; the place in the sequence is the
        exposure's bit in the context.
    exposure_times
        Of each.
    area
        What of the mosaic to make.
    """
    present = [one for one in warped if one is not None]
    components = list(present[0].variances) if present else []
    sums = Sums(area, components, len(warped))
    for index, (one, exposure_time) in enumerate(zip(warped, exposure_times, strict=True)):
        if one is not None:
            sums.add(one, exposure_time, index)
    return sums.combination()


def added(existing: Combination, new: Warped, exposure_time: float, index: int) -> Combination:
    """A mosaic with one exposure more, as if all had been combined at once.

    Parameters
    ----------
    index
        Its bit in the context, which no other exposure may have.

    Raises
    ------
    UsageError
        If the mosaic has an exposure of that index, or other components of the variance.
    """
    sums = Sums(existing.area, existing.variances, max(index + 1, PLANE * len(existing.context)))
    sums.context[: len(existing.context)] = existing.context
    plane, bit = divmod(index, PLANE)
    if (sums.context[plane] & np.uint32(1 << bit)).any():
        raise UsageError(
            f"The mosaic has an exposure number {index}.", "a number for the new one that is free"
        )
    weight = existing.weight.astype(np.float64)
    filled = weight > 0
    sums.weight[:] = weight
    sums.light[filled] = (existing.data * weight)[filled]
    for name, variance in existing.variances.items():
        sums.variances[name][filled] = (variance * weight * weight)[filled]
    sums.exposure_time[:] = existing.exposure_time
    sums.add(new, exposure_time, index)
    return sums.combination()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
