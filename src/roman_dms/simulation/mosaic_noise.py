"""The noise of many exposures that were drizzled onto finer pixels.

An exposure measures the rate of its pixels with a variance R / t + (s / t)^2, R
being the rate of light and dark electrons, t its time, s the noise of its
count.  A mosaic whose pixels have f times the area of the detector's gets, of N
dithered exposures drizzled with small drops (Fruchter & Hook 2002, PASP 114,
144), N f values a pixel, each f of which is light of its own; their mean has

    variance of photons  f R / (N t)      variance of reads  f s^2 / (N t^2)

so that the noise of large areas is that of the exposures.  Drizzling with large
drops would make the same noise smaller in each pixel, and shared by neighbours.
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

BAND = 64
"""Rows that share a generator; part of what a seed means."""


@dataclass(frozen=True)
class Exposures:
    """What was combined."""

    time: float
    """Of one exposure [s]."""

    number: int

    read_noise: float
    """Noise of the count of one exposure in a pixel of the detector [electron]."""

    dark_current: float
    """In a pixel of the detector [electron / s]."""

    def __post_init__(self) -> None:
        if not (0 < self.time < np.inf and self.number >= 1):
            raise UsageError(
                f"{self.number} exposures of {self.time} s were asked for.",
                "one or more, each longer than 0 s",
            )

    @property
    def total_time(self) -> float:
        """[s]"""
        return self.time * self.number

    def read_variance(self, area_ratio: float) -> float:
        """Variance by the reads, in a pixel with a share of a detector's area [electron2 / s2]."""
        return area_ratio * self.read_noise**2 / (self.number * self.time**2)

    def photon_variance(self, rate: NDArray[np.float32], area_ratio: float) -> NDArray[np.float32]:
        """Variance by photons and dark electrons, at a rate in such a pixel [electron2 / s2]."""
        dark = np.float32(area_ratio * self.dark_current)
        return (rate + dark) / np.float32(self.total_time)


def measured(
    rate: NDArray[np.float32],
    exposures: Exposures,
    area_ratio: float,
    *,
    seed: int = 0,
    workers: int = 2,
) -> NDArray[np.float32]:
    """A rate as the exposures measure it: Poisson deviates and normal ones for the reads.

    Parameters
    ----------
    rate
        (rows, columns) of sources and sky, without noise [electron / s].
    exposures
        What is combined.
    area_ratio
        Area of a pixel over that of one of the detector.
    seed
        The same seed gives the same noise, whatever the number of workers.

    Returns
    -------
    ndarray
        (rows, columns), float32, the mean dark current subtracted [electron / s].
    """
    noisy = np.empty(rate.shape, np.float32)
    dark = area_ratio * exposures.dark_current
    spread = np.float32(np.sqrt(exposures.read_variance(area_ratio)))

    def fill(start: int) -> None:
        part = rate[start : start + BAND]
        words = [seed, zlib.crc32(b"mosaic"), start // BAND]
        random = np.random.default_rng(np.random.SeedSequence(words))
        expected = np.maximum(part.astype(np.float64) + dark, 0) * exposures.total_time
        light = (random.poisson(expected) / exposures.total_time - dark).astype(np.float32)
        noise = random.standard_normal(part.shape, dtype=np.float32)
        noisy[start : start + BAND] = light + spread * noise

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, rate.shape[0], BAND)))
    return noisy
