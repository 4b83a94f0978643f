"""The pixels around stars, cut from images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.exposure import Exposure

BRIGHT = 30
"""Light of a pixel, in standard deviations of the sky, from which photon noise is measured."""


@dataclass(frozen=True)
class Stamps:
    """Images of stars, one entry each in every array: n stars, counted once an exposure."""

    light: NDArray[np.float32]
    """(n, P, P), P odd, the star in the middle pixel; the sky of the region taken off."""

    good: NDArray[np.bool_]
    """(n, P, P) pixels that count."""

    noise: NDArray[np.float64]
    """(n, 2) variance of the background, and variance for each unit of light."""

    column: NDArray[np.int64]
    """(n,) column of the middle pixel in the image."""

    row: NDArray[np.int64]
    """(n,) its row."""

    exposure: NDArray[np.int64]
    """(n,) which exposure."""

    star: NDArray[np.int64]
    """(n,) which star of the sky."""

    def __len__(self) -> int:
        return len(self.star)

    @property
    def half(self) -> int:
        """Pixels on each side of the middle one."""
        return self.light.shape[1] // 2

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Stamps:
        """Some of the stamps, by a mask or indices."""
        return Stamps(*(getattr(self, name)[chosen] for name in self.__annotations__))

    def with_good(self, good: NDArray[np.bool_]) -> Stamps:
        """The same with other pixels that count."""
        return replace(self, good=good)

    @classmethod
    def joined(cls, parts: list[Stamps]) -> Stamps:
        """The stamps of several exposures, in order."""
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in cls.__annotations__))


def cut(
    exposure: Exposure,
    number: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    star: NDArray[np.int64],
    half: int,
) -> Stamps:
    """Cut stars from an exposure; those whose stamp is not wholly inside are left out.

    Parameters
    ----------
    exposure, number
        The image, and its number.
    x, y
        (n,) places [pixel].
    star
        (n,) their numbers.
    half
        Pixels on each side of a star's own.
    """
    rows, columns = exposure.data.shape
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    reach = half + SKY_WIDTH
    inside = (column >= reach) & (column < columns - reach) & (row >= reach) & (row < rows - reach)
    column, row, star = column[inside], row[inside], star[inside]
    side = np.arange(-reach, reach + 1)
    at = (row[:, None, None] + side[:, None], column[:, None, None] + side)
    light, usable, variance = exposure.data[at], exposure.usable[at], exposure.variance[at]
    sky, background = _sky(light, variance, usable, np.hypot(*np.meshgrid(side, side)) > half)
    light -= sky[:, None, None]
    per_light = _noise_of_light(light, variance, usable, background)
    inner = np.s_[:, SKY_WIDTH:-SKY_WIDTH, SKY_WIDTH:-SKY_WIDTH]
    good = usable[inner] & (np.hypot(*np.meshgrid(side, side)) < half + 0.5)[None][inner]
    noise = np.stack([background, np.full(len(row), per_light)], axis=1)
    numbers = np.full(len(row), number)
    sound = np.isfinite(background) & (background > 0)
    return Stamps(
        np.where(good, light[inner], np.float32(0)), good, noise, column, row, numbers, star
    )[sound]


SKY_WIDTH = 4
"""Width of the frame around a stamp in which the sky is measured [pixel]."""


def _sky(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    usable: NDArray[np.bool_],
    outer: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Median of the light around each star, and of its variance; NaN where nothing is usable."""
    pixels = outer.size
    counted = (usable & outer).reshape(len(light), pixels)
    enough = counted.any(axis=1)
    medians = []
    for values in (light, variance):
        kept = np.where(counted, values.reshape(len(light), pixels), np.nan)
        kept[~enough] = 0
        medians.append(np.where(enough, np.nanmedian(kept, axis=1), np.nan))
    return medians[0].astype(np.float32), medians[1].astype(float)


def _noise_of_light(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    usable: NDArray[np.bool_],
    background: NDArray[np.float64],
) -> float:
    """Variance that a unit of light adds: what the variance exceeds the sky's by, in all stars."""
    level = background[:, None, None]
    bright = usable & (light > BRIGHT * np.sqrt(level))
    if not bright.any():
        return 0.0
    added = (variance - level)[bright] / light[bright]
    return max(float(np.median(added)), 0.0)
