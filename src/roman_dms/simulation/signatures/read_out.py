"""From a rate image to the counts that the mission sends down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError, UsageError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures.correlated_noise import SharedNoise
from roman_dms.simulation.signatures.deposits import Deposits, SortedDeposits
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.interpixel_capacitance import spread
from roman_dms.simulation.signatures.persistence import DAY, Trapped
from roman_dms.simulation.signatures.photons import collect_without_noise
from roman_dms.simulation.signatures.properties import Properties, check_properties
from roman_dms.simulation.signatures.quantisation import Averaging
from roman_dms.simulation.signatures.reference_pixels import border_parts
from roman_dms.simulation.signatures.stages import Action, Band, Conditions, Stage

BAND_ROWS = 16
"""Rows that are read together: their maps and signals stay in the cache."""

LARGEST_MEAN = 1e9
"""Most electrons of a read; many times what fills a pixel."""

Progress = Callable[[float], None]
"""Called with the part that is done, 0 to 1."""


@dataclass(frozen=True)
class Readout:
    """What an exposure sends down, and what it leaves behind."""

    data: NDArray[np.uint16]
    """(resultant, row, column), with the border [DN]."""

    amp33: NDArray[np.uint16]
    """(resultant, row, clock) [DN]."""

    cosmic_rays: Deposits
    """Electrons that particles released."""

    trapped: Trapped
    """Charge that later exposures of the detector will see."""


def read_out(
    rate: NDArray[np.floating],
    properties: Properties,
    detector: Detector,
    pattern: ReadPattern,
    effects: Effects | None = None,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
    *,
    start: float | None = None,
    trapped: Trapped | None = None,
    moving: Deposits | None = None,
) -> Readout:
    """Read an exposure out.

    Parameters
    ----------
    rate
        ``(rows, columns)`` of the science frame: light without noise [electron / s].
    properties
        Of the detector.
    detector, pattern
        Its shape and readout; which reads are averaged.
    effects
        All of them where ``None``.
    seed
        Of all effects that have none of their own.  The result depends on it and
        not on ``workers``.
    workers
        Threads.
    progress
        Called with the part that is done.
    start
        When the exposure begins [MJD]; needed for persistence.
    trapped
        Charge that earlier exposures left in traps.
    moving
        Electrons that are expected from light that moves, in each read; those that
        fall beside the detector are left out.

    Raises
    ------
    UsageError
        Where a rate or light that moves is negative or not a number, or charge is
        trapped and the time of the exposure is not known.
    FormatError
        Where an array does not fit the detector.
    ReferenceDataError
        Where the converter's table cannot be turned round.
    """
    effects = Effects() if effects is None else effects
    check_rate(rate, detector)
    check_properties(properties, detector)
    if start is None and trapped is not None and len(trapped):
        raise UsageError(
            "Charge is trapped, but the exposure has no time.",
            "the start of the exposure, MJD",
            "give start, or leave trapped out",
        )
    exposure = Conditions(detector, pattern, properties, seed, workers)
    reading = _Reading(exposure, effects, rate, start, trapped or Trapped.none(), moving)
    return reading.run(progress)


def check_rate(rate: NDArray[np.floating], detector: Detector) -> None:
    """Check shape and values of a rate image.

    Raises
    ------
    FormatError
        Where its shape is not that of the science frame.
    UsageError
        Where a rate is negative or not finite; the first such pixel is named.
    """
    if rate.shape != detector.science_shape:
        raise FormatError(
            f"The rate image has the shape {rate.shape}.",
            f"{detector.science_shape}, the science pixels of {detector.name}",
        )
    for first in range(0, rate.shape[0], 256):
        bad = ~((rate[first : first + 256] >= 0) & (rate[first : first + 256] < np.inf))
        if bad.any():
            row, column = (int(index[0]) for index in np.nonzero(bad))
            raise UsageError(
                f"The rate at row {first + row}, column {column} is {rate[first + row, column]}.",
                "a finite rate of 0 or more electrons a second",
                "mend the scene or the image before it is read out",
            )


class _Reading:
    """One exposure while it is read."""

    def __init__(
        self,
        exposure: Conditions,
        effects: Effects,
        rate: NDArray[np.floating],
        start: float | None,
        trapped: Trapped,
        moving: Deposits | None,
    ) -> None:
        self.exposure, self.effects, self.rate = exposure, effects, rate
        self.start, self.trapped = start, trapped
        self.last = exposure.pattern.reads[-1][-1]
        self.kernel = effects.ipc.kernel_for(exposure) if effects.ipc else None
        self.noise = effects.correlated_noise and effects.correlated_noise.realise(exposure)
        self.stages = list(self._stages())
        self.cosmic_rays = (
            effects.cosmic_rays.deposits(exposure) if effects.cosmic_rays else Deposits.joined([])
        )
        self.deposits = SortedDeposits(Deposits.joined(list(self._deposits(moving))))
        shape = (len(exposure.pattern), *exposure.detector.shape)
        self.data = np.zeros(shape, np.uint16)

    def _stages(self) -> Iterator[Stage]:
        """What happens to the signal of a read, in order."""
        effects = self.effects
        for effect in (
            effects.reset,
            _Amplifier(),
            effects.nonlinearity,
            effects.saturation,
            effects.dark_decay,
            effects.wfi18_transient,
            effects.read_noise,
            effects.reference_pixels or _Blank(),
            self.noise,
            effects.integral_nonlinearity,
        ):
            stage = effect.prepare(self.exposure) if effect else None
            if stage:
                yield stage

    def _deposits(self, moving: Deposits | None) -> Iterator[Deposits]:
        """Electrons that come on top of light and dark current."""
        yield self.cosmic_rays
        persistence, noise = self.effects.persistence, self.effects.photon_noise
        if persistence and self.start is not None and len(self.trapped):
            yield persistence.deposits(self.exposure, self.trapped, self.start)
        if moving is not None:
            moving = moving.within(*self.exposure.detector.science_shape)
            yield noise.of_deposits(self.exposure, moving) if noise else moving

    def run(self, progress: Progress | None) -> Readout:
        """Read all bands and amplifier 33."""
        detector, workers = self.exposure.detector, self.exposure.workers
        bands = [
            Band(detector, start, min(start + BAND_ROWS, detector.rows))
            for start in range(0, detector.rows, BAND_ROWS)
        ]
        held = []
        with ThreadPoolExecutor(workers) as pool:
            amp33 = pool.submit(self.read_amp33)
            for number, result in enumerate(pool.map(self.read_band, bands), start=1):
                held.append(result)
                if progress:
                    progress(number / len(bands))
        return Readout(self.data, amp33.result(), self.cosmic_rays, self._trapped(held))

    def read_band(self, band: Band) -> Trapped:
        """Read the rows of a band; what its pixels hold at the end, if it is much."""
        around = Band(band.detector, max(band.start - 1, 0), min(band.stop + 1, band.detector.rows))
        inside = slice(band.start - around.start, band.stop - around.start)
        collect = self._collector(around)
        actions = [stage(band) for stage in self.stages]
        # One row more on either side than the band, where the detector has one or not.
        charge = np.zeros((band.shape[0] + 2, band.shape[1]), np.float32)
        own = charge[1 - inside.start :][: around.shape[0]]
        signal = np.empty(band.shape, np.float32)
        averaging = Averaging.of(self.effects.quantisation, band.shape)
        resultants = {reads: index for index, reads in enumerate(self.exposure.pattern)}
        wanted = {read: (reads, index) for reads, index in resultants.items() for read in reads}
        for read in range(1, self.last + 1):
            collect(own, read)
            if read not in wanted:
                continue
            self._see(charge, signal)
            for act in actions:
                act(signal, read)
            averaging.add(signal)
            reads, index = wanted[read]
            if read == reads[-1]:
                averaging.take(len(reads), self.data[index, band.rows])
        return self._held(own[inside], band)

    def _see(self, charge: NDArray[np.float32], signal: NDArray[np.float32]) -> None:
        """The signal [electron] that the charge of a band and its neighbours makes."""
        if self.kernel is None:
            signal[...] = charge[1:-1]
        else:
            spread(charge, self.kernel, signal)

    def _collector(self, band: Band) -> Action:
        """What adds the electrons of a read to the charge of a band."""
        effects, properties = self.effects, self.exposure.properties
        light = band.of(self.rate, 0)
        if effects.flat_field:
            light *= effects.flat_field.response(band, properties)
        if effects.dark_current:
            light += effects.dark_current.rate(band, properties, self.kernel)
        light[band.is_border] = 0
        # Dark rates are measured, so that some are below zero.
        mean = np.clip(light * np.float32(self.exposure.pattern.frame_time), 0, LARGEST_MEAN)
        collect = (
            effects.photon_noise.collector(self.exposure, mean, band.start)
            if effects.photon_noise
            else collect_without_noise(mean)
        )
        border = band.detector.border
        deposits = self.deposits.among(band.start - border, band.stop - border)

        def collect_all(charge: NDArray[np.float32], read: int) -> None:
            collect(charge, read)
            if read in deposits:
                found = deposits[read]
                np.add.at(charge, (found.row, found.column + border), found.electrons)

        return collect_all

    def _held(self, charge: NDArray[np.float32], band: Band) -> Trapped:
        """Charge of a band that will show in later exposures."""
        persistence = self.effects.persistence
        if not persistence or self.start is None:
            return Trapped.none()
        end = self.start + self.exposure.pattern.exposure_time / DAY
        row, column = np.nonzero(charge > persistence.least(band.detector.number))
        border = band.detector.border
        return Trapped.of(row + band.start - border, column - border, end, charge[row, column])

    def _trapped(self, held: list[Trapped]) -> Trapped:
        """Charge in traps after the exposure."""
        everything = Trapped.joined([self.trapped, *held])
        persistence = self.effects.persistence
        if not persistence or self.start is None:
            return everything
        end = self.start + self.exposure.pattern.exposure_time / DAY
        return persistence.pruned(everything, self.exposure.detector.number, end)

    def read_amp33(self) -> NDArray[np.uint16]:
        """Read amplifier 33."""
        detector, pattern = self.exposure.detector, self.exposure.pattern
        shape = (detector.rows, detector.channel_width)
        out = np.zeros((len(pattern), *shape), np.uint16)
        averaging = Averaging.of(self.effects.quantisation, shape)
        for index, reads in enumerate(pattern):
            for read in reads:
                signal = np.zeros(shape, np.float32)
                if self.effects.reference_pixels:
                    signal += self.effects.reference_pixels.of_amp33(self.exposure, read)
                if isinstance(self.noise, SharedNoise):
                    signal += self.noise.of_supply(read)
                averaging.add(signal)
            averaging.take(len(reads), out[index])
        return out


class _Amplifier:
    """From electrons to counts."""

    def prepare(self, exposure: Conditions) -> Stage:
        def open_band(band: Band) -> Action:
            factor = 1 / band.gain(exposure.properties)

            def amplify(signal: NDArray[np.float32], _read: int) -> None:
                signal *= factor

            return amplify

        return open_band


class _Blank:
    """A border that is not simulated."""

    def prepare(self, _exposure: Conditions) -> Stage:
        def open_band(band: Band) -> Action:
            parts = border_parts(band)

            def blank(signal: NDArray[np.float32], _read: int) -> None:
                for _, rows, columns in parts:
                    signal[rows, columns] = 0

            return blank

        return open_band
