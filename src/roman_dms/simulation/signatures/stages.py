"""How an effect takes part in the reading of an exposure.

An effect is prepared once for an exposure, opened once for each band of rows and
called once for each read, where it changes the signal in place::

    stage = effect.prepare(exposure)   # tables, shared noise; None: nothing to do
    action = stage(band)               # the maps of these rows
    action(signal, read)               # (rows, columns) float32, read from 1

Anything with such a ``prepare`` can take the place of an effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures.properties import Map, Properties, rows_of
from roman_dms.simulation.signatures.randomness import Key, key, seeds

NOMINAL_GAIN = 2.0
"""Gain where none is known [electron / DN]."""

Action = Callable[[NDArray[np.float32], int], None]
"""Changes the signal of a band ``(rows, columns)`` at a read."""


@dataclass(frozen=True)
class Conditions:
    """What an effect may know of the exposure that is read."""

    detector: Detector

    pattern: ReadPattern

    properties: Properties

    seed: int
    """Seed of all effects that have none of their own."""

    workers: int = 1

    def key(self, effect: str, own: int | None) -> Key:
        """The key for the random numbers of an effect with a seed of its ``own``."""
        return key(self.seed if own is None else own, effect, self.detector.name)

    def random(self, effect: str, own: int | None, *words: str) -> np.random.Generator:
        """A generator for an effect with a seed of its ``own``."""
        seed = self.seed if own is None else own
        return np.random.default_rng(seeds(seed, effect, self.detector.name, *words))


@dataclass(frozen=True)
class Band:
    """Rows of a detector that are read together."""

    detector: Detector

    start: int
    """First row, of the frame with border."""

    stop: int

    @property
    def rows(self) -> slice:
        """The rows, of the frame with border."""
        return slice(self.start, self.stop)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.stop - self.start, self.detector.columns

    def of(self, value: Map, fill: float) -> NDArray[np.float32]:
        """The part of a map; ``fill`` where it has no value."""
        return rows_of(value, self.start, self.stop, self.detector, fill)

    def gain(self, properties: Properties) -> NDArray[np.float32]:
        """Gain [electron / DN]; a pixel without one has the nominal."""
        found = self.of(properties.gain, NOMINAL_GAIN)
        found[~(found > 0)] = NOMINAL_GAIN
        return found

    @property
    def is_border(self) -> NDArray[np.bool_]:
        """``(rows, columns)``: where the reference pixels are."""
        width, (height, columns) = self.detector.border, self.detector.shape
        border = np.ones(self.shape, dtype=bool)
        first, last = max(self.start, width), min(self.stop, height - width)
        border[max(0, first - self.start) : max(0, last - self.start), width : columns - width] = (
            False
        )
        return border


Stage = Callable[[Band], Action]
"""Opens the reading of a band."""


class Effect(Protocol):
    """An effect on the signal of each read."""

    def prepare(self, exposure: Conditions) -> Stage | None:
        """The stage of an exposure; ``None`` where there is nothing to do."""
        ...
