"""What is known before the stars are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Values = NDArray[np.float64]

TERMS = ("shift_v2", "shift_v3", "rotation", "scale", "stretch", "shear")
"""Terms of a detector, in their order."""

_LEAST_EIGENVALUE = 1e-10
"""Of a matrix of correlations that is one."""


@dataclass(frozen=True)
class KnownPlace:
    """Where earlier exposures put a detector.

    Raises
    ------
    UsageError
        For numbers that are not finite, or no covariance.
    """

    terms: Values
    """(6): shift along V2, V3 [arcsec], rotation [rad], scale, stretch, shear."""

    covariance: Values
    """(6, 6): of the terms."""

    def __post_init__(self) -> None:
        for name, shape in (("terms", (6,)), ("covariance", (6, 6))):
            array = np.asarray(getattr(self, name), float)
            if array.shape != shape or not np.isfinite(array).all():
                raise UsageError(
                    f"The {name} of a place are {array.tolist()}.",
                    f"finite numbers of the shape {shape}",
                )
            object.__setattr__(self, name, array)
        sigma = np.sqrt(np.maximum(np.diag(self.covariance), np.finfo(float).tiny))
        correlation = self.covariance / np.outer(sigma, sigma)
        symmetric = np.allclose(correlation, correlation.T, atol=1e-6)
        if not symmetric or np.linalg.eigvalsh(correlation)[0] < _LEAST_EIGENVALUE:
            raise UsageError(
                f"The covariance of a place has the diagonal {np.diag(self.covariance).tolist()}.",
                "a symmetric matrix with positive eigenvalues",
            )


@dataclass(frozen=True)
class Priors:
    """How well the detectors' places, the centroids and the field are known.

    Each number is a standard deviation of a quantity whose expectation is 0, and
    a term of the solution moves from 0 as far as the stars outweigh it.  A prior
    of 0 holds a term fixed.  Detectors in ``places`` move from there instead.

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

    places: Mapping[str, KnownPlace] = field(default_factory=dict)
    """By detector: where it is known to be, which goes before the numbers above."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "places" and not 0 <= value < float("inf"):
                raise UsageError(
                    f"The prior {one.name} is {value!r}.", "a standard deviation, 0 or more"
                )

    @classmethod
    def calibrated(cls) -> Priors:
        """Places that the distortion has to half a milliarcsecond.

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
