"""One exposure of a plan: where, through what, how long, when, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass

from roman_dms.instrument.ma_tables import ma_table


@dataclass(frozen=True, kw_only=True)
class PlannedExposure:
    """What the observatory is asked to do once; all detectors are exposed together."""

    ra: float
    """Right ascension of the aperture ``WFI_CEN``, ICRS [deg]."""

    dec: float
    """Declination of the aperture ``WFI_CEN``, ICRS [deg]."""

    position_angle: float
    """Position angle of the aperture ``WFI_CEN``, from north to east [deg]."""

    element: str
    """Filter, ``GRISM`` or ``PRISM``."""

    ma_table: int
    """Number of the MA table, which says how reads are averaged."""

    start: float
    """Start of the exposure, UTC as a modified Julian date [d]."""

    program: int = 1
    plan: int = 1
    """Execution plan."""
    pass_: int = 1
    segment: int = 1
    observation: int = 1
    visit: int = 1
    exposure: int = 1

    @property
    def exposure_time(self) -> float:
        """Time from reset to the last read [s].

        Raises
        ------
        UsageError
            For an MA table that does not exist.
        """
        return ma_table(self.ma_table).read_pattern.exposure_time

    @property
    def end(self) -> float:
        """End of the exposure, UTC as a modified Julian date [d]."""
        return self.start + self.exposure_time / 86400

    @property
    def visit_id(self) -> str:
        """Program, execution plan, pass, segment, observation, visit, as the mission writes it.

        >>> PlannedExposure(ra=0, dec=0, position_angle=0, element="F158", ma_table=4,
        ...                 start=61557.0).visit_id
        '0000101001001001001'
        """
        return (
            f"{self.program:05d}{self.plan:02d}{self.pass_:03d}"
            f"{self.segment:03d}{self.observation:03d}{self.visit:03d}"
        )

    def stem(self, detector: str) -> str:
        """Name of a file of a detector, without suffix.

        >>> PlannedExposure(ra=0, dec=0, position_angle=0, element="F158", ma_table=4,
        ...                 start=61557.0).stem("WFI01")
        'r0000101001001001001_0001_wfi01_f158'
        """
        return f"r{self.visit_id}_{self.exposure:04d}_{detector.lower()}_{self.element.lower()}"
