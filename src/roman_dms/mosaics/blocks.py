"""A block of a mosaic from all images that touch it: warped, compared, combined.

::

    images -> warped -> clean picture -> outliers of each image -> warped anew there -> combined
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.mosaics.combining import Combination, combined
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
    wide = area.grown(MARGIN) if outliers is not None and len(contributions) > 1 else area
    warped = [warp(one.image, one.way, wide, kernel) for one in contributions]
    found: list[tuple[int, NDArray[np.int32]]] = []
    if wide is not area and outliers is not None:
        places = _outliers(area, wide, contributions, warped, outliers)
        warped = [
            warp_anew(of, one.image, one.way, kernel, gone)
            for of, one, gone in zip(warped, contributions, places, strict=True)
        ]
        found = [
            (one.number, _inside(area, one.way, gone))
            for one, gone in zip(contributions, places, strict=True)
        ]
    parts: list[Warped | None] = [None] * images
    times = [0.0] * images
    for one, of in zip(contributions, warped, strict=True):
        parts[one.number], times[one.number] = of, one.exposure_time
    sums = combined(parts, times, area)
    return MadeBlock(area, sums, tuple(found))


def _outliers(
    area: Area,
    wide: Area,
    contributions: Sequence[Contribution],
    warped: Sequence[Warped],
    settings: OutlierSettings,
) -> list[NDArray[np.int32]]:
    """Outliers of each image among all pixels that reach into the area."""
    noise = [float(np.sqrt(np.median(one.variance))) for one in contributions]
    picture = median_of(
        np.stack([of.light for of in warped]),
        np.stack([of.weight for of in warped]),
        [one.level for one in contributions],
        noise=noise,
    )
    core = area.grown(REACH)
    return [
        rejected(
            one.image,
            one.way,
            picture,
            wide,
            core,
            one.level,
            one.variance,
            one.per_light,
            settings,
        )
        for one in contributions
    ]


def _inside(area: Area, way: BlockMap, places: NDArray[np.int32]) -> NDArray[np.int32]:
    """Those whose centres lie in an area, so that each is recorded in one block."""
    x, y = way.to_mosaic(places[:, 1].astype(float), places[:, 0].astype(float))
    column, row = np.floor(x + 0.5) - area.x0, np.floor(y + 0.5) - area.y0
    inside = (column >= 0) & (column < area.columns) & (row >= 0) & (row < area.rows)
    return places[inside]
