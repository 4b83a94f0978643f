"""Attitude and places of all detectors by one least-squares fit.

A point p of a detector with the centre c, as the pointing puts it, is at

    A( p + D (p - c) + t ),

where t is the detector's shift, D = ((s + a, b - r), (b + r, s - a)) its scale s,
rotation r, stretch a and shear b, and A the attitude that all detectors share
(shift, roll, common scale).  Every term but the attitude has a prior around 0, or
around the place where earlier exposures put the detector, so that the sum of all
shifts, say, which the attitude could do as well, stays determined, and a detector
without stars keeps its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.plane import ARCSEC, Attitude
from roman_dms.astrometry.priors import Priors
from roman_dms.astrometry.stars import Exposure

Values = NDArray[np.float64]
Places = NDArray[np.intp]

SHARED = 4
"""Terms of the attitude: xi, eta [arcsec], roll [rad], scale."""

OWN = 6
"""Terms of a detector: shift in xi, eta [arcsec], rotation [rad], scale, stretch, shear."""

_ATTITUDE_SIGMA = (30.0, 30.0, 600 * ARCSEC)
"""Standard deviations of shift and roll, far wider than any star: no prior in effect."""


@dataclass(frozen=True)
class Placement:
    """Terms of the attitude and of every detector."""

    names: tuple[str, ...]
    """(d): of the detectors."""

    attitude: Attitude
    """Shared by all detectors."""

    own: Values
    """(d, 6): shift in xi, eta [arcsec], rotation [rad], scale, stretch, shear."""

    centres: Values
    """(d, 2): middle of each detector by the pointing [arcsec]."""

    covariance: Values
    """(d, 10, 10): by detector: of the attitude (arcsec, arcsec, rad, 1) and its own terms."""

    freedom: float
    """Parameters that the stars, not the priors, have determined."""

    information: Values
    """(d, 10, 10): what the stars alone say: inverse covariance of a detector's terms."""

    evidence: Values
    """(d, 10): the information times the terms that the stars alone would give."""

    def applied(self, points: Values, detector: Places) -> Values:
        """(n, 2): where points of detectors are [arcsec]."""
        from_centre = points - self.centres[detector]
        terms = self.own[detector]
        moved = points + terms[:, :2] + np.einsum("nai,ni->na", _basis(from_centre), terms[:, 2:])
        return self.attitude.applied(moved)

    def affine(self, detector: int) -> tuple[Values, Values]:
        """(2, 2) matrix and (2,) shift [arcsec] that do the same on one detector.

        Exact at the centre of the detector with its slopes there; at its corner
        it misses by 0.02 mas for 10 arcsec of shift.
        """
        step = 100.0
        corners = self.centres[detector] + step * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        middle = self.applied(self.centres[[detector]], np.array([detector]))[0]
        right, left, up, down = self.applied(corners, np.full(4, detector))
        matrix = np.stack([right - left, up - down], axis=1) / (2 * step)
        return matrix, middle - matrix @ self.centres[detector]

    def predicted_rms(self, detector: int, points: Values) -> float:
        """Expected rms error of the length of the error vector over points [mas]."""
        slopes = _slopes(points, points - self.centres[detector])
        mean = np.einsum("nai,naj->ij", slopes, slopes) / len(points)
        return float(1e3 * np.sqrt(np.sum(mean * self.covariance[detector])))

    def strain(self, detector: int, priors: Priors) -> float:
        """How many standard deviations of its prior the most moved term of a detector is off."""
        mean, root = _expected(priors, self.names)
        sigma = np.linalg.norm(root[detector, SHARED:], axis=1)
        off = np.abs(self.own[detector] - mean[detector, SHARED:])
        return float(np.max(off[sigma > 0] / sigma[sigma > 0], initial=0.0))


def resting(exposure: Exposure, attitude: Attitude, priors: Priors) -> Placement:
    """All detectors where they are expected, the telescope turned."""
    own = _expected(priors, exposure.names)[0][:, SHARED:]
    terms = SHARED + OWN
    nothing = np.zeros((len(own), terms, terms))
    return Placement(
        exposure.names, attitude, own, exposure.centres, nothing, 0.0, nothing, nothing[:, 0]
    )


def fitted(
    start: Placement,
    seen: Values,
    expected: Values,
    information: Values,
    detector: Places,
    priors: Priors,
) -> Placement:
    """One Gauss-Newton step; the model is so nearly linear that two are enough.

    Parameters
    ----------
    start
        Where the step begins.
    seen
        (n, 2): detections by the pointing [arcsec].
    expected
        (n, 2): the reference stars they are [arcsec].
    information
        (n, 2, 2): inverse covariance of the difference, times the weight [arcsec^-2].
    detector
        (n): the detector of each.
    priors
        Standard deviations of the terms.
    """
    information, right = _normal_equations(start, seen, expected, information, detector)
    attitude = start.attitude
    shared = np.array([attitude.xi, attitude.eta, ARCSEC * attitude.roll, attitude.scale])
    before = np.concatenate([np.broadcast_to(shared, (len(right), SHARED)), start.own], axis=1)
    evidence = right + np.einsum("dij,dj->di", information, before)
    mean, root = _expected(priors, start.names)
    across = root.transpose(0, 2, 1)
    unexpected = evidence - np.einsum("dij,dj->di", information, mean)
    scaled, covariance, freedom = _solved(
        across @ information @ root, np.einsum("dij,dj->di", across, unexpected)
    )
    values = mean + np.einsum("dij,dj->di", root, scaled)
    xi, eta, roll, scale = values[0, :SHARED].tolist()
    return Placement(
        start.names,
        Attitude(xi, eta, roll / ARCSEC, scale),
        values[:, SHARED:],
        start.centres,
        root @ covariance @ across,
        freedom,
        information,
        evidence,
    )


def _normal_equations(
    start: Placement, seen: Values, expected: Values, information: Values, detector: Places
) -> tuple[Values, Values]:
    """(d, 10, 10) and (d, 10): each detector's part of the normal equations."""
    detectors, terms = len(start.centres), SHARED + OWN
    normal, right = np.zeros((detectors, terms, terms)), np.zeros((detectors, terms))
    misses = expected - start.applied(seen, detector)
    slopes = _slopes(seen, seen - start.centres[detector])
    weighted = slopes.transpose(0, 2, 1) @ information
    for one in np.unique(detector):
        rows = detector == one
        flat = weighted[rows].transpose(1, 0, 2).reshape(terms, -1)
        normal[one] = flat @ slopes[rows].reshape(-1, terms)
        right[one] = flat @ misses[rows].ravel()
    return normal, right


def _solved(normal: Values, right: Values) -> tuple[Values, Values, float]:
    """Solve for all detectors, which only the shared terms join.

    Parameters
    ----------
    normal, right
        (d, 10, 10), (d, 10): normal equations by detector, of terms that count from
        what is expected, in units of its errors.

    Returns
    -------
    terms, covariance, freedom
        (d, 10), (d, 10, 10): the shared terms come first for each detector; and the
        number of terms that the data determine.
    """
    join = normal[:, :SHARED, SHARED:]
    own = np.linalg.inv(normal[:, SHARED:, SHARED:] + np.eye(OWN))
    own_right = right[:, SHARED:]
    reach = join @ own
    core = np.eye(SHARED) + (normal[:, :SHARED, :SHARED] - reach @ join.transpose(0, 2, 1)).sum(0)
    shared = np.linalg.inv(core)
    common = shared @ (right[:, :SHARED].sum(0) - np.einsum("dij,dj->i", reach, own_right))
    terms = np.empty_like(right)
    terms[:, :SHARED] = common
    terms[:, SHARED:] = np.einsum("dij,dj->di", own, own_right) - np.einsum(
        "dij,i->dj", reach, common
    )
    covariance = np.empty_like(normal)
    covariance[:, :SHARED, :SHARED] = shared
    covariance[:, :SHARED, SHARED:] = -shared @ reach
    covariance[:, SHARED:, :SHARED] = covariance[:, :SHARED, SHARED:].transpose(0, 2, 1)
    covariance[:, SHARED:, SHARED:] = own + reach.transpose(0, 2, 1) @ shared @ reach
    held = np.trace(shared) + np.einsum("dii->", covariance[:, SHARED:, SHARED:])
    return terms, covariance, float(SHARED + OWN * len(normal) - held)


def _basis(from_centre: Values) -> Values:
    """(n, 2, 4): how rotation, scale, stretch and shear move points."""
    x, y = from_centre.T
    return np.stack([np.stack([-y, x, x, y], axis=1), np.stack([x, y, -y, x], axis=1)], axis=1)


def _slopes(points: Values, from_centre: Values) -> Values:
    """(n, 2, 10): how the terms of the attitude and of a point's own detector move it."""
    slopes = np.zeros((len(points), 2, SHARED + OWN))
    slopes[:, 0, 0] = slopes[:, 1, 1] = slopes[:, 0, SHARED] = slopes[:, 1, SHARED + 1] = 1
    slopes[:, 0, 2], slopes[:, 1, 2] = -points[:, 1], points[:, 0]
    slopes[:, :, 3] = points
    slopes[:, :, SHARED + 2 :] = _basis(from_centre)
    return slopes


def _expected(priors: Priors, names: Sequence[str]) -> tuple[Values, Values]:
    """(d, 10) and (d, 10, 10): means of all terms, and roots of their covariances.

    A root is lower triangular, and diagonal where no place is known.
    """
    mean, root = np.zeros((len(names), SHARED + OWN)), np.zeros((len(names), *2 * [SHARED + OWN]))
    root[:] = np.diag([*_ATTITUDE_SIGMA, priors.common_scale, *own_sigmas(priors)])
    for row, name in enumerate(names):
        if name in priors.places:
            place = priors.places[name]
            mean[row, SHARED:] = place.terms
            root[row, SHARED:, SHARED:] = np.linalg.cholesky(place.covariance)
    return mean, root


def own_sigmas(priors: Priors) -> Values:
    """(6): standard deviations of the terms of a detector whose place is not known."""
    shift, rotation = 1e-3 * priors.shift, ARCSEC * priors.rotation
    return np.array([shift, shift, rotation, priors.scale, priors.linear, priors.linear])
