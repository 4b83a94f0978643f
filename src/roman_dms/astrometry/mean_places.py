"""Mean places of detectors from many exposures at once, and the scatter about them.

Every exposure has an attitude and a scale of its own; a detector d has in
exposure e the terms  mu_d + delta_ed,  where the deviations delta are normal with
a scatter that all detectors share.  For one scatter mu, attitudes, scales and
deviations are one linear problem, solved from the inside: the deviations of a
detector, the attitude of an exposure, the places.  The scatter follows from the
deviations: their squares over the number of them that the stars determine
(MacKay 1992, Neural Computation 4, 415, equation 4.9).

Terms are counted in arcsec at the arm of a detector, so that the scalar product
of two sets of terms is that of the motions of all points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.placement import OWN, SHARED, Placement

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

ARM = 183.0
"""Rms distance of a detector's points from its middle [arcsec]: 449 / sqrt(6)."""
FIELD = 1000.0
"""The same for turn and scale of the whole field [arcsec]."""
TO_TERMS = np.array([1, 1, *2 * [1 / FIELD], 1, 1, *4 * [1 / ARM]])
"""What one arcsec of each term is in the term's own unit."""
_ALIKE = ((0, 1), (2,), (3,), (4, 5))
"""Terms that have one scatter."""

_FIRST_SCATTER, _FIRST_SCALE = 5e-3, 3e-6 * FIELD
"""Where the search for the scatter of terms and of exposures' scales begins [arcsec]."""
_STEPS, _PRECISION, _LEAST = 30, 2e-3, 1e-7
"""Steps of the scatter, the change at which it stands, and its smallest value [arcsec].

The change is relative, times the share of a deviation that the stars determine: a
scatter far below the errors of one exposure need not be known better."""
_NO_ATTITUDE = 1e-6
"""Information on shift and roll beside the stars' [arcsec^-2]: none in effect."""
_MEDIAN_SQUARE = 0.455
"""Median square of a normal deviate."""


@dataclass(frozen=True)
class Evidence:
    """What the stars of each exposure say; terms in arcsec."""

    names: tuple[str, ...]
    centres: Values
    """(d, 2) [arcsec]."""
    information: Values
    """(e, d, 10, 10): 0 where an exposure has no stars of a detector."""
    vector: Values
    """(e, d, 10)."""
    seen: Mask
    """(e, d)."""
    given: Mask
    """(e, d): before any was left out."""

    @classmethod
    def of(cls, exposures: Sequence[Placement]) -> Evidence:
        """Of aligned exposures."""
        names = sorted({name for one in exposures for name in one.names})
        centres = np.zeros((len(names), 2))
        information = np.zeros((len(exposures), len(names), *2 * [SHARED + OWN]))
        vector = np.zeros(information.shape[:-1])
        for row, one in enumerate(exposures):
            at = [names.index(name) for name in one.names]
            information[row, at] = one.information * TO_TERMS * TO_TERMS[:, np.newaxis]
            vector[row, at] = one.evidence * TO_TERMS
            centres[at] = one.centres
        seen = np.trace(information, axis1=2, axis2=3) > 0
        return cls(tuple(names), centres, information, vector, seen, seen)

    def without(self, outliers: Mask) -> Evidence:
        """What is left without some detectors of some exposures."""
        kept = self.seen & ~outliers
        return replace(
            self,
            information=np.where(kept[..., np.newaxis, np.newaxis], self.information, 0.0),
            vector=np.where(kept[..., np.newaxis], self.vector, 0.0),
            seen=kept,
        )


@dataclass(frozen=True)
class MeanPlaces:
    """Places and scatter; terms in arcsec."""

    terms: Values
    """(d, 6)."""
    covariance: Values
    """(6 d, 6 d)."""
    scatter: Values
    """(6)."""
    scale_scatter: float
    """Of the scale of exposures."""
    chi2: Values
    """(e, d): squared deviation in its expected errors, scatter included."""

    @classmethod
    def of(cls, evidence: Evidence, prior: Values, *, robust: bool) -> MeanPlaces:
        """Find places and scatter.

        Parameters
        ----------
        evidence
            What the exposures say.
        prior
            (6): standard deviations of a place before any exposure [arcsec].
        robust
            Whether the scatter is that of the median deviation: outliers are about.
        """
        scatter, scale = np.minimum(prior, _FIRST_SCATTER), _FIRST_SCALE
        for _ in range(_STEPS):
            solved = _Solved.of(evidence, prior, scatter, scale)
            scatter, scale, change = solved.scatter_of(evidence.seen, scatter, scale, robust)
            if change < _PRECISION:
                break
        solved = _Solved.of(evidence, prior, scatter, scale)
        chi2 = _chi2(evidence, solved.misses, scatter)
        return cls(solved.terms, solved.covariance, scatter, scale, chi2)


@dataclass(frozen=True)
class _Solved:
    """All terms, given the scatter."""

    terms: Values
    covariance: Values
    misses: Values
    """(e, d, 6): information times what is unexplained."""
    deviation: Values
    """(e, d, 6): expected deviation of the detector in the exposure."""
    variance: Values
    """(e, d, 6): of the deviation."""
    scale: tuple[Values, Values]
    """(e), (e): expected scale of an exposure and its variance."""

    @classmethod
    def of(cls, evidence: Evidence, prior: Values, scatter: Values, scale: float) -> _Solved:
        full, vector = evidence.information, evidence.vector
        held, reach = _held_deviations(full, scatter)
        left = full - full[..., :, SHARED:] @ reach
        right = vector - np.einsum("edij,edi->edj", reach, vector[..., SHARED:])
        attitude, drag, normal, wanted = _without_attitudes(left, right, scale)
        normal = normal + np.diag(np.tile(prior**-2, len(evidence.names)))
        covariance = _inverse_within(normal, _common_turns(evidence.centres))
        terms = covariance @ wanted
        turned = right[..., :SHARED].sum(1)
        shared = np.einsum("eij,ej->ei", attitude, turned) - drag @ terms
        misses = vector[..., SHARED:] - _explained(full, shared, terms)
        joint = _joint(attitude, drag, covariance)
        spread = np.einsum("edij,edjk,edik->edi", reach, joint, reach)
        return cls(
            terms.reshape(-1, OWN),
            covariance,
            misses,
            np.einsum("edij,edj->edi", held, misses),
            np.einsum("edii->edi", held) + spread,
            (shared[:, 3], joint[:, 0, 3, 3]),
        )

    def scatter_of(
        self, seen: Mask, scatter: Values, scale: float, robust: bool
    ) -> tuple[Values, float, float]:
        """(6), a number, a number: the scatter as the deviations show it, and how it changed."""
        found, changes = np.empty(OWN), np.empty(OWN)
        for alike in _ALIKE:
            some = list(alike)
            found[some], changes[some] = _spread(
                self.deviation[seen][:, some].ravel(),
                self.variance[seen][:, some].ravel(),
                scatter[some[0]],
                robust,
            )
        found_scale, change = _spread(*self.scale, scale, robust)
        return found, found_scale, max(change, float(changes.max()))


def _held_deviations(full: Values, scatter: Values) -> tuple[Values, Values]:
    """Solve for the deviations.

    Returns
    -------
    held, reach
        (e, d, 6, 6): their covariance where all else is known; (e, d, 6, 10): how they
        follow all else.
    """
    rows = scatter[:, np.newaxis]
    within = np.eye(OWN) + rows * full[..., SHARED:, SHARED:] * scatter
    held = rows * np.linalg.inv(within) * scatter
    return held, held @ full[..., SHARED:, :]


def _without_attitudes(
    left: Values, right: Values, scale: float
) -> tuple[Values, Values, Values, Values]:
    """Solve for the attitudes, which leaves the normal equations of the places.

    Returns
    -------
    attitude, drag, normal, wanted
        (e, 4, 4): covariance of an attitude where places are known; (e, 4, 6 d): how it
        follows the places; (6 d, 6 d), (6 d): normal equations of the places.
    """
    known = np.diag([*3 * [_NO_ATTITUDE], scale**-2])
    attitude = np.linalg.inv(left[..., :SHARED, :SHARED].sum(1) + known)
    join = left[..., :SHARED, SHARED:].transpose(0, 2, 1, 3).reshape(len(left), SHARED, -1)
    drag = attitude @ join
    normal = _block_diagonal(left[..., SHARED:, SHARED:].sum(0))
    normal -= np.einsum("eai,eaj->ij", join, drag)
    turned = right[..., :SHARED].sum(1)
    wanted = right[..., SHARED:].sum(0).ravel() - np.einsum("eai,ea->i", drag, turned)
    return attitude, drag, normal, wanted


def _explained(full: Values, shared: Values, terms: Values) -> Values:
    """(e, d, 6): what attitudes (e, 4) and places (6 d) explain of the vectors of own terms."""
    by_attitude = np.einsum("edij,ej->edi", full[..., SHARED:, :SHARED], shared)
    by_place = np.einsum("edij,dj->edi", full[..., SHARED:, SHARED:], terms.reshape(-1, OWN))
    explained: Values = by_attitude + by_place
    return explained


def _spread(
    deviation: Values, variance: Values, before: float, robust: bool
) -> tuple[float, float]:
    """Standard deviation of deviations that are known with a variance, and how it changed."""
    known = np.maximum(1 - variance / before**2, 1e-12)
    if robust:
        square = np.median(deviation**2 / known) / _MEDIAN_SQUARE
    else:
        square = np.sum(deviation**2) / np.sum(known)
    found = float(max(np.sqrt(square), _LEAST))
    return found, abs(found / before - 1) * float(np.mean(known))


def _joint(attitude: Values, drag: Values, covariance: Values) -> Values:
    """(e, d, 10, 10): covariance of an exposure's attitude and a detector's mean terms."""
    across = -drag @ covariance
    exposures, detectors = len(attitude), len(covariance) // OWN
    joint = np.empty((exposures, detectors, SHARED + OWN, SHARED + OWN))
    joint[..., :SHARED, :SHARED] = (attitude - across @ drag.transpose(0, 2, 1))[:, np.newaxis]
    blocks = across.reshape(exposures, SHARED, detectors, OWN).transpose(0, 2, 1, 3)
    joint[..., :SHARED, SHARED:] = blocks
    joint[..., SHARED:, :SHARED] = blocks.transpose(0, 1, 3, 2)
    joint[..., SHARED:, SHARED:] = diagonal_blocks(covariance)
    return joint


def common_motions(centres: Values) -> Values:
    """(4, 6 d): terms of all places under a common shift, turn and stretch [arcsec]."""
    x, y = centres.T / FIELD
    motions = np.zeros((SHARED, len(centres), OWN))
    motions[0, :, 0] = motions[1, :, 1] = 1
    motions[2, :, 0], motions[2, :, 1], motions[2, :, 2] = -y, x, ARM / FIELD
    motions[3, :, 0], motions[3, :, 1], motions[3, :, 3] = x, y, ARM / FIELD
    return motions.reshape(SHARED, -1)


def _common_turns(centres: Values) -> Values:
    """(6 d, 3): orthonormal, the motions that are common shifts and turns."""
    turns: Values = np.linalg.qr(common_motions(centres)[:3].T)[0]
    return turns


def _inverse_within(normal: Values, without: Values) -> Values:
    """The inverse in the space that is orthogonal to some orthonormal columns, 0 along them."""
    along = without @ without.T
    apart = np.eye(len(normal)) - along
    size = np.trace(normal) / len(normal)
    inverse: Values = np.linalg.inv(apart @ normal @ apart + size * along) - along / size
    return inverse


def _chi2(evidence: Evidence, misses: Values, scatter: Values) -> Values:
    """(e, d): squared deviations in units of their errors, scatter included."""
    own = evidence.information[..., SHARED:, SHARED:]
    value, vector = np.linalg.eigh(scatter[:, np.newaxis] * own * scatter)
    along = np.einsum("edji,edj->edi", vector, scatter * misses)
    some = value > 1e-9 * value[..., -1:]
    return np.sum(np.divide(along**2, value + value**2, out=np.zeros_like(along), where=some), -1)


def without_common_motion(centres: Values, terms: Values) -> Values:
    """(6 d): terms without their common shift and turn."""
    turns = _common_turns(centres)
    return terms - turns @ (turns.T @ terms)


def _block_diagonal(blocks: Values) -> Values:
    """(6 d, 6 d) of (d, 6, 6)."""
    whole = np.zeros((len(blocks), OWN, len(blocks), OWN))
    each = np.arange(len(blocks))
    whole[each, :, each] = blocks
    return whole.reshape(len(blocks) * OWN, -1)


def diagonal_blocks(whole: Values) -> Values:
    """(d, 6, 6) of (6 d, 6 d)."""
    detectors = len(whole) // OWN
    return np.einsum("didj->dij", whole.reshape(detectors, OWN, detectors, OWN))
