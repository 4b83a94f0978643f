"""What the pixels of all stars say about the PSF: one linear least-squares fit.

Each pixel of each star is a sum of a few coefficients
of the splines, times polynomials in the star's place; conjugate gradients find the coefficients
that fit best.  They are sought among functions without spatial frequencies beyond the cutoff
of the telescope, D / lambda of the shortest wavelength: no PSF has any, so that this takes away
noise and nothing else, where other smoothing would widen the PSF.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.elimination import Elimination, star_columns
from roman_dms.psf.empirical.model import Model, in_chunks
from roman_dms.psf.empirical.sampling import spread
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.empirical.weighting import pixel_weights

ROLL_OFF = 0.1
"""Width of the filter's edge beyond the cutoff, as a part of it."""

RIDGE = 1e-3
"""Added to the normal equations, scaled so that a sample that is well known has about 1: what
pixels hardly tell of, as frequencies near the cutoff, moves slowly and not by their noise."""

TOLERANCE = 1e-2
"""Part of the gradient at which they end."""

CHECKED = np.array([0.05, 0.5, 0.95])
"""Where on the detector, along each axis, one looks by how much the PSF has changed."""

LEAST_WEIGHT = 1e-4
"""Least weight that scales a sample, as a part of the largest: far out no pixel tells of it."""


@dataclass(frozen=True)
class Refinement:
    """Corrections that have been fitted, and how well they are known."""

    model: Model
    """The refined PSF."""

    sample_variance: NDArray[np.float64]
    """(D, D) variance of a sample for a mixture of length 1, from what the pixels are off the
    model (the estimate of White 1980, Econometrica 48, 817, without neighbours' covariance)."""

    mixture_covariance: NDArray[np.float64]
    """(mode, mode) covariance of the modes, in units of ``sample_variance``."""

    change: float
    """Largest change of a sample at nine places of the detector, in parts of the peak."""


def refine(
    model: Model,
    stamps: Stamps,
    found: NDArray[np.float64],
    jacobians: NDArray[np.float64],
    shares: NDArray[np.float32],
    cutoff: float,
    model_error: NDArray[np.float64],
    most_steps: int,
    workers: int,
) -> Refinement:
    """Fit the corrections of a model anew.

    Parameters
    ----------
    model
        The PSF so far.
    stamps
        Images of stars.
    found
        (n, 4) flux, x, y and sky of each.
    jacobians
        (n, 2, 2) how places in the common plane change with those in the image.
    shares
        (n, component) of the start's components in each.
    cutoff
        Highest spatial frequency of a PSF [cycle / pixel].
    model_error
        (2,) by what part of its own light, and of the star's, a pixel's model may err; keeps
        the brightest stars, with colours of their own, from deciding alone.
    most_steps
        Of the conjugate gradients.
    workers
        Threads.
    """
    flux, places = found[:, 0, None, None], found[:, 1:3]
    psf = model.pixels(stamps, places, shares, workers)
    weights = pixel_weights(stamps, psf, found[:, 0], model_error)
    residual = stamps.light - flux * psf - found[:, 3, None, None]
    columns = star_columns(model, stamps, found[:, 0], places, shares, jacobians, workers)
    stars = Elimination.of(weights, columns, stamps.star, workers)
    mixtures = model.mixtures(places[:, 0], places[:, 1], shares)
    equations = _Equations(model, stamps, places, mixtures, flux.astype(np.float32), stars, workers)
    scaling = _Scaling.of(equations, weights, cutoff)
    gradient = equations.transpose(stars.weighted(residual.astype(np.float32)))
    step = scaling.step(
        _conjugate_gradients(
            lambda v: scaling.gradient(equations.normal(scaling.step(v))) + RIDGE * v,
            scaling.gradient(gradient),
            most_steps,
        )
    )
    scatter = equations.over_the_detector(((weights * flux * residual) ** 2).astype(np.float32))
    variance = _by_radius(scatter, model.middle) * scaling.scale**4
    return Refinement(
        model.with_corrections(model.corrections + model.patches(step)),
        _variance(variance, scaling.passed),
        scaling.spread_out.T @ scaling.spread_out,
        visible_change(model, step),
    )


@dataclass(frozen=True)
class _Equations:
    """The pixels' equations for the corrections, without what stars are free in."""

    model: Model
    stamps: Stamps
    places: NDArray[np.float64]
    mixtures: NDArray[np.float32]
    """(n, mode) what part of each correction every star has."""

    amplitude: NDArray[np.float32]
    """(n, 1, 1) flux in each image."""

    stars: Elimination
    workers: int

    def normal(self, dense: NDArray[np.float64]) -> NDArray[np.float64]:
        """(mode, D, D) normal equations times corrections (mode, D, D)."""
        trial = self.model.with_corrections(self.model.patches(dense))
        none = np.zeros((len(self.stamps), len(self.model.fields)), np.float32)
        pixels = trial.pixels(self.stamps, self.places, none, self.workers, self.mixtures)
        return self.transpose(self.stars.weighted(pixels * self.amplitude))

    def transpose(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        """(mode, D, D) pixels (n, P, P) back on the samples that they are made of."""
        return self._spread(pixels * self.amplitude, self.mixtures)

    def over_the_detector(self, pixels: NDArray[np.float32]) -> NDArray[np.float64]:
        """(D, D) sum over all stars, wherever they are."""
        return self._spread(pixels, np.ones((len(self.stamps), 1), np.float32))[0]

    def _spread(
        self, pixels: NDArray[np.float32], modes: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        stamps, shape = self.stamps, (modes.shape[1], *self.model.corrections.shape[1:])
        x, y = np.ascontiguousarray(self.places.T)

        def part(start: int, stop: int) -> NDArray[np.float32]:
            out = np.zeros(shape, np.float32)
            spread(start, stop, pixels, modes, x, y, stamps.column, stamps.row, out)
            return out

        parts = in_chunks(len(stamps), part, self.workers)
        return self.model.dense(np.sum(np.array(parts), axis=0)).astype(float)


@dataclass(frozen=True)
class _Scaling:
    """Unknowns in which all samples and modes are about equally well known."""

    scale: NDArray[np.float64]
    """(D, D) standard error of a sample by its own pixels."""

    spread_out: NDArray[np.float64]
    """(mode, mode) makes the polynomials orthogonal over the stars."""

    passed: NDArray[np.float64]
    """(D, D / 2 + 1) what part of each spatial frequency is kept."""

    @classmethod
    def of(cls, equations: _Equations, weights: NDArray[np.float32], cutoff: float) -> _Scaling:
        """By what pixels with inverse variances (n, P, P) tell."""
        model, information = equations.model, weights * equations.amplitude**2
        weight = _by_radius(equations.over_the_detector(information), model.middle)
        gram = _gram(equations.mixtures, information)
        return cls(
            1 / np.sqrt(weight),
            np.linalg.inv(np.linalg.cholesky(gram)),
            passed_frequencies(weight.shape[0], model.start.oversample, cutoff),
        )

    def step(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """(mode, D, D) corrections of scaled unknowns."""
        return filtered(np.tensordot(self.spread_out.T, self.scale * v, axes=1), self.passed)

    def gradient(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """The transpose of :meth:`step`."""
        return self.scale * np.tensordot(self.spread_out, filtered(v, self.passed), axes=1)


def visible_change(model: Model, step: NDArray[np.float64]) -> float:
    """Largest change of a sample at nine places of the detector, in parts of the peak.

    What stars cannot tell and so drifts does not count: changes that are made up for by the
    stars' flux, place and sky.
    """
    start, reach = model.start, model.half * model.start.oversample
    rows, columns = model.shape
    x, y = (a.ravel() for a in np.meshgrid(CHECKED * (columns - 1), CHECKED * (rows - 1)))
    changes = model.with_corrections(model.patches(step)).corrections_at(x, y)
    wave, inner = float(start.wavelengths.mean()), _middle(changes.shape[-1], model.middle, reach)
    side = np.arange(-reach, reach + 1)
    within = np.hypot(*np.meshgrid(side, side)) < reach
    largest = 0.0
    for number, correction in enumerate(model.corrections_at(x, y)):
        whole = start.at(x[number], y[number], wave).astype(float)
        psf = whole[_middle(len(whole), len(whole) // 2, reach)] + correction[inner]
        free = np.stack([psf, *np.gradient(psf), np.ones_like(psf)])[:, within].T
        change = changes[number][inner][within]
        rest = change - free @ np.linalg.lstsq(free, change)[0]
        largest = max(largest, float(np.abs(rest).max() / psf.max()))
    return largest


def _middle(size: int, middle: int, reach: int) -> tuple[slice, slice]:
    """So many samples on each side of the middle, which have to be there."""
    assert reach <= middle < size - reach
    part = slice(middle - reach, middle + reach + 1)
    return part, part


def _gram(mixtures: NDArray[np.float32], information: NDArray[np.float32]) -> NDArray[np.float64]:
    """(mode, mode) mean product of the polynomials over the stars' information."""
    share = information.sum(axis=(1, 2), dtype=float)
    return np.einsum("n,nk,nl->kl", share / share.sum(), mixtures, mixtures)


def _by_radius(weight: NDArray[np.float64], middle: int) -> NDArray[np.float64]:
    """Mean weight of the samples at each distance from the star, not below a least one."""
    side = np.arange(len(weight)) - middle
    ring = np.rint(np.hypot(*np.meshgrid(side, side))).astype(int)
    mean = np.bincount(ring.ravel(), weight.ravel()) / np.bincount(ring.ravel())
    return np.maximum(mean, LEAST_WEIGHT * mean.max())[ring]


def passed_frequencies(size: int, oversample: int, cutoff: float) -> NDArray[np.float64]:
    """(size, size / 2 + 1) what part of each spatial frequency is kept."""
    along_y, along_x = np.fft.fftfreq(size) * oversample, np.fft.rfftfreq(size) * oversample
    beyond = (np.hypot(along_y[:, None], along_x) / cutoff - 1) / ROLL_OFF
    return np.cos(np.pi / 2 * np.clip(beyond, 0, 1)) ** 2


def filtered(modes: NDArray[np.float64], passed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Arrays (..., size, size) with each frequency multiplied by what is kept of it."""
    return np.fft.irfft2(np.fft.rfft2(modes) * passed, modes.shape[-2:])


def _variance(variance: NDArray[np.float64], passed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of samples after the filter, which makes each a weighted mean of those around."""
    kernel = np.fft.irfft2(passed, variance.shape)
    return np.fft.irfft2(np.fft.rfft2(variance) * np.fft.rfft2(kernel**2), variance.shape)


def _conjugate_gradients(
    normal: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    target: NDArray[np.float64],
    most_steps: int,
) -> NDArray[np.float64]:
    """Solve ``normal(v) = target`` from zero."""
    solution, rest = np.zeros_like(target), target
    direction, size = rest, float((rest**2).sum())
    goal = TOLERANCE**2 * size
    for _ in range(most_steps):
        if size <= goal:
            break
        image = normal(direction)
        length = size / float((direction * image).sum())
        solution = solution + length * direction
        rest = rest - length * image
        size, before = float((rest**2).sum()), size
        direction = rest + size / before * direction
    return solution
