"""Persistence: charge that earlier light trapped is released in later exposures.

The decay is that measured on the flight detectors after 159,000 electrons of flat
light (``WFI_Persistence_exp_fits`` of ``roman-technical-information`` 1.5, second
thermal vacuum test):

    current(t) = a exp(-b t) + d exp(-e t) + c

with the coefficients of each detector.  The measurement ends 1770 s after the
light; from there on the current is taken to fall as 1 / t.  It is taken to be
proportional to the charge that a pixel held at the end of its exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.simulation.signatures.deposits import Deposits
from roman_dms.simulation.signatures.stages import Conditions

STIMULUS = 159000.0
"""Charge after which the decay was measured [electron]."""

LAST_MEASUREMENT = 1770.72
"""Time after the light until which the decay was measured [s]."""

DAY = 86400.0
"""[s]."""


@dataclass(frozen=True)
class Trapped:
    """Charge in traps, one entry for a pixel and an exposure in every array."""

    row: NDArray[np.int32]
    """Row of the science frame."""

    column: NDArray[np.int32]
    """Column of the science frame."""

    time: NDArray[np.float64]
    """End of the exposure that trapped it [MJD]."""

    charge: NDArray[np.float32]
    """What the pixel held then [electron]."""

    def __len__(self) -> int:
        return self.row.size

    def __getitem__(self, chosen: Any) -> Trapped:
        """Some of the entries, by a mask, a slice or indices."""
        return Trapped(*(getattr(self, field.name)[chosen] for field in fields(self)))

    @classmethod
    def none(cls) -> Trapped:
        """Nothing."""
        return cls.of([], [], [], [])

    @classmethod
    def of(cls, row: Any, column: Any, time: Any, charge: Any) -> Trapped:
        """Charge of anything that makes arrays; one time may stand for all."""
        places = np.asarray(row, np.int32), np.asarray(column, np.int32)
        times = np.broadcast_to(np.asarray(time, np.float64), places[0].shape).copy()
        return cls(*places, times, np.asarray(charge, np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Trapped]) -> Trapped:
        """The entries of several; at least one must be given."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def merged(self, other: Trapped) -> Trapped:
        """The entries of both."""
        return Trapped.joined([self, other])


@dataclass(frozen=True)
class Persistence:
    """Trapping and release."""

    scale: float = 1.0
    """Factor on the measured current."""

    full: float = STIMULUS
    """Charge beyond which no more is trapped [electron]."""

    faintest: float = 0.01
    """Current below which an entry is forgotten [electron / s]."""

    delay: float = 30.0
    """Time after the exposure at which that is decided, for a new entry [s]."""

    seed: int | None = None
    """Seed of its own; that of the exposure where ``None``."""

    def current(self, trapped: Trapped, number: int, mjd: float) -> NDArray[np.float64]:
        """Current of each entry at a time [electron / s].

        Parameters
        ----------
        trapped
            Charge of detector ``number``, 1 to 18.
        mjd
            Time; an entry that is not yet made releases nothing.
        """
        age = (mjd - trapped.time) * DAY
        charge = np.minimum(trapped.charge, self.full)
        released = self.scale * charge / STIMULUS * decay(number, np.maximum(age, 0))
        return np.where(age >= 0, released, 0.0)

    def deposits(self, exposure: Conditions, trapped: Trapped, start: float) -> Deposits:
        """Electrons that are released in each read of an exposure that begins at ``start``."""
        random = exposure.random("persistence", self.seed)
        frame_time = exposure.pattern.frame_time
        rows, columns = exposure.detector.science_shape
        here = trapped[(trapped.row < rows) & (trapped.column < columns)]
        parts = []
        for read in range(1, exposure.pattern.reads[-1][-1] + 1):
            middle = start + (read - 0.5) * frame_time / DAY
            rate = self.current(here, exposure.detector.number, middle)
            electrons = random.poisson(rate * frame_time)
            hit = electrons > 0
            part = here[hit]
            reads = np.full(len(part), read)
            parts.append(Deposits.of(reads, part.row, part.column, electrons[hit]))
        return Deposits.joined(parts)

    def least(self, number: int) -> float:
        """Smallest charge that is worth an entry [electron]."""
        full = self.scale * float(decay(number, np.array([self.delay]))[0])
        return np.inf if full <= 0 else self.faintest / full * STIMULUS

    def pruned(self, trapped: Trapped, number: int, mjd: float) -> Trapped:
        """Without the entries that have faded."""
        return trapped[self.current(trapped, number, mjd + self.delay / DAY) > self.faintest]


def decay(number: int, age: NDArray[np.float64]) -> NDArray[np.float64]:
    """Current that detector ``number`` releases ``age`` [s] after light [electron / s]."""
    table = instrument_table("FPSPerformance/WFI_Persistence_exp_fits.ecsv")
    a, b, c, d, e = (float(table[name][number - 1]) for name in "abcde")
    known = np.minimum(age, LAST_MEASUREMENT)
    current = np.maximum(a * np.exp(-b * known) + d * np.exp(-e * known) + c, 0)
    return current * np.minimum(1, LAST_MEASUREMENT / np.maximum(age, LAST_MEASUREMENT))
