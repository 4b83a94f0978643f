"""An image with the noise of a perfect detector and a perfect calibration."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.ramp_noise import SlopeNoise, slope_noise

BAND = 64
"""Rows that share a generator; part of what a seed means."""


@dataclass(frozen=True)
class NoisyRate:
    """A measured count rate, the dark current taken off, and the variances of its noise."""

    rate: NDArray[np.float32]
    """[electron / s]."""
    photon_variance: NDArray[np.float32]
    """Of photons and dark current [(electron / s)^2]."""
    read_variance: NDArray[np.float32]
    """[(electron / s)^2]."""


def with_noise(
    rate: NDArray[np.float32],
    pattern: ReadPattern,
    *,
    read_noise: float,
    dark_current: float = 0.0,
    seed: int = 0,
    workers: int = 2,
) -> NoisyRate:
    """Add the noise that the best fit of the ramps would leave.

    Photons and dark electrons are Poisson deviates over the effective exposure
    time of each rate (see ``ramp_noise``), reads are normal deviates.

    Parameters
    ----------
    rate
        ``(rows, columns)`` without noise [electron / s].
    pattern
        The reads.
    read_noise
        Of one read [electron].
    dark_current
        [electron / s].
    seed
        The same seed gives the same noise, whatever the number of workers.
    """
    noise = slope_noise(pattern, read_noise)
    result = NoisyRate(*(np.empty(rate.shape, np.float32) for _ in range(3)))

    def fill(start: int) -> None:
        part = slice(start, start + BAND)
        words = [seed, zlib.crc32(b"idealised"), start // BAND]
        random = np.random.default_rng(np.random.SeedSequence(words))
        found = _noisy(rate[part], noise, dark_current, random)
        for target, values in zip(
            (result.rate, result.photon_variance, result.read_variance), found, strict=True
        ):
            target[part] = values

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, rate.shape[0], BAND)))
    return result


def _noisy(
    rate: NDArray[np.float32], noise: SlopeNoise, dark: float, random: np.random.Generator
) -> tuple[NDArray[np.floating], ...]:
    light = rate + np.float32(dark)
    time, read_variance = noise(light)
    counts = random.poisson(light * time)
    normal = random.standard_normal(rate.shape, dtype=np.float32)
    measured = (counts / time).astype(np.float32) + np.sqrt(read_variance) * normal
    return measured - np.float32(dark), light / time, read_variance
