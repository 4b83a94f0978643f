"""Attitude and places of all detectors by one least-squares fit.

A point p of a detector with the centre c, as the pointing puts it, is at

    A( p + D (p - c) + t ),

where t is the detector's shift, D = ((s + a, b - r), (b + r, s - a)) its scale s,
rotation r, stretch a and shear b, and A the attitude that all detectors share
(shift, roll, common scale).  Every term but the attitude has a prior around 0, so
that the sum of all shifts, say, which the attitude could do as well, stays
determined, and a detector without stars keeps its place.
"""

from __future__ import annotations

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
        sigma = _sigmas(priors)[SHARED:]
        free = sigma > 0
        return float(np.max(np.abs(self.own[detector, free]) / sigma[free], initial=0.0))


def resting(exposure: Exposure, attitude: Attitude) -> Placement:
    """All detectors at their places, the telescope turned."""
    detectors = len(exposure.names)
    nothing = np.zeros((detectors, SHARED + OWN, SHARED + OWN))
    return Placement(attitude, np.zeros((detectors, OWN)), exposure.centres, nothing, 0.0)


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
    normal, right = _normal_equations(start, seen, expected, information, detector)
    sigma = _sigmas(priors)
    attitude = start.attitude
    shared = np.array([attitude.xi, attitude.eta, ARCSEC * attitude.roll, attitude.scale])
    values = np.concatenate([np.broadcast_to(shared, (len(normal), SHARED)), start.own], axis=1)
    pull = np.divide(values, sigma, out=np.zeros_like(values), where=sigma > 0)
    step, covariance, freedom = _solved(sigma[:, np.newaxis] * normal * sigma, sigma * right, pull)
    values = np.where(sigma > 0, values + sigma * step, 0.0)
    xi, eta, roll, scale = values[0, :SHARED].tolist()
    return Placement(
        Attitude(xi, eta, roll / ARCSEC, scale),
        values[:, SHARED:],
        start.centres,
        sigma[:, np.newaxis] * covariance * sigma,
        freedom,
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


def _solved(normal: Values, right: Values, pull: Values) -> tuple[Values, Values, float]:
    """Solve for all detectors, which only the shared terms join.

    Parameters
    ----------
    normal, right
        (d, 10, 10), (d, 10): normal equations by detector, terms in units of their priors.
    pull
        (d, 10): the terms in these units; their priors pull them to 0.

    Returns
    -------
    step, covariance, freedom
        (d, 10), (d, 10, 10): the shared terms come first for each detector; and the
        number of terms that the data determine.
    """
    join = normal[:, :SHARED, SHARED:]
    own = np.linalg.inv(normal[:, SHARED:, SHARED:] + np.eye(OWN))
    own_right = right[:, SHARED:] - pull[:, SHARED:]
    reach = join @ own
    core = np.eye(SHARED) + (normal[:, :SHARED, :SHARED] - reach @ join.transpose(0, 2, 1)).sum(0)
    shared = np.linalg.inv(core)
    shared_right = right[:, :SHARED].sum(0) - pull[0, :SHARED]
    common = shared @ (shared_right - np.einsum("dij,dj->i", reach, own_right))
    step = np.empty_like(right)
    step[:, :SHARED] = common
    step[:, SHARED:] = np.einsum("dij,dj->di", own, own_right) - np.einsum(
        "dij,i->dj", reach, common
    )
    covariance = np.empty_like(normal)
    covariance[:, :SHARED, :SHARED] = shared
    covariance[:, :SHARED, SHARED:] = -shared @ reach
    covariance[:, SHARED:, :SHARED] = covariance[:, :SHARED, SHARED:].transpose(0, 2, 1)
    covariance[:, SHARED:, SHARED:] = own + reach.transpose(0, 2, 1) @ shared @ reach
    held = np.trace(shared) + np.einsum("dii->", covariance[:, SHARED:, SHARED:])
    return step, covariance, float(SHARED + OWN * len(normal) - held)


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


def _sigmas(priors: Priors) -> Values:
    """(10): standard deviations of shared and own terms, in the units of the terms."""
    own = (
        1e-3 * priors.shift,
        1e-3 * priors.shift,
        ARCSEC * priors.rotation,
        priors.scale,
        priors.linear,
        priors.linear,
    )
    return np.array([*_ATTITUDE_SIGMA, priors.common_scale, *own])
