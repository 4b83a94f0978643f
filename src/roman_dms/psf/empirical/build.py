"""From exposures to an empirical PSF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import CalibrationError, UsageError
from roman_dms.psf.empirical.dithers import Combination, combined, shared_light
from roman_dms.psf.empirical.exposure import Exposure
from roman_dms.psf.empirical.finishing import Origin, assembled, passage
from roman_dms.psf.empirical.fitting import FIRST_ROUNDS, StarFits, fit_stars
from roman_dms.psf.empirical.gathering import StarList, gathered
from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.refinement import Refinement, refine
from roman_dms.psf.empirical.selection import agreeing
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.empirical.starting import cutoff_frequency, gaussian_grid
from roman_dms.psf.empirical.weighting import ModelError, measured_error
from roman_dms.psf.grid import PsfGrid

Start = Literal["optical", "gaussian"]


@dataclass(frozen=True)
class Settings:
    """How an empirical PSF is built."""

    start: Start = "optical"
    """``optical``: what is fitted is the difference from the optical model.  ``gaussian``: no
    knowledge of the optics but for the wings, the scale and the origin."""

    degree: int | None = None
    """Degree of the polynomials over the detector; by the number of stars if not given."""

    origin: Origin = "optical"
    """What is at the origin (`roman_dms.psf.empirical.finishing.finished`)."""

    half: int = 8
    """Radius within which stars are fitted [pixel]."""

    most_stars: int = 1000
    """The brightest of each exposure, so many; they know most, and faint ones have neighbours."""

    model_error: float = 3e-4
    """By what part of its own light a pixel's model errs at least.  What it errs by is measured,
    as what the residuals exceed the noise by; without noise there would be nothing to tell."""

    rounds: int = 16
    """Most rounds of fitting stars and PSF in turn."""

    tolerance: float = 3e-4
    """Change of a sample in a round, in parts of the peak, at which they end."""

    workers: int = 2
    """Threads."""


@dataclass(frozen=True)
class EmpiricalPsf:
    """Effective PSFs from stars."""

    grid: PsfGrid
    """One component, at the mean wavelength of the stars' photons."""

    errors: NDArray[np.float32]
    """(node_y, node_x, S, S) standard error of each sample; 0 where the optical model stands
    for it, far out.  Errors of samples closer than half the inverse cutoff are correlated."""

    stars: int
    """Stars of the sky that were used."""

    images: int
    """Images of them that were used, in all exposures."""

    degree: int
    """Of the polynomials over the detector."""

    rounds: int
    """Of fitting stars and PSF in turn."""

    change: float
    """Of a sample in the last round, in parts of the peak."""

    converged: bool
    """Whether that was less than the tolerance; otherwise the rounds were spent before."""

    position_rms: float
    """Distance of a star in one exposure from its mean place, along an axis [pixel]."""

    chi_squared: float
    """Mean of the stars' reduced chi squared, the model's error included."""

    reach: float
    """Radius within which the PSF is that of the stars [pixel]."""

    settings: Settings
    """How it was built."""

    exposures: tuple[str, ...]
    """Names of the images."""

    dates: tuple[str, ...] = ()
    """When they were taken, UTC."""


DEGREES = ((400, 3), (100, 2), (25, 1))
"""Stars for a polynomial of a degree, when the PSF starts as a Gaussian."""

FEWER = 1
"""By how much the degree is lower when it starts from the optical model."""

FEWEST_STARS = 5
"""Stars without which nothing is built."""


def empirical_psf(
    exposures: Sequence[Exposure],
    optical: PsfGrid,
    *,
    catalogue: StarList | None = None,
    nodes: tuple[int, int] = (9, 9),
    wavelength: float | None = None,
    settings: Settings | None = None,
) -> EmpiricalPsf:
    """Build effective PSFs from the stars in images of one detector and element.

    Parameters
    ----------
    exposures
        Images, dithered by parts of a pixel; of one alone pixel-phase errors remain.  Of
        several, stars count that were found in two or more.
    optical
        Optical model of the detector and element: start, wings, scale and origin.
    catalogue
        Which sources are stars, and in what light; all bright point sources if not given.
    nodes
        Columns and rows of nodes of the grid.
    wavelength
        Mean wavelength of the photons that the PSF is for [micron]; the catalogue's mean, or
        the middle of the optical model's, if not given.
    settings
        All else.

    Raises
    ------
    UsageError
        For settings that cannot be meant.
    CalibrationError
        If there are too few stars.
    """
    settings = settings or Settings()
    _check(exposures, nodes, settings)
    stamps, guesses, waves = gathered(exposures, catalogue, settings.half, settings.most_stars)
    _require(len(np.unique(stamps.star)), "bright stars that stand alone")
    if wavelength is None:
        wavelength = float(waves.mean() if waves is not None else optical.wavelengths.mean())
    cutoff = cutoff_frequency(optical.element)
    start = optical if settings.start == "optical" else gaussian_grid(optical, cutoff)
    shares = start.weights(waves if waves is not None else np.full(len(stamps), wavelength))
    model = _first(start, stamps, shares, exposures[0].data.shape, wavelength, settings)
    loop = _iterated(exposures, model, stamps, guesses, shares, cutoff, settings)
    return _result(exposures, optical, loop, nodes, wavelength, settings)


def _first(
    start: PsfGrid,
    stamps: Stamps,
    shares: NDArray[np.float32],
    shape: tuple[int, int],
    wavelength: float,
    settings: Settings,
) -> Model:
    """The model before any round, with as many corrections as the stars bear."""
    degree = settings.degree
    if degree is None:
        degree = chosen_degree(len(np.unique(stamps.star)), settings.start == "optical")
    scatter = float((shares @ start.wavelengths).std())
    colours = (wavelength, scatter) if scatter > LEAST_SCATTER * wavelength else None
    return Model.of(start, degree, shape, settings.half, colours)


@dataclass(frozen=True)
class _Loop:
    """Where the rounds have led to."""

    refinement: Refinement
    stamps: Stamps
    fits: StarFits
    rounds: int
    position_rms: float


def _iterated(
    exposures: Sequence[Exposure],
    model: Model,
    stamps: Stamps,
    guesses: NDArray[np.float64],
    shares: NDArray[np.float32],
    cutoff: float,
    settings: Settings,
) -> _Loop:
    """Fit stars and PSF in turn until the PSF changes no more."""
    whole, workers = stamps, settings.workers
    fits = StarFits.guessed(guesses)
    error = ModelError.of(settings.model_error, FIRST_DOUBT[settings.start])
    for turn in range(settings.rounds):
        rounds = FIRST_ROUNDS if turn == 0 else LATER_ROUNDS
        fits, mean = _fitted(exposures, model, stamps, fits, shares, error.values, rounds, workers)
        stamps, sound = agreeing(
            model, whole, fits, shares, error.values, workers,
            trusted=error.values[0] < TRUSTED_ERROR,
        )  # fmt: skip
        used = mean.agree & fits.good & sound
        _require(len(np.unique(stamps.star[used])), "stars that the PSF fits")
        some, found = stamps[used], fits.found[used]
        found[:, [0, 3]] = shared_light(some, found, fits.errors[used], len(exposures))
        known = measured_error(model, some, found, shares[used], error.values, workers)
        error = replace(error, known=known)
        refinement = refine(
            model, some, found, mean.jacobians[used], shares[used], cutoff, error.values,
            FEW_STEPS if error.doubt > 0 else MANY_STEPS, workers,
        )  # fmt: skip
        model = refinement.model
        if refinement.change < settings.tolerance and error.doubt == 0:
            break
        error = error.after(refinement.change)
    return _Loop(refinement, stamps[used], fits.select(used), turn + 1, mean.rms)


def _fitted(
    exposures: Sequence[Exposure],
    model: Model,
    stamps: Stamps,
    fits: StarFits,
    shares: NDArray[np.float32],
    errors: NDArray[np.float64],
    rounds: int,
    workers: int,
) -> tuple[StarFits, Combination]:
    """Stars fitted alone, their places averaged over the exposures, and their light fitted there.

    ``errors`` is the model's error as of `refine`, ``rounds`` the iterations of the first fit.
    """
    fits = fit_stars(model, stamps, fits, shares, errors, rounds=rounds, workers=workers)
    doubt = float(errors[0])
    mean = combined(exposures, stamps, fits.found, fits.errors, fits.like_stars(doubt), doubt)
    return fit_stars(model, stamps, fits.at(mean.places), shares, errors, workers=workers), mean


FIRST_DOUBT = {"optical": 0.05, "gaussian": 0.1}
"""What part of its own light a pixel of the start may err by."""

TRUSTED_ERROR = 0.03
"""Error of the PSF from which stars' cores that disagree with it are left out, as are pixels
farther out from the beginning."""

FEW_STEPS, MANY_STEPS = 25, 100
"""Of the conjugate gradients, on the way and in the last rounds."""

LEAST_SCATTER = 1e-4
"""Scatter of the stars' wavelengths, as a part of them, from which the PSF is fitted with a
correction that goes with the colour."""

LATER_ROUNDS = 3
"""Iterations of the fit of a star after the first round."""


def _result(
    exposures: Sequence[Exposure],
    optical: PsfGrid,
    loop: _Loop,
    nodes: tuple[int, int],
    wavelength: float,
    settings: Settings,
) -> EmpiricalPsf:
    model, reach = loop.refinement.model, float(settings.half)
    rows, columns = model.shape
    nodes_x, nodes_y = _nodes(nodes[0], columns), _nodes(nodes[1], rows)
    grid_x, grid_y = (a.ravel() for a in np.meshgrid(nodes_x, nodes_y))
    size = optical.samples.shape[-1]
    cores = np.array(
        [model.start.at(x, y, wavelength) for x, y in zip(grid_x, grid_y, strict=True)], float
    )
    cores += _framed(model.corrections_at(grid_x, grid_y), model.middle, size)
    grid = assembled(
        cores.reshape(*nodes[::-1], size, size), optical, nodes_x, nodes_y, wavelength, reach,
        settings.origin,
    )  # fmt: skip
    chi = float(np.mean(loop.fits.reduced_chi_squared))
    errors = _errors(loop, grid_x, grid_y, size, reach)
    return EmpiricalPsf(
        grid=grid,
        errors=errors.reshape(*nodes[::-1], size, size),
        stars=len(np.unique(loop.stamps.star)),
        images=len(loop.stamps),
        degree=model.degree,
        rounds=loop.rounds,
        change=loop.refinement.change,
        converged=loop.refinement.change < settings.tolerance,
        position_rms=loop.position_rms,
        chi_squared=chi,
        reach=reach,
        settings=settings,
        exposures=tuple(exposure.name for exposure in exposures),
    )


def _errors(
    loop: _Loop, x: NDArray[np.float64], y: NDArray[np.float64], size: int, reach: float
) -> NDArray[np.float32]:
    """(n, S, S) standard errors of the samples at places."""
    refinement, model = loop.refinement, loop.refinement.model
    mixtures = model.mixtures(x, y).astype(float)
    length = np.einsum("nk,kl,nl->n", mixtures, refinement.mixture_covariance, mixtures)
    variance = _framed(refinement.sample_variance[None], model.middle, size)[0]
    side = (np.arange(size) - (size - 1) / 2) / model.start.oversample
    share = passage(np.hypot(*np.meshgrid(side, side)), reach)
    scatter = np.sqrt(np.maximum(variance, 0)) * share
    return (np.sqrt(length)[:, None, None] * scatter).astype(np.float32)


def _framed(dense: NDArray[np.float64], middle: int, size: int) -> NDArray[np.float64]:
    """(n, S, S): arrays with the star at ``middle``, cut or set into zeros around it."""
    half = (size - 1) // 2
    reach = min(middle, dense.shape[-1] - 1 - middle, half)
    framed = np.zeros((len(dense), size, size))
    inner = slice(half - reach, half + reach + 1)
    outer = slice(middle - reach, middle + reach + 1)
    framed[:, inner, inner] = dense[:, outer, outer]
    return framed


def _nodes(count: int, width: int) -> NDArray[np.float64]:
    """Nodes from the first pixel to the last; a single one in the middle."""
    return np.linspace(0, width - 1, count) if count > 1 else np.array([(width - 1) / 2])


def chosen_degree(stars: int, optics: bool) -> int:
    """Degree of the polynomials that so many stars bear."""
    degree = next((degree for least, degree in DEGREES if stars >= least), 0)
    return max(degree - FEWER, 0) if optics else degree


def _require(stars: int, what: str) -> None:
    if stars < FEWEST_STARS:
        raise CalibrationError(
            f"There are {stars} {what}.",
            f"{FEWEST_STARS} or more",
            "give more exposures, or images of a field with more stars",
        )


def _check(exposures: Sequence[Exposure], nodes: tuple[int, int], settings: Settings) -> None:
    if not exposures:
        raise UsageError("No images were given.", "one image or more, best dithered ones")
    shapes = {exposure.data.shape for exposure in exposures}
    if len(shapes) != 1:
        raise UsageError(f"The images have the shapes {sorted(shapes)}.", "images of one shape")
    if settings.start not in {"optical", "gaussian"}:
        raise UsageError(f"There is no start {settings.start!r}.", "'optical' or 'gaussian'")
    if settings.origin not in {"optical", "centroid"}:
        raise UsageError(f"There is no origin {settings.origin!r}.", "'optical' or 'centroid'")
    if min(nodes) < 1 or settings.half < 4 or settings.rounds < 1 or settings.model_error < 0:
        raise UsageError(
            f"{nodes} nodes, a radius of {settings.half} pixels, {settings.rounds} rounds and"
            f" a model error of {settings.model_error} were asked for.",
            "one node or more, 4 pixels or more, one round or more, an error of 0 or more",
        )
