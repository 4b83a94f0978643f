"""A small program: one field, with dithers, rolls, filters and epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from roman_dms.errors import UsageError
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.planning.dithers import Offset, dithered
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.planning.slews import ELEMENT_WHEEL, overhead

SECONDS = 86400.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is asked for; the mission's hierarchy is filled from the outside in.

    An epoch is a pass, a roll a segment, an element an observation with one
    visit, a dither an exposure.
    """

    ra: float
    """Right ascension of the field, ICRS [deg]."""

    dec: float
    """Declination of the field, ICRS [deg]."""

    start: float
    """Start of the first exposure, UTC as a modified Julian date [d]."""

    position_angle: float = 0.0
    """Position angle of the aperture ``WFI_CEN``, from north to east [deg]."""

    rolls: tuple[float, ...] = (0.0,)
    """Angles that are added to the position angle, in turn [deg]."""

    elements: tuple[str, ...] = ("F158",)
    """Filters or dispersers, in turn."""

    offsets: tuple[Offset, ...] = ((0.0, 0.0),)
    """Where the target falls in the ideal frame of the aperture [arcsec]."""

    ma_table: int = 4
    """Number of the MA table of all exposures."""

    epochs: int = 1
    """How often all this is repeated."""

    cadence: float = 5.0
    """Time from the start of an epoch to that of the next [d]."""

    number: int = 1
    """Number of the program."""

    def __post_init__(self) -> None:
        ma_table(self.ma_table)
        unknown = [name for name in self.elements if name not in ELEMENT_WHEEL]
        if unknown:
            raise UsageError(
                f"There is no optical element {unknown[0]!r}.",
                f"one of {', '.join(sorted(ELEMENT_WHEEL))}",
            )
        if not (0 <= self.ra <= 360 and -90 <= self.dec <= 90):
            raise UsageError(
                f"The field is at right ascension {self.ra}, declination {self.dec} deg.",
                "0 to 360 and -90 to 90 deg",
            )


def plan_program(program: Program) -> list[PlannedExposure]:
    """The exposures of a program, in time.

    Within an epoch each starts when the one before has ended and the telescope
    has slewed and settled and the wheel has turned.

    Raises
    ------
    UsageError
        Where an epoch is not over when the next begins.
    """
    exposures: list[PlannedExposure] = []
    for epoch in range(program.epochs):
        begins = program.start + epoch * program.cadence
        if exposures and exposures[-1].end > begins:
            hours = (exposures[-1].end - exposures[0].start) * 24
            raise UsageError(
                f"An epoch takes {hours:.1f} hours and the next begins after "
                f"{program.cadence * 24:.1f}.",
                "epochs that do not overlap",
                "choose a longer cadence, or fewer filters, rolls or dithers",
            )
        exposures.extend(_in_time(_of_epoch(program, epoch + 1), begins))
    return exposures


def _of_epoch(program: Program, pass_: int) -> Iterator[PlannedExposure]:
    """The exposures of an epoch; their start is yet to be said."""
    for segment, roll in enumerate(program.rolls, 1):
        angle = (program.position_angle + roll) % 360
        places = dithered(program.ra, program.dec, angle, program.offsets)
        for observation, element in enumerate(program.elements, 1):
            for number, (ra, dec) in enumerate(places, 1):
                yield PlannedExposure(
                    ra=float(ra),
                    dec=float(dec),
                    position_angle=angle,
                    element=element,
                    ma_table=program.ma_table,
                    start=program.start,
                    program=program.number,
                    pass_=pass_,
                    segment=segment,
                    observation=observation,
                    exposure=number,
                )


def _in_time(exposures: Iterator[PlannedExposure], start: float) -> list[PlannedExposure]:
    timed: list[PlannedExposure] = []
    for exposure in exposures:
        if timed:
            start = timed[-1].end + overhead(timed[-1], exposure) / SECONDS
        timed.append(replace(exposure, start=start))
    return timed
