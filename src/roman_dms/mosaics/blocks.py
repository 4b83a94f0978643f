"""A block of a mosaic from all images that touch it: warped, compared, combined.

::

    images -> warped -> clean picture -> outliers of each image -> warped anew there -> combined
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.mosaics.combining import Combination, Sums
from roman_dms.mosaics.geometry import Area, BlockMap
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.kernels import Kernel
from roman_dms.mosaics.median import median_of
from roman_dms.mosaics.outliers import HALO, OutlierSettings, rejected
from roman_dms.mosaics.warping import Warped, warp, warp_anew

REACH = 8
"""Pixels of a mosaic that a pixel of an image may reach from its centre."""

MARGIN = HALO + REACH
"""How far around a block images are looked at [pixel]."""

FEW = 16
"""Images that are kept warped while a block is made; more are warped once more at the end, so that
memory hardly grows with their number."""


@dataclass(frozen=True)
class Contribution:
    """An image where a block is made of it."""

    number: int
    """Which bit of the context is its own."""

    image: InputImage
    """Its pixels in and around the block."""

    way: BlockMap

    level: float
    """Its sky."""

    variance: NDArray[np.float32]
    """Variance of its pixels where there is only sky."""

    per_light: float
    """What light above the sky adds to the variance, for each unit of surface brightness."""

    exposure_time: float
    """[s]."""


@dataclass(frozen=True)
class MadeBlock:
    """A block of a mosaic."""

    area: Area

    sums: Combination

    rejected: tuple[tuple[int, NDArray[np.int32]], ...]
    """Of each image (its number): rows and columns on the detector of the outliers whose
    centres lie in the block."""


def make_block(
    area: Area,
    contributions: Sequence[Contribution],
    images: int,
    kernel: Kernel,
    outliers: OutlierSettings | None,
) -> MadeBlock:
    """Combine what images give to a block.

    Parameters
    ----------
    area
        The block, or the part of it that the mosaic has.
    contributions
        Images that touch the area or its margin.
    images
        How many the whole mosaic has.
    kernel
        How pixels are spread.
    outliers
        What is rejected; ``None`` to keep all.
    """
    components = list(contributions[0].image.variances) if contributions else []
    sums = Sums(area, components, images)
    if outliers is None or len(contributions) < 2:
        for one in contributions:
            sums.add(warp(one.image, one.way, area, kernel), one.exposure_time, one.number)
        return MadeBlock(area, sums.combination(), ())
    wide = area.grown(MARGIN)
    picture, warped = _picture(wide, contributions, kernel)
    found: list[tuple[int, NDArray[np.int32]]] = []
    for n, one in enumerate(contributions):
        gone = _outliers(area, wide, one, picture, outliers)
        clean = _without(warped[n], one, gone, area, kernel)
        warped[n] = None
        sums.add(clean, one.exposure_time, one.number)
        found.append((one.number, _inside(area, one.way, gone)))
    return MadeBlock(area, sums.combination(), tuple(found))


def _picture(
    wide: Area, contributions: Sequence[Contribution], kernel: Kernel
) -> tuple[NDArray[np.float32], list[Warped | None]]:
    """The clean picture, and the warped images while they are not too many."""
    few = len(contributions) <= FEW
    light, weight = np.empty((2, len(contributions), *wide.shape), np.float32)
    kept: list[Warped | None] = []
    for n, one in enumerate(contributions):
        of = warp(one.image, one.way, wide, kernel, variances=few)
        light[n], weight[n] = of.light, of.weight
        kept.append(of if few else None)
    noise = [float(np.sqrt(np.median(one.variance))) for one in contributions]
    return median_of(light, weight, [one.level for one in contributions], noise=noise), kept


def _outliers(
    area: Area,
    wide: Area,
    one: Contribution,
    picture: NDArray[np.float32],
    settings: OutlierSettings,
) -> NDArray[np.int32]:
    """Outliers of an image among all pixels that reach into the area."""
    core = area.grown(REACH)
    of_noise = one.level, one.variance, one.per_light
    return rejected(one.image, one.way, picture, wide, core, *of_noise, settings)


def _without(
    warped: Warped | None,
    one: Contribution,
    gone: NDArray[np.int32],
    area: Area,
    kernel: Kernel,
) -> Warped:
    """An image without some of its pixels, the same to the last bit whether it was kept or not."""
    if warped is not None:
        return warp_anew(warped, one.image, one.way, kernel, gone)
    weight = one.image.weight.copy()
    weight[gone[:, 0] - one.image.window.y0, gone[:, 1] - one.image.window.x0] = 0
    return warp(replace(one.image, weight=weight), one.way, area, kernel)


def _inside(area: Area, way: BlockMap, places: NDArray[np.int32]) -> NDArray[np.int32]:
    """Those whose centres lie in an area, so that each is recorded in one block."""
    x, y = way.to_mosaic(places[:, 1].astype(float), places[:, 0].astype(float))
    column, row = np.floor(x + 0.5) - area.x0, np.floor(y + 0.5) - area.y0
    inside = (column >= 0) & (column < area.columns) & (row >= 0) & (row < area.rows)
    return places[inside]
