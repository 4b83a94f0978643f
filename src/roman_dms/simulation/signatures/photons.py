"""Electrons that light and dark current release, drawn read by read.

Small means are drawn by inversion of the distribution, large ones by transformed
rejection with squeeze, PTRS (Hoermann 1993, Insurance: Mathematics and Economics
12, 39), both exact to the step of a random word, 2^-32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.simulation.signatures.deposits import Deposits
from roman_dms.simulation.signatures.randomness import WORD, fill_words, more_words, words_for
from roman_dms.simulation.signatures.stages import Action, Conditions

INVERTED = 32.0
"""Mean up to which a count is drawn by inversion."""

MOST = 200
"""Count beyond which no mean that is inverted has a probability of 2^-32."""

SECOND = 2**31
"""Attempt that stands for the second word of a pixel."""

TOGETHER = 64
"""Pixels that are inverted together."""


@dataclass(frozen=True)
class PhotonNoise:
    """Poisson noise of light and dark current."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def collector(self, exposure: Conditions, mean: NDArray[np.float32], first_row: int) -> Action:
        """What adds the electrons of a read to the charge of a band.

        Parameters
        ----------
        exposure
            Its detector and seed.
        mean
            ``(rows, columns)``, expected electrons of one read.
        first_row
            Row of the detector at which the band begins.
        """
        k0, k1 = exposure.key("photon_noise", self.seed)
        none, steps, bright = none_of(mean), steps_of(mean), (mean > INVERTED).any(axis=1)
        words, others = words_for(mean.shape[1]), words_for(mean.shape[1])

        def collect(charge: NDArray[np.float32], read: int) -> None:
            add_poisson(charge, mean, none, steps, bright, first_row, read, k0, k1, words, others)

        return collect

    def of_deposits(self, exposure: Conditions, expected: Deposits) -> Deposits:
        """Draw what arrives of the electrons that are expected in few pixels."""
        random = exposure.random("moving_light", self.seed)
        return replace(expected, electrons=random.poisson(expected.electrons).astype(np.float32))


def collect_without_noise(mean: NDArray[np.float32]) -> Action:
    """What adds the expected electrons."""

    def collect(charge: NDArray[np.float32], _read: int) -> None:
        charge += mean

    return collect


def none_of(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of no count; minus infinity for a mean too large to be inverted."""
    return np.where(mean <= INVERTED, np.exp(-mean), -np.inf).astype(mean.dtype)


def steps_of(mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Steps after which few of the neighbours that are inverted together are left.

    Parameters
    ----------
    mean
        ``(rows, columns)``.

    Returns
    -------
    (rows, groups of pixels) float32.
    """
    inverted = np.where(mean <= INVERTED, mean, 0)
    largest = np.maximum.reduceat(inverted, np.arange(0, mean.shape[1], TOGETHER), axis=1)
    return np.where(largest > 0, np.floor(largest + 2.5 * np.sqrt(largest) + 1), 0).astype(
        mean.dtype
    )


@njit(nogil=True, cache=True)
def add_poisson(
    charge: Any, mean: Any, none: Any, steps: Any, bright: Any, first_row: int, read: int,
    k0: Any, k1: Any, words: Any, others: Any,
) -> None:  # fmt: skip
    """Add Poisson deviates to rows of an image.

    Parameters
    ----------
    charge, mean, none
        ``(rows, columns)`` float32: the image, the means and what :func:`none_of` gives.
    steps
        From :func:`steps_of`.
    bright
        ``(rows,)``: which rows have means that are not inverted.
    first_row, read
        Row of the detector at which the image begins, and number of the read.
    k0, k1
        Key.
    words, others
        Memory for the random words of a row.
    """
    count = np.empty(TOGETHER, np.float32)
    uniform, probability, cumulative = np.empty_like(count), np.empty_like(count), count.copy()
    for r in range(charge.shape[0]):
        row = first_row + r
        fill_words(words, row, read, 0, k0, k1)
        if bright[r]:
            fill_words(others, row, read, SECOND, k0, k1)
        for group in range(steps.shape[1]):
            first = group * TOGETHER
            part = slice(first, min(first + TOGETHER, charge.shape[1]))
            means, drawn, total = mean[r, part], words[part], charge[r, part]
            most = steps[r, group]
            _climb(means, none[r, part], drawn, most, count, uniform, probability, cumulative)
            for c in range(means.size):
                if count[c] > most:
                    if means[c] > INVERTED:
                        count[c] = np.float32(
                            _transformed(
                                means[c], drawn[c], others[first + c], first + c, row, read, k0, k1
                            )
                        )
                    else:
                        count[c] = _inverted(means[c], (drawn[c] + 0.5) * WORD)
            for c in range(means.size):
                total[c] += count[c]


@njit(nogil=True, cache=True)
def _climb(
    mean: Any, none: Any, words: Any, steps: Any,
    count: Any, uniform: Any, probability: Any, cumulative: Any,
) -> None:  # fmt: skip
    """Invert the distributions of neighbouring pixels together.

    A count is the number of cumulative probabilities below the pixel's uniform
    deviate.  Rounding to 32 bits moves these by 1e-7; the tail, where that would
    matter, is left to :func:`_inverted`: a count beyond ``steps`` is not known yet.
    Nor is that of a mean too large to be inverted, whose probabilities are minus
    infinity, below any deviate.
    """
    for c in range(mean.size):
        uniform[c] = (np.float32(words[c]) + np.float32(0.5)) * np.float32(WORD)
        probability[c] = none[c]
        cumulative[c] = none[c]
        count[c] = np.float32(1) if uniform[c] > none[c] else np.float32(0)
    for k in range(1, int(steps) + 1):
        inverse = np.float32(1) / np.float32(k)
        for c in range(mean.size):
            probability[c] *= mean[c] * inverse
            cumulative[c] += probability[c]
            count[c] += np.float32(1) if uniform[c] > cumulative[c] else np.float32(0)


@njit(nogil=True, cache=True)
def _inverted(mean: Any, u: float) -> float:
    """The count whose cumulative probability first exceeds ``u``."""
    mu = np.float64(mean)
    count, probability = 0, math.exp(-mu)
    while u > probability and count < MOST:
        u -= probability
        count += 1
        probability *= mu / count
    return float(count)


@njit(nogil=True, cache=True)
def _transformed(
    mean: Any, first: Any, second: Any, column: int, row: int, read: int, k0: Any, k1: Any
) -> float:
    """A Poisson deviate of a mean above 10: algorithm PTRS; two words to begin with."""
    mu = np.float64(mean)
    b = 0.931 + 2.53 * math.sqrt(mu)
    a = -0.059 + 0.02483 * b
    scale = 1.1239 + 1.1328 / (b - 3.4)
    bound = 0.9277 - 3.6224 / (b - 2)
    attempt = 0
    while True:
        u, v = (first + 0.5) * WORD - 0.5, (second + 0.5) * WORD
        side = 0.5 - abs(u)
        count = math.floor((2 * a / side + b) * u + mu + 0.43)
        if side >= 0.07 and v <= bound:
            return count
        if count >= 0 and (side >= 0.013 or v <= side):
            height = math.log(v * scale / (a / (side * side) + b))
            if height <= count * math.log(mu) - mu - math.lgamma(count + 1.0):
                return count
        attempt += 1
        first, second, _, _ = more_words(column, row, read, attempt, k0, k1)
