"""Noise that all outputs share because they share supplies.

All 33 outputs are clocked together.  At clock t of a read, channel c has

    k_c u(t) + v(t)

with u the noise of a common supply, which amplifier 33 sees with coupling 1 and
channel c with a coupling k_c near 1, and v that of the detector's bias, which
amplifier 33 does not see.  Reference pixels see what the other pixels of their
channel see.  Both have the density

    S(f) = sigma^2 / (2 ln(f_max / f_min)) / f

a clock, with f_max = 1/2 and f_min that of one read of 4096 rows, over which the
noise then has a standard deviation near sigma.  There is a pause of 12 clocks
between the rows of 128 pixels, and channels are read in alternate directions
(instrument facts: Rauscher et al. 2022, JATIS 8, 028002).  The sizes are assumed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.instrument.readout import FULL_ROWS
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage

_STEPS = 2**11
"""Steps in which noise is kept, a standard deviation: 16 sigma fit into 16 bits."""


@dataclass(frozen=True)
class CorrelatedNoise:
    """1/f noise that channels, border and amplifier 33 share."""

    supply: float = 1.6
    """Standard deviation of u in a read [DN]."""

    bias: float = 1.0
    """Standard deviation of v in a read [DN]."""

    coupling_scatter: float = 0.05
    """Scatter of the couplings about 1, which belong to the detector."""

    couplings: tuple[float, ...] | None = None
    """Coupling of each channel; drawn for the detector's name where ``None``."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def realise(self, exposure: Conditions) -> SharedNoise:
        """Draw the noise of all reads of an exposure."""
        detector, reads = exposure.detector, exposure.pattern.reads
        shape = (detector.rows, detector.channel_width)
        numbers = [read for resultant in reads for read in resultant]
        drawn = np.empty((2, len(numbers), *shape), np.int16)

        def draw(index: int) -> None:
            random = exposure.random("correlated_noise", self.seed, str(numbers[index]))
            for stream in range(2):
                noise = pink(random, shape[0] * (shape[1] + detector.row_overhead), detector)
                series = noise.reshape(shape[0], -1)[:, : shape[1]]
                drawn[stream, index] = np.clip(np.rint(series * _STEPS), -32767, 32767)

        with ThreadPoolExecutor(exposure.workers) as pool:
            list(pool.map(draw, range(len(numbers))))
        index_of = {number: index for index, number in enumerate(numbers)}
        return SharedNoise(drawn, self.supply, self.bias, self._couplings(exposure), index_of)

    def _couplings(self, exposure: Conditions) -> NDArray[np.float32]:
        """The couplings, which are the same in every exposure of a detector."""
        channels = exposure.detector.channels
        if self.couplings is not None:
            return np.asarray(self.couplings, np.float32)
        random = Conditions.random(exposure, "couplings", 0)
        return (1 + self.coupling_scatter * random.standard_normal(channels)).astype(np.float32)


@dataclass(frozen=True)
class SharedNoise:
    """The noise of one exposure."""

    drawn: NDArray[np.int16]
    """(u or v, read, row, clock), of unit deviation, in steps."""

    supply: float

    bias: float

    couplings: NDArray[np.float32]
    """(channels,)."""

    index_of: dict[int, int]
    """Place of a read in ``drawn``."""

    def of_supply(self, read: int) -> NDArray[np.float32]:
        """What amplifier 33 sees, (rows, clocks) [DN]."""
        return self.drawn[0, self.index_of[read]] * np.float32(self.supply / _STEPS)

    def prepare(self, exposure: Conditions) -> Stage:
        """Add the noise to the measured signal [DN]."""
        detector = exposure.detector
        of_u = (self.couplings * np.float32(self.supply / _STEPS)).astype(np.float32)
        of_v = np.float32(self.bias / _STEPS)
        clocks = np.arange(detector.channel_width)
        order = np.concatenate(
            [clocks[::-1] if c % 2 else clocks for c in range(detector.channels)]
        )
        factor = np.repeat(of_u, detector.channel_width)

        def open_band(band: Band) -> Action:
            u, v = self.drawn[:, :, band.rows]

            def add(signal: NDArray[np.float32], read: int) -> None:
                index = self.index_of[read]
                _add_shared(signal, u[index], v[index], order, factor, of_v)

            return add

        return open_band


@njit(nogil=True, cache=True)
def _add_shared(signal: Any, u: Any, v: Any, order: Any, of_u: Any, of_v: Any) -> None:
    """Add the noise of a read, (rows, clocks), to a signal, (rows, columns)."""
    for r in range(signal.shape[0]):
        for c in range(signal.shape[1]):
            t = order[c]
            signal[r, c] += of_u[c] * u[r, t] + of_v * v[r, t]


def pink(random: np.random.Generator, clocks: int, detector: Any) -> NDArray[np.float32]:
    """1/f noise of ``clocks`` clocks, without a mean, for a sigma of 1."""
    from scipy.fft import irfft  # noqa: PLC0415 - slow to import

    lowest = 1 / (FULL_ROWS * (detector.channel_width + detector.row_overhead))
    count = clocks // 2
    frequency = np.arange(1, count + 1, dtype=np.float32) / np.float32(clocks)
    density = 1 / (2 * np.log(0.5 / lowest)) / frequency
    spectrum = np.zeros(count + 1, np.complex64)
    parts = random.standard_normal((2, count), dtype=np.float32)
    # Two parts of half the variance each; the sum over both signs of frequency
    # that irfft makes is undone by its factor 1 / clocks.
    amplitude = np.sqrt(density * np.float32(clocks / 2))
    spectrum[1:] = amplitude * (parts[0] + 1j * parts[1])
    return irfft(spectrum, clocks)
