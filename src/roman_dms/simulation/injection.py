"""Light that is added to what was recorded: resultants and rate images.

Added photons obey the statistics of photons.  In a ramp they arrive read by
read, so that resultants share those that came before both; a rate image shows
them with the variance that the fit of its ramp leaves.
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.ramp_noise import slope_noise

BAND_ROWS = 64
"""Rows that a thread treats at a time."""

OVERFLOW = 1.1
"""Signal at which a pixel takes no more charge, in saturation levels: so far beyond
the threshold that it is found above it (as ``romanisim`` 0.14 does)."""

NEGLIGIBLE = 0.05
"""Light in an exposure that changes no count, where there is no noise [electron]."""

HIGHEST = 65535
"""Largest count of the converter [DN]."""

ITERATIONS = 6
"""Newton steps to invert the response, which is within 10 % of a straight line."""


@dataclass(frozen=True)
class Response:
    """How pixels turn electrons into counts, each (rows, columns) but ``inverse``."""

    gain: NDArray[np.float32]
    """[electron / DN]."""

    inverse: NDArray[np.float32]
    """(terms, rows, columns): polynomial from linear to measured counts, constant term first."""

    saturation: NDArray[np.float32]
    """Measured signal at which the pixel saturates [DN]; NaN where it is not known."""

    def rows(self, chosen: slice) -> Response:
        """The response of some rows."""
        return Response(self.gain[chosen], self.inverse[:, chosen], self.saturation[chosen])


def random_of_row(seed: int, purpose: str, row: int) -> np.random.Generator:
    """A generator for one row of an image, whatever else is drawn."""
    return np.random.default_rng(
        np.random.SeedSequence([seed, zlib.crc32(f"injection {purpose}".encode()), row])
    )


def add_to_resultants(
    data: NDArray[np.uint16],
    rate: NDArray[np.float32],
    response: Response,
    pattern: ReadPattern,
    seed: int,
    *,
    noise: bool = True,
    kernel: NDArray[np.floating] | None = None,
    workers: int = 2,
) -> NDArray[np.uint16]:
    """Resultants as they would have been with more light.

    For each read k the linear signal y_k is taken from the ramp itself and the
    charge E_k that was added by then raises the measured signal m to
    m(y_k + E_k / gain); a resultant grows by the mean over its reads.

    Parameters
    ----------
    data
        (n, rows, columns) science pixels of the resultants [DN].
    rate
        (rows, columns) added light [electron / s], the response of the pixels
        to light (flat field) included.
    response
        Gain, non-linearity and saturation of these pixels.
    pattern
        The reads of each resultant.
    seed
        Of the photon noise.
    noise
        Whether the added light has photon noise; the quantisation stays.
    kernel
        (3, 3) interpixel capacitance: share of a pixel's charge that is seen in
        its neighbours; none where ``None``.
    workers
        Threads; the result does not depend on them.

    Returns
    -------
    ndarray
        (n, rows, columns) uint16, a new array.
    """
    added = data.copy()

    def add(start: int) -> None:
        band = slice(start, start + BAND_ROWS)
        charge = _Charge(rate, band, pattern.exposure_time, seed, noise, kernel)
        if charge.reach.any():
            lit = charge.reach
            ramps = _raised(data[:, band][:, lit], charge, response.rows(band), pattern)
            added[:, band][:, lit] = ramps

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(add, range(0, rate.shape[0], BAND_ROWS)))
    return added


class _Charge:
    """Electrons that were added to a band of rows up to some read.

    How many arrive in the whole exposure is drawn first and then shared among the
    reads, so that pixels without any cost nothing.  Rows are drawn one by one from
    generators of their own, so that the row beyond an edge, which capacitance couples
    to, is the same in both bands.
    """

    def __init__(
        self,
        rate: NDArray[np.float32],
        band: slice,
        time: float,
        seed: int,
        noise: bool,
        kernel: NDArray[np.floating] | None,
    ) -> None:
        halo = 0 if kernel is None else 1
        first, last = max(0, band.start - halo), min(rate.shape[0], band.stop + halo)
        self._inner = slice(band.start - first, min(band.stop, rate.shape[0]) - first)
        self._kernel = kernel
        self._noise = noise
        self._left = time
        self._random = [random_of_row(seed, "photons", row) for row in range(first, last)]
        expected = rate[first:last].astype(np.float64) * time
        total = [
            random.poisson(line) if noise else np.where(line > NEGLIGIBLE, line, 0)
            for random, line in zip(self._random, expected, strict=True)
        ]
        self._columns = [np.flatnonzero(line) for line in total]
        self._coming = [line[columns] for line, columns in zip(total, self._columns, strict=True)]
        self._electrons = np.zeros(expected.shape, np.float32)
        self.reach = self._shared((np.array(total) > 0).astype(np.float32)) > 0

    def expose(self, time: float) -> NDArray[np.float32]:
        """Collect for a time [s]; what each pixel of the band shows since the start [electron]."""
        share = min(time / self._left, 1.0)
        self._left = max(self._left - time, 1e-9)
        for row, columns in enumerate(self._columns):
            if columns.size:
                coming = self._coming[row]
                arrived = (
                    self._random[row].binomial(coming, share) if self._noise else (coming * share)
                )
                self._electrons[row, columns] += arrived
                self._coming[row] = coming - arrived
        return self._shared(self._electrons)

    def _shared(self, electrons: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._kernel is None:
            return electrons[self._inner]
        padded = np.pad(electrons, 1)
        rows, columns = electrons.shape
        total = np.zeros_like(electrons)
        for (j, i), weight in np.ndenumerate(self._kernel):
            moved = padded[2 - j : 2 - j + rows, 2 - i : 2 - i + columns]
            total += np.float32(weight) * moved
        return total[self._inner]


def _raised(
    data: NDArray[np.uint16],
    charge: _Charge,
    response: Response,
    pattern: ReadPattern,
) -> NDArray[np.uint16]:
    """Resultants (n, pixels) of the pixels that added charge reaches."""
    lit = charge.reach
    inverse = response.inverse[:, lit].astype(np.float64)
    gain = response.gain[lit].astype(np.float64)
    limit = np.minimum(OVERFLOW * response.saturation[lit].astype(np.float64), HIGHEST)
    limit = np.where(np.isfinite(limit), limit, HIGHEST)
    usable = np.isfinite(gain) & (gain > 0) & np.isfinite(inverse).all(axis=0)
    gain = np.where(usable, gain, np.inf)
    inverse = np.where(usable, inverse, 0)
    linear = _linear(data.astype(np.float64), inverse)
    times = pattern.mean_times
    slope = (linear[-1] - linear[0]) / (times[-1] - times[0] or 1)
    raised = data.astype(np.float64)
    now = 0.0
    for number, reads in enumerate(pattern):
        for read in reads:
            time = read * pattern.frame_time
            electrons = charge.expose(time - now)[lit]
            now = time
            signal = linear[number] + slope * (time - times[number])
            before = _measured(signal, inverse)
            after = np.minimum(_measured(signal + electrons / gain, inverse), limit)
            raised[number] += np.maximum(after - before, 0) / len(reads)
    return np.rint(np.clip(raised, 0, HIGHEST)).astype(np.uint16)


def _measured(linear: NDArray[np.float64], inverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measured counts of linear counts, by Horner's rule."""
    total = np.zeros_like(linear)
    for coefficient in inverse[::-1]:
        total = total * linear + coefficient
    return total


def _linear(measured: NDArray[np.float64], inverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear counts of measured ones, by Newton's method; where it fails, those measured."""
    powers = np.arange(1, len(inverse))[:, None]
    slopes = inverse[1:] * powers
    linear = measured.copy()
    for _ in range(ITERATIONS):
        slope = _measured(linear, slopes)
        slope = np.where(slope > 0.1, slope, 1.0)
        linear = linear - (_measured(linear, inverse) - measured) / slope
    sound = np.isfinite(linear) & (np.abs(linear - measured) < 0.5 * HIGHEST)
    return np.where(sound, linear, measured)


@dataclass(frozen=True)
class EffectiveTime:
    """Time over which the fit of a ramp counts photons.

    The variance that photons give a fitted rate is rate / time: the whole ramp
    where photons dominate the noise, less where the fit weighs resultants
    evenly because read noise does.
    """

    ratio: NDArray[np.float64]
    """(m,) rate over the variance that read noise gives the rate, increasing [s / electron]."""

    time: NDArray[np.float64]
    """(m,) [s]."""

    def __call__(
        self, rate: NDArray[np.float32], read_variance: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Time of pixels with a rate [electron / s] and a variance [electron2 / s2], s."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.maximum(rate, 0) / read_variance.astype(np.float64)
        ratio = np.where(np.isnan(ratio), np.inf, np.maximum(ratio, self.ratio[0]))
        return np.interp(np.log(ratio), np.log(self.ratio), self.time)


def effective_time(pattern: ReadPattern) -> EffectiveTime:
    """Effective time of the best linear fit to a ramp, from read noise to photon noise.

    The weights depend on rate over read noise alone, so that the table for a read
    noise of one electron (see ``ramp_noise``) serves all pixels.
    """
    table = slope_noise(pattern, 1.0)
    return EffectiveTime(np.exp(table.log_rate) / table.read_variance, table.photon_time)


def draw_photons(
    rate: NDArray[np.float32], time: NDArray[np.float64], seed: int, *, noise: bool = True
) -> NDArray[np.float32]:
    """A measurement of a rate over a time: Poisson(rate time) / time.

    Parameters
    ----------
    rate
        (rows, columns) [electron / s].
    time
        (rows, columns) [s].
    seed
        Of the noise.
    noise
        Where false, the rate itself is returned.
    """
    if not noise:
        return rate.copy()
    drawn = np.zeros_like(rate)
    for row in range(rate.shape[0]):
        columns = np.flatnonzero(rate[row] > 0)
        if columns.size:
            times = time[row, columns]
            counts = random_of_row(seed, "photons", row).poisson(rate[row, columns] * times)
            drawn[row, columns] = counts / times
    return drawn


@dataclass(frozen=True)
class AddedRate:
    """What was added to a rate image, each (rows, columns)."""

    data: NDArray[np.float32]
    """[DN / s]."""
    variance: NDArray[np.float32]
    """By photon noise [DN2 / s2]."""
    dq: NDArray[np.uint32]
    """New flags."""


def add_to_rate(
    data: NDArray[np.float32],
    read_variance: NDArray[np.float32],
    rate: NDArray[np.float32],
    gain: NDArray[np.float32] | float,
    full_well: NDArray[np.float32] | float,
    pattern: ReadPattern,
    seed: int,
    *,
    noise: bool = True,
) -> AddedRate:
    """Light that is added to a rate image, with its noise.

    A pixel whose sum with the image saturates before the end of the exposure is
    measured by the resultants before, as in the calibration; one that saturates
    before the second resultant cannot be measured.

    Parameters
    ----------
    data
        (rows, columns) the image [DN / s].
    read_variance
        (rows, columns) its variance by read noise [DN2 / s2].
    rate
        (rows, columns) added light [electron / s].
    gain
        [electron / DN].
    full_well
        Linear signal at which pixels saturate [DN].
    pattern, seed, noise
        As of :func:`add_to_resultants`.
    """
    gain = np.asarray(gain, np.float32)
    summed = data + rate / gain
    usable = _unsaturated(summed, np.asarray(full_well, np.float32), pattern)
    time = np.full(rate.shape, pattern.exposure_time)
    for count in np.unique(usable):
        chosen = usable == count
        shorter = ReadPattern(pattern.reads[: max(int(count), 1)], pattern.frame_time)
        scale = np.broadcast_to(gain, rate.shape)[chosen]
        time[chosen] = effective_time(shorter)(
            summed[chosen] * scale, read_variance[chosen] * scale**2
        )
    lit = rate > 0
    flags = np.where(lit & (usable < len(pattern)), np.uint32(Pixel.SATURATED), np.uint32(0))
    flags[lit & (usable < min(2, len(pattern)))] |= np.uint32(Pixel.DO_NOT_USE)
    drawn = draw_photons(rate, time, seed, noise=noise) / gain
    variance = (rate / time).astype(np.float32) / gain**2
    return AddedRate(drawn, variance, flags)


def _unsaturated(
    rate: NDArray[np.float32], full_well: NDArray[np.float32], pattern: ReadPattern
) -> NDArray[np.int64]:
    """How many resultants of each pixel end before it saturates."""
    last = np.array([reads[-1] for reads in pattern]) * pattern.frame_time
    with np.errstate(divide="ignore", invalid="ignore"):
        until = np.where(rate > 0, full_well / rate, np.inf)
    return np.searchsorted(last, until)
