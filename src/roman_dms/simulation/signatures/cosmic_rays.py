"""Charged particles that cross the detector.

Particles arrive at random with the rate that the exposure-time calculator of JWST
assumes, at any angle in the plane of the detector.  The length of the track in
that plane follows a power law (Miles et al. 2021, ApJ 918, 86: exponent -4.33) and
the energy lost on the way a Moyal distribution, an approximation of Landau's,
with its mode at 120 eV / micron and a width of 50 eV / micron; 0.5 eV release an
electron, and charge is collected in the upper 5 micron.  The numbers are those of
``romanisim`` 0.14.  The path of a track is here that of one straight line,
sqrt(depth^2 + length^2), shared among its pixels by the length in each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.simulation.signatures.deposits import Deposits
from roman_dms.simulation.signatures.stages import Conditions

PIXEL = 10.0
"""Side of a pixel [micron]."""

SQUARE_MICRONS = 1e8
"""In a square centimetre."""


@dataclass(frozen=True)
class CosmicRays:
    """Flux, tracks and charge of particles."""

    rate: float = 8.0
    """[1 / cm2 / s]."""

    shortest: float = 10.0
    """Shortest track in the plane of the detector [micron]."""

    longest: float = 2000.0
    """Longest track [micron]."""

    exponent: float = -4.33
    """Of the power law of lengths."""

    loss: float = 120.0
    """Mode of the energy loss [eV / micron]."""

    loss_width: float = 50.0
    """Width of the Moyal distribution [eV / micron]."""

    least_loss: float = 10.0
    """[eV / micron]."""

    largest_loss: float = 10000.0
    """[eV / micron]."""

    depth: float = 5.0
    """Thickness of the layer that collects charge [micron]."""

    energy: float = 0.5
    """That releases an electron [eV]."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def deposits(self, exposure: Conditions) -> Deposits:
        """Electrons that particles release in the science pixels of an exposure."""
        random = exposure.random("cosmic_rays", self.seed)
        rows, columns = exposure.detector.science_shape
        area = rows * columns * PIXEL**2 / SQUARE_MICRONS
        count = random.poisson(self.rate * area * exposure.pattern.exposure_time)
        reads = random.integers(1, exposure.pattern.reads[-1][-1], count, endpoint=True)
        begin = random.uniform(0, 1, (count, 2)) * (columns, rows) - 0.5
        angle = random.uniform(0, 2 * np.pi, count)
        length = self.lengths(random, count)
        charge = self.losses(random, count) / self.energy * np.hypot(self.depth, length)
        step = (length / PIXEL)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        track, column, row, share = cross(begin, begin + step, rows, columns)
        electrons = random.poisson(charge[track] * share)
        found = Deposits.of(reads[track], row, column, electrons)
        return found[found.electrons > 0]

    def lengths(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Lengths of tracks in the plane of the detector [micron]."""
        power = self.exponent + 1
        low, high = self.shortest**power, self.longest**power
        return (low + random.uniform(0, 1, count) * (high - low)) ** (1 / power)

    def losses(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Energy losses [eV / micron].

        Minus the logarithm of the square of a normal deviate has a Moyal distribution.
        """
        loss = np.full(count, np.nan)
        while (outside := ~((loss >= self.least_loss) & (loss <= self.largest_loss))).any():
            normal = random.standard_normal(np.count_nonzero(outside))
            loss[outside] = self.loss - self.loss_width * np.log(normal**2)
        return loss


def cross(
    begin: NDArray[np.float64], end: NDArray[np.float64], rows: int, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Pixels that straight tracks cross.

    Parameters
    ----------
    begin, end
        ``(n, 2)`` column and row of the ends [pixel].
    rows, columns
        Of the image; what lies outside is left out.

    Returns
    -------
    tuple
        Track, column, row, and the part of the track's length in that pixel.
    """
    most = int(np.sum(np.abs(np.rint(end) - np.rint(begin))) + len(begin))
    track, share = np.empty(most, np.int64), np.empty(most)
    column, row = np.empty(most, np.int32), np.empty(most, np.int32)
    count = _cross(begin, end, rows, columns, track, column, row, share)
    return track[:count], column[:count], row[:count], share[:count]


@njit(nogil=True, cache=True)
def _cross(
    begin: Any, end: Any, rows: int, columns: int, track: Any, column: Any, row: Any, share: Any
) -> int:
    """Walk each track from pixel to pixel (Amanatides & Woo 1987); the number of entries."""
    count = 0
    for number in range(begin.shape[0]):
        x, y = math.floor(begin[number, 0] + 0.5), math.floor(begin[number, 1] + 0.5)
        dx, dy = end[number, 0] - begin[number, 0], end[number, 1] - begin[number, 1]
        right, up = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
        # Parts of the track from one crossing of a column or row to the next, and
        # to the first one.
        by_x = abs(1 / dx) if dx != 0 else np.inf
        by_y = abs(1 / dy) if dy != 0 else np.inf
        next_x = (x + 0.5 * right - begin[number, 0]) / dx if dx != 0 else np.inf
        next_y = (y + 0.5 * up - begin[number, 1]) / dy if dy != 0 else np.inf
        reached = 0.0
        while reached < 1.0:
            leave = min(next_x, next_y, 1.0)
            if 0 <= x < columns and 0 <= y < rows and leave > reached and count < share.size:
                track[count], column[count], row[count] = number, x, y
                share[count] = leave - reached
                count += 1
            reached = leave
            if next_x < next_y:
                x, next_x = x + right, next_x + by_x
            else:
                y, next_y = y + up, next_y + by_y
    return count
