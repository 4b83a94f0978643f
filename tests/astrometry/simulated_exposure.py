"""Stars of an exposure with a telescope, detectors and a reference catalogue that are all off.

The truth is made with rotations of the sphere and matrices, not with the terms
that the solution fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from roman_dms.astrometry.learning import LearnedPlacement
from roman_dms.astrometry.plane import FocalPlane
from roman_dms.astrometry.stars import Detections, Reference
from roman_dms.instrument.apertures import aperture, detector_aperture

CENTRE = aperture("WFI_CEN")
PLANE = FocalPlane(CENTRE.v2_ref, CENTRE.v3_ref)
DETECTORS = tuple(f"WFI{number:02d}" for number in range(1, 19))
ARCSEC = np.deg2rad(1 / 3600)
CENTROID_FLOOR = 0.33
"""0.003 pixel [mas]."""

YEARS = 10.9
"""From Gaia's epoch 2016.0 to the end of 2026."""

_G = (13.0, 15.0, 17.0, 20.0, 21.0)
_POSITION = (0.012, 0.02, 0.05, 0.4, 1.0)
_MOTION = (0.02, 0.025, 0.07, 0.5, 1.4)
"""Median errors of Gaia DR3 by magnitude [mas, mas/yr] (Lindegren et al. 2021, A&A 649, A2)."""


@dataclass(frozen=True)
class Perturbation:
    """How far off the telescope and its detectors are."""

    shift: float = 30.0
    """Of a detector, per axis [mas]."""
    rotation: float = 20.0
    """Of a detector [arcsec]."""
    scale: float = 1e-5
    """Of a detector."""
    pointing: tuple[float, float] = (1.6, -1.2)
    """Of the telescope [arcsec]."""
    roll: float = 30.0
    """Of the telescope [arcsec]."""


@dataclass(frozen=True)
class Truth:
    """Where the points of one detector really are."""

    centre: np.ndarray
    matrix: np.ndarray
    shift: np.ndarray
    turn: Rotation

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(n, 2): places in the plane [arcsec] of points as the pointing puts them."""
        moved = (points - self.centre) @ self.matrix.T + self.centre + self.shift
        vectors = np.column_stack([np.ones(len(moved)), ARCSEC * moved])
        turned = self.turn.apply(vectors)
        return turned[:, 1:] / turned[:, :1] / ARCSEC


@dataclass(frozen=True)
class SimulatedExposure:
    detections: dict[str, Detections]
    reference: Reference
    truth: dict[str, Truth]
    partner: dict[str, np.ndarray]
    """By detector: the reference row of every detection, -1 for none."""

    def rms(self, solution, nodes: int = 30) -> dict[str, float]:
        """By detector: rms length of the WCS error over a grid [mas]."""
        result = {}
        for name, correction in solution.correction.items():
            grid = self.detections[name].grid(nodes)
            miss = correction.applied(grid) - self.truth[name](grid)
            result[name] = float(1e3 * np.sqrt((miss**2).sum(axis=1).mean()))
        return result


def outline(name: str) -> np.ndarray:
    """(4, 2): corners of a detector in the plane [arcsec]."""
    return PLANE.of_telescope(*detector_aperture(name).corners.T)


def turn(pointing: tuple[float, float], roll: float) -> Rotation:
    """The rotation of the sphere that moves the telescope's axis and rolls it [arcsec]."""
    xi, eta = pointing
    length = np.hypot(xi, eta)
    axis = np.array([0.0, -eta, xi]) / max(length, 1e-12)
    shift = Rotation.from_rotvec(axis * np.arctan(ARCSEC * length))
    return shift * Rotation.from_rotvec([ARCSEC * roll, 0, 0])


def simulated(
    seed: int,
    gaia: int,
    *,
    others: int = 950,
    names: tuple[str, ...] = DETECTORS,
    off: Perturbation = Perturbation(),
    saturated: float = 16.0,
    motions: bool = True,
    blended: float = 0.02,
    in_all: int | None = None,
    misplaced: int | None = None,
    unsteady: Perturbation | None = None,
) -> SimulatedExposure:
    """Make an exposure.

    Parameters
    ----------
    gaia
        Reference stars a detector on average, or in all detectors with ``in_all``.
    others
        Detections of a detector that are no reference stars.
    saturated
        Magnitude G above which stars are too bright to be detected.
    motions
        Whether errors of proper motions over ``YEARS`` add to the positions'.
    blended
        Share of detections that are off by tens of mas.
    in_all
        Exact number of reference stars that are detected, scattered over all detectors.
    misplaced
        Seed of the places of detectors, where exposures have them in common.
    unsteady
        By how much detectors move from exposure to exposure, beside.
    """
    rng = np.random.default_rng(seed)
    counts = (
        rng.multinomial(in_all, np.full(len(names), 1 / len(names)))
        if in_all is not None
        else rng.poisson(gaia, len(names))
    )
    detections, truth, partner = {}, {}, {}
    stars: list[tuple[np.ndarray, ...]] = []
    first = 0
    for name, count in zip(names, counts, strict=True):
        corners = outline(name)
        common = rng if misplaced is None else np.random.default_rng([misplaced, int(name[3:])])
        moved = _place(common, off)
        if unsteady is not None:
            moved = moved + _place(rng, unsteady)
        truth[name] = Truth(
            corners.mean(axis=0),
            (1 + moved[3]) * Rotation.from_rotvec([0, 0, moved[2]]).as_matrix()[:2, :2],
            moved[:2],
            turn(off.pointing, off.roll),
        )
        bright = saturated if in_all is not None else 12.0
        g = bright + _magnitudes(rng, count, 20.8 - bright)
        pixels = rng.uniform(0, 4088, (count, 2))
        places = _bilinear(corners, pixels / 4088)
        covariance = _covariances(rng, g, YEARS if motions else 0.0)
        noise = np.einsum("nab,nb->na", np.linalg.cholesky(covariance), rng.normal(size=(count, 2)))
        stars.append((truth[name](places) + 1e-3 * noise, covariance, g))
        seen = np.flatnonzero(g >= saturated)
        detections[name], partner[name] = _detected(
            rng, corners, pixels[seen], g[seen], first + seen, others, blended
        )
        first += count
    points, covariance, g = (np.concatenate(column) for column in zip(*stars, strict=True))
    reference = Reference(points[:, 0], points[:, 1], covariance, g)
    return SimulatedExposure(detections, reference, truth, partner)


def term_motions(from_centre: np.ndarray) -> np.ndarray:
    """(n, 2, 6): how the terms of a detector move its points."""
    x, y = from_centre.T
    one, none = np.ones_like(x), np.zeros_like(x)
    return np.stack(
        [np.stack([one, none, -y, x, x, y], 1), np.stack([none, one, x, y, -y, x], 1)], axis=1
    )


def placement_errors(found: LearnedPlacement, misplaced: int) -> tuple[np.ndarray, np.ndarray]:
    """(d, n, 2) what is wrong over each detector but for a common shift and turn [mas], and
    (d, 6) the same as pulls of the terms."""
    true = simulated(0, 1, others=1, misplaced=misplaced)
    grids = {name: true.detections[name].grid(12) for name in found.places}
    wrong = []
    for name, place in found.places.items():
        truth, away = true.truth[name], grids[name] - true.truth[name].centre
        wrong.append(
            term_motions(away) @ place.terms - (away @ truth.matrix.T + truth.shift - away)
        )
    x, y = np.concatenate(list(grids.values())).T
    one, none = np.ones_like(x), np.zeros_like(x)
    turns = np.stack([np.stack([one, none, -y], 1), np.stack([none, one, x], 1)], 1).reshape(-1, 3)
    flat = np.ravel(wrong)
    flat = flat - turns @ np.linalg.lstsq(turns, flat, rcond=None)[0]
    wrong = flat.reshape(len(grids), -1, 2)
    pulls = []
    for one, (name, place) in zip(wrong, found.places.items(), strict=True):
        slopes = term_motions(grids[name] - true.truth[name].centre).reshape(-1, 6)
        terms = np.linalg.lstsq(slopes, one.ravel(), rcond=None)[0]
        pulls.append(terms / np.sqrt(np.diag(place.covariance)))
    return 1e3 * wrong, np.array(pulls)


def _place(rng: np.random.Generator, off: Perturbation) -> np.ndarray:
    """(4): shift [arcsec], rotation [rad] and scale of a detector."""
    rotation, scale = off.rotation * ARCSEC * rng.normal(), off.scale * rng.normal()
    return np.array([*1e-3 * off.shift * rng.normal(size=2), rotation, scale])


def _magnitudes(rng: np.random.Generator, count: int, span: float) -> np.ndarray:
    """Magnitudes above the limit whose number grows by 0.2 dex a magnitude."""
    rate = 0.2 * np.log(10)
    return np.log1p(rng.random(count) * np.expm1(rate * span)) / rate


def _covariances(rng: np.random.Generator, g: np.ndarray, years: float) -> np.ndarray:
    position = 10 ** np.interp(g, _G, np.log10(_POSITION))
    motion = 10 ** np.interp(g, _G, np.log10(_MOTION)) * years
    sigma = np.hypot(position, motion)[:, np.newaxis] * rng.uniform(0.8, 1.25, (len(g), 2))
    correlation = rng.uniform(-0.4, 0.4, len(g))
    covariance = sigma[:, :, np.newaxis] * sigma[:, np.newaxis, :]
    covariance[:, 0, 1] *= correlation
    covariance[:, 1, 0] *= correlation
    return covariance


def _bilinear(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    a, b, c, d = corners
    s, t = at[:, :1], at[:, 1:]
    return (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c)


def _detected(rng, corners, pixels, g, rows, others, blended):
    """Detections of the stars and of other things, in random order."""
    n = len(pixels) + others
    signal = 55 * 10 ** (-0.2 * (g - 21)) * 10  # about 500 at G = 21
    photon = 55 / signal
    noise = np.hypot(photon, CENTROID_FLOOR)[:, np.newaxis] * rng.normal(size=(len(g), 2))
    off = rng.random(len(g)) < blended
    noise[off] += rng.normal(0, 30, (int(off.sum()), 2))
    places = _bilinear(corners, pixels / 4088) + 1e-3 * noise
    anywhere = rng.uniform(0, 4088, (others, 2))
    places = np.concatenate([places, _bilinear(corners, anywhere / 4088)])
    magnitude = np.concatenate([g - rng.normal(1.0, 0.7, len(g)), 20 + _magnitudes(rng, others, 6)])
    err = 1e-3 * np.concatenate([photon, rng.uniform(0.2, 8, others)])
    order = rng.permutation(n)
    both = np.concatenate([pixels, anywhere])[order]
    table = Detections(
        both[:, 0],
        both[:, 1],
        places[order, 0],
        places[order, 1],
        err[order],
        10 ** (-0.4 * (magnitude[order] - 25)),
        corners,
    )
    return table, np.concatenate([rows, np.full(others, -1)])[order]
