"""What is known before the stars are looked at."""

from __future__ import annotations

from dataclasses import dataclass, fields

from roman_dms.errors import UsageError


@dataclass(frozen=True)
class Priors:
    """How well the detectors' places, the centroids and the field are known.

    Each number is a standard deviation of a quantity whose expectation is 0, and
    a term of the solution moves from 0 as far as the stars outweigh it.  A prior
    of 0 holds a term fixed.

    Raises
    ------
    UsageError
        For a number that is negative or not finite.
    """

    shift: float = 30.0
    """Place of a detector, along one axis [mas].

    A quarter of a pixel: what a first calibration of the distortion leaves.
    """

    rotation: float = 20.0
    """Angle of a detector [arcsec]; 20 arcsec are 20 mas at the middle of an edge."""

    scale: float = 1e-5
    """Relative scale of a detector; 1e-5 are 2 mas at the middle of an edge."""

    linear: float = 3e-6
    """The other two linear terms of a detector, stretch and shear."""

    common_scale: float = 3e-6
    """Relative scale of the whole field: focus, and errors of the velocity aberration.

    3e-6 are 4 mas at the edge of the field; aberration itself, which the pointing
    has corrected, is up to 1e-4.
    """

    floor: float = 0.3
    """Error of a centroid along one axis that its own error does not have [mas].

    0.003 pixel.  It is estimated where there are stars enough, and is this where
    there are not.
    """

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not 0 <= value < float("inf"):
                raise UsageError(
                    f"The prior {one.name} is {value!r}.", "a standard deviation, 0 or more"
                )

    @classmethod
    def calibrated(cls) -> Priors:
        """Placement known from many earlier exposures, to half a milliarcsecond.

        An exposure with 50 stars in all needs it to be right to 1.3 mas (it is then
        right to 0.9; with places known to 1 mas, to 1.6): 50 stars of 18 detectors
        cannot find 18 places by themselves.
        """
        return cls(shift=0.5, rotation=0.3, scale=1e-6, linear=5e-7, common_scale=1e-6)


@dataclass(frozen=True)
class Search:
    """How far from the pointing the sky is looked for, and what is refused."""

    radius: float = 10.0
    """Largest error of the pointing [arcsec]."""

    roll: float = 90.0
    """Largest error of the position angle [arcsec]."""

    false_alarm: float = 1e-6
    """Expected number of attitudes that would fit as well by chance."""

    minimum_stars: int = 5
    """Stars with less than this are too few for a solution."""

    largest_floor: float = 10.0
    """Scatter along one axis beyond errors at which a solution is refused [mas]."""

    def __post_init__(self) -> None:
        for one in fields(self):
            if not getattr(self, one.name) > 0:
                raise UsageError(
                    f"{one.name} of the search is {getattr(self, one.name)!r}.",
                    "a positive number",
                )
