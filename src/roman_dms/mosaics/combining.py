"""Exposures laid on one area of a mosaic, combined.

With the sums that `warping` makes of each exposure n,

    data = sum of light_n / weight,        weight = sum of weight_n,
    variance = sum of variance_n / weight^2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
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
        at, part = self.area.slices(common), warped.part(common)
        self.light[at] += part.light
        self.weight[at] += part.weight
        for name, variance in part.variances.items():
            self.variances[name][at] += variance
        contributes = part.weight > 0
        plane, bit = divmod(index, PLANE)
        self.context[plane][at] |= contributes * np.uint32(1 << bit)
        self.exposure_time[at] += contributes * exposure_time

    def combination(self) -> Combination:
        """The mosaic so far."""
        per_weight = np.full(self.area.shape, np.nan)
        np.divide(1.0, self.weight, out=per_weight, where=self.weight > 0)
        data = _product(self.light, per_weight)
        per_weight *= per_weight
        variances = {name: _product(sums, per_weight) for name, sums in self.variances.items()}
        err = np.where(np.isnan(data), data, np.float32(0))
        for variance in variances.values():
            err += variance
        np.sqrt(err, out=err)
        weight, time = self.weight.astype(np.float32), self.exposure_time.astype(np.float32)
        return Combination(self.area, data, err, weight, variances, self.context, time)


def _product(one: NDArray[np.float64], other: NDArray[np.float64]) -> Image:
    """In single precision, without a double one of full size in between."""
    made = np.empty(one.shape, np.float32)
    np.multiply(one, other, out=made, casting="same_kind")
    return made


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
