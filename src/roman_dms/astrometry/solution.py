"""Alignment of an exposure: from stars on all detectors to corrections of their WCS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.assignment import Judgement, Neighbours
from roman_dms.astrometry.placement import Placement
from roman_dms.astrometry.stars import Exposure

Values = NDArray[np.float64]
Places = NDArray[np.intp]


class Verdict(StrEnum):
    """Whether an exposure is aligned, or why it is not."""

    ALIGNED = "aligned"
    TOO_FEW_STARS = "too few stars"
    NO_MATCH = "no match"
    AMBIGUOUS = "ambiguous match"
    INCONSISTENT_DETECTORS = "inconsistent detectors"
    SCATTER_TOO_LARGE = "scatter too large"


@dataclass(frozen=True)
class Correction:
    """Where the points of one detector are, given where the pointing puts them.

    ``corrected = matrix @ position + shift``, position and corrected being xi, eta
    in the plane of ``FocalPlane``: the gnomonic projection of the sphere of V2, V3
    (frame ``v2v3vacorr``) about the point that the plane was made with.  So a WCS
    becomes detector -> v2v3 -> v2v3vacorr -> plane -> *this* -> plane back to
    v2v3vacorr -> world, with the pointing's own last step.
    """

    matrix: Values
    """(2, 2)."""

    shift: Values
    """(2): [arcsec]."""

    def applied(self, points: Values) -> Values:
        """(n, 2): corrected points [arcsec]."""
        corrected: Values = points @ self.matrix.T + self.shift
        return corrected


@dataclass(frozen=True)
class Residuals:
    """A row for each pair of a detection and a reference star that was considered the same."""

    detector: NDArray[np.str_]
    """(n): name."""

    detection: Places
    """(n): row of the detector's ``Detections``."""

    reference: Places
    """(n): row of ``Reference``."""

    miss: Values
    """(n, 2): place of the reference star less the detection's, in xi, eta [mas]."""

    sigma: Values
    """(n): expected rms of the miss along one axis, floor included [mas]."""

    chi2: Values
    """(n): squared length of the miss in units of its covariance; 2 is expected."""

    probability: Values
    """(n): that both are the same star."""

    weight: Values
    """(n): weight in the fit, from 0 to 1; outliers have less than 0.5."""

    @classmethod
    def of(cls, exposure: Exposure, pairs: Neighbours, judgement: Judgement) -> Residuals:
        """The pairs that are more likely true than not."""
        same = np.flatnonzero(judgement.probability > 0.5)
        variance = 2 / np.trace(judgement.information[same], axis1=1, axis2=2)
        detection = pairs.detection[same]
        return cls(
            np.asarray(exposure.names)[pairs.detector[same]],
            exposure.row[detection],
            pairs.reference[same],
            1e3 * judgement.miss[same],
            1e3 * np.sqrt(variance),
            judgement.chi2[same],
            judgement.probability[same],
            judgement.weight[same],
        )

    def __len__(self) -> int:
        return len(self.detection)


@dataclass(frozen=True)
class Solution:
    """The outcome of an alignment; only an aligned one has corrections."""

    verdict: Verdict
    """Whether the exposure is aligned."""

    reason: str
    """The verdict in a sentence, with numbers."""

    correction: Mapping[str, Correction] = field(default_factory=dict)
    """By detector, for every detector that was given; empty unless aligned."""

    predicted_rms: Mapping[str, float] = field(default_factory=dict)
    """By detector: expected rms over its area of the length of the WCS error, Gaia's
    frame taken as true [mas]."""

    stars: Mapping[str, int] = field(default_factory=dict)
    """By detector: stars that take part with a weight of more than one half."""

    unmatched: tuple[str, ...] = ()
    """Detectors that should have ten stars or more and have less than a fifth of them.

    Their correction is that of the others' attitude.  Whether they look where the
    others do, nothing shows.
    """

    residuals: Residuals | None = None
    """Pairs of the last fit."""

    placement: Placement | None = None
    """Terms of attitude and detectors with their covariance."""

    chi2: float = np.nan
    """Weighted chi^2 over the degrees of freedom, floor included."""

    floor: float = np.nan
    """Error along one axis that was added to all errors [mas]."""

    log_chance: float = 0.0
    """log10 of the number of attitudes that would fit as well by chance."""

    notes: tuple[str, ...] = ()
    """What else should be known, a sentence each."""

    @property
    def aligned(self) -> bool:
        """Whether there are corrections."""
        return self.verdict is Verdict.ALIGNED
