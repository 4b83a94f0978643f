"""What counts as a source, and what as two."""

from __future__ import annotations

from dataclasses import dataclass

from roman_dms.errors import UsageError


@dataclass(frozen=True)
class DetectionSettings:
    """Thresholds of detection and deblending.

    Raises
    ------
    UsageError
        For a footprint above the threshold, or values that are not positive.
    """

    threshold: float = 5.5
    """Significance of the faintest source.  In F158 sky alone reaches 5.5 ten times on a
    detector and 5.0 a hundred times: a star may lie anywhere between pixels, so that there
    are many trials, and photon noise is skew."""

    footprint: float = 2.0
    """Significance at the edge of a source's pixels."""

    separation: float = 4.0
    """How far the fainter of two peaks rises above the saddle between them, in standard
    deviations of its own noise, to be a source."""

    relief: float = 0.08
    """The same in units of the saddle: structure of galaxies rises less."""

    sharpening: float = 0.5
    """How strongly the blur of the matched filter is taken back before bright sources are
    divided; 0 for not at all."""

    contrast: float = 0.05
    """How high maxima of a star's own structure may be very near to it, relative to the star;
    see :func:`~roman_dms.measure.detection.structure.structure_of` for how it falls off."""

    sharpness: float = 11.0
    """How much better, in chi^2, three pixels with light of their own must explain a peak
    than a star does for it to be taken for faults or cosmic rays; one star in a hundred
    fails at a significance below 10, none above."""

    def __post_init__(self) -> None:
        values = (self.threshold, self.footprint, self.separation, self.sharpness)
        if min(values) <= 0 or min(self.relief, self.contrast, self.sharpening) < 0:
            raise UsageError(f"A threshold of {self} is negative.", "positive thresholds")
        if self.footprint > self.threshold:
            raise UsageError(
                f"Footprints end at {self.footprint}, sources begin at {self.threshold}.",
                "footprints that reach lower than sources",
            )
