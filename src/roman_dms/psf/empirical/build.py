"""From exposures to an empirical PSF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import CalibrationError, UsageError
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.psf.empirical.dithers import Combination, combined, shared_light
from roman_dms.psf.empirical.exposure import Exposure
from roman_dms.psf.empirical.finishing import Origin, assembled, passage
from roman_dms.psf.empirical.fitting import FIRST_ROUNDS, StarFits, fit_stars
from roman_dms.psf.empirical.gathering import StarList, gathered
from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.refinement import (
    Refinement,
    filtered,
    passed_frequencies,
    refine,
)
from roman_dms.psf.empirical.selection import agreeing
from roman_dms.psf.empirical.stamps import Stamps
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.pupil import DIAMETER

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

    model_error: float = 0.003
    """By what part of its own light a pixel's model may err, for stars differ in colour."""

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
    optics = settings.start == "optical"
    cutoff = cutoff_frequency(optical.element)
    start = optical if optics else gaussian_grid(optical, cutoff)
    colours = waves if waves is not None else np.full(len(stamps), wavelength)
    shares = start.weights(colours)
    degree = settings.degree
    if degree is None:
        degree = chosen_degree(len(np.unique(stamps.star)), optics)
    model = Model.of(start, degree, exposures[0].data.shape, settings.half)
    loop = _iterated(exposures, model, stamps, guesses, shares, cutoff, settings)
    return _result(exposures, optical, loop, nodes, wavelength, settings)


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
    least = max(settings.model_error, DOUBT * settings.tolerance)
    error = max(least, FIRST_ERROR[settings.start])
    for turn in range(settings.rounds):
        rounds = FIRST_ROUNDS if turn == 0 else LATER_ROUNDS
        doubts = np.array([error, OUTSIDE * (error - least)])
        errors = np.array([error, doubts[1] + LEAST_OUTSIDE])
        fits, mean = _fitted(exposures, model, stamps, fits, shares, errors, rounds, workers)
        stamps, sound = agreeing(
            model, whole, fits, shares, doubts, workers, trusted=error < TRUSTED_ERROR
        )
        used = mean.agree & fits.good & sound
        _require(len(np.unique(stamps.star[used])), "stars that the PSF fits")
        some, found = stamps[used], fits.found[used]
        found[:, [0, 3]] = shared_light(some, found, fits.errors[used], len(exposures))
        refinement = refine(
            model, some, found, mean.jacobians[used], shares[used], cutoff, errors, workers
        )
        model = refinement.model
        if refinement.change < settings.tolerance and error <= least:
            break
        error = float(np.clip(DOUBT * refinement.change, least, error))
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


FIRST_ERROR = {"optical": 0.05, "gaussian": 0.1}
"""What part of its own light a pixel of the start may err by."""

DOUBT = 3.0
"""What a pixel may err by after a round, in units of the change that the round has brought."""

TRUSTED_ERROR = 0.03
"""Error of the PSF from which stars' cores that disagree with it are left out, as are pixels
farther out from the beginning."""

OUTSIDE = 0.3
"""The same error in parts of the star's light, the same for all of its pixels, in units of the
other: a start may lack light where the PSF has much."""

LEAST_OUTSIDE = 1e-4
"""The least such error, about the sky's noise of a star of middling brightness: keeps the wings
of the brightest stars from deciding alone."""

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


def cutoff_frequency(element: str) -> float:
    """Highest spatial frequency that the telescope passes in an element [cycle / pixel]."""
    edge = optical_element(element).blue_edge
    assert edge is not None
    return float(DIAMETER / (edge * 1e-6) * np.deg2rad(PIXEL_SCALE / 3600))


def gaussian_grid(optical: PsfGrid, cutoff: float) -> PsfGrid:
    """A round Gaussian as wide as the diffraction of a telescope without aberrations.

    That of a circular pupil fits a Gaussian of 0.42 lambda / D; pixel and charge diffusion add
    their variances, 1 / 12 and 0.01.  What it has beyond the cutoff no star could take away.
    """
    waves = float(optical.wavelengths.mean()) * 1e-6
    width = 0.42 * waves / DIAMETER / np.deg2rad(PIXEL_SCALE / 3600)
    variance = width**2 + 1 / 12 + 0.01
    size = optical.samples.shape[-1]
    side = (np.arange(size) - (size - 1) / 2) / optical.oversample
    line = np.exp(-(side**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    passed = passed_frequencies(size, optical.oversample, cutoff)
    return replace(
        optical,
        nodes_x=np.zeros(1),
        nodes_y=np.zeros(1),
        wavelengths=optical.wavelengths[:1],
        samples=filtered(np.outer(line, line), passed).astype(np.float32)[None, None, None],
    )


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
