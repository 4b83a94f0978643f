"""Comparing a PSF with stars that it was not made from, or with another PSF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.matching.apertures import encircled
from roman_dms.psf.validation.moments import adaptive_moments
from roman_dms.psf.validation.report import Validation
from roman_dms.psf.validation.rho import Rho, rho_statistics
from roman_dms.psf.validation.stars import StarFits, Stars, fit_stars

RADII = (1.0, 2.0, 3.0, 4.0, 6.0)
"""Of the circles within which light is compared [pixel]."""

FEWEST = 3
"""Stars that a validation needs."""

PHASES = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.25, 0.25))
"""Places in a pixel at which a PSF is compared with another on pixels."""


def validate(
    psf: PsfGrid,
    stars: Stars,
    *,
    wavelength: float | None = None,
    radii: tuple[float, ...] = RADII,
    sky: bool = False,
    workers: int = 2,
) -> Validation:
    """How well a PSF describes stars.

    Parameters
    ----------
    psf
        Effective PSFs of the detector from which the stars are.
    stars
        Single stars, better none of those that the PSF was made from.
    wavelength
        Mean wavelength of their light [micron]; the middle of the components by default.
    radii
        Of circles within which light is compared; those that the images do not hold are
        left out [pixel].
    sky
        Whether each star has a constant sky of its own.
    workers
        Threads.

    Returns
    -------
    Validation
        Relative to the catalogue's light where the stars have one, else to the light in the
        largest circle.

    Raises
    ------
    UsageError
        If the images are wider than the PSF, or fewer than three stars can be fitted.
    """
    field = PsfField.of(psf, wavelength)
    fits = fit_stars(stars, field, sky=sky, workers=workers)
    good = np.isfinite(fits.chi2)
    if good.sum() < FEWEST:
        raise UsageError(
            f"{good.sum()} of {len(stars)} stars could be fitted.",
            f"{FEWEST} stars or more, isolated, near the places that were given",
            "check the places (first pixel at 0), and that image and PSF belong together",
        )
    half = stars.images.shape[-1] // 2
    kept = tuple(radius for radius in radii if radius <= half - 1)
    shapes = _shapes(field, fits.x[good], fits.y[good])
    light = _within(fits, good, half, kept)
    return Validation(
        subject=f"stars and the PSF of {psf.detector} in {psf.element}",
        x=fits.x[good],
        y=fits.y[good],
        significance=fits.significance[good],
        shape=shapes,
        errors=fits.shape[good],
        errors_noise=fits.shape_error[good],
        shift=np.column_stack([fits.x - stars.x, fits.y - stars.y])[good],
        flux=_flux(stars, fits, good, light),
        flux_noise=1 / fits.significance[good],
        radii=kept,
        encircled=light,
        chi2=fits.chi2[good],
        residual=_stacked(fits, good),
        peak=float(field.pixels(float(field.nodes_x[0]), float(field.nodes_y[0]), 1).max()),
        rho=_rho(fits, good, shapes),
        colour=None if stars.colour is None else stars.colour[good],
        failed=int((~good).sum()),
    )


def compare(
    psf: PsfGrid,
    reference: PsfGrid,
    *,
    wavelength: float | None = None,
    reference_wavelength: float | None = None,
    places: tuple[int, int] = (5, 5),
    radii: tuple[float, ...] = RADII,
    workers: int = 2,
) -> Validation:
    """How well a PSF describes another, over the detector.

    Size, shape, centre and encircled light are those of the oversampled PSFs; light is what a
    fit of the PSF on pixels finds for noiseless stars with the reference's.

    Parameters
    ----------
    psf, reference
        Effective PSFs of one detector and element.
    wavelength, reference_wavelength
        Mean wavelength of the light in each [micron]; the middle of the components by
        default, and the same in both if one is given.
    places
        How many columns and rows of places, over the nodes of the reference.
    radii
        Of circles within which light is compared [pixel].
    workers
        Threads.

    Raises
    ------
    UsageError
        If the PSFs are of different detectors or elements.
    """
    if (psf.detector, psf.element) != (reference.detector, reference.element):
        raise UsageError(
            f"The PSFs are of {psf.detector} in {psf.element} and of {reference.detector} in"
            f" {reference.element}.",
            "PSFs of one detector and element",
        )
    one = PsfField.of(psf, wavelength or reference_wavelength)
    other = PsfField.of(reference, reference_wavelength or wavelength)
    half = min(one.reach, other.reach, 12)
    x, y = _places(other, places)
    images = np.array([other.pixels(a, b, half) for a, b in zip(x, y, strict=True)])
    noise = np.full(images.shape, 1e-3 * images.max(), np.float32)
    stars = Stars(images, noise, x, y, flux=np.ones(len(x)))
    found = validate(psf, stars, wavelength=wavelength or reference_wavelength, workers=workers)
    exact = _oversampled(one, other, found, tuple(r for r in radii if r <= half))
    nothing = np.zeros(len(found.x))
    return replace(
        exact,
        subject=f"two PSFs of {psf.detector} in {psf.element}",
        significance=np.full(len(found.x), np.inf),
        errors_noise=np.zeros_like(found.errors),
        flux_noise=nothing,
        chi2=nothing + np.nan,
    )


def _oversampled(
    psf: PsfField, reference: PsfField, found: Validation, radii: tuple[float, ...]
) -> Validation:
    """The same with moments and light of the oversampled PSFs at the places of the stars."""
    centres = sorted({(round(x), round(y)) for x, y in zip(found.x, found.y, strict=True)})
    samplings = psf.oversample, reference.oversample
    table = np.array(
        [
            _difference(_at(psf, *place), _at(reference, *place), samplings, radii)
            for place in centres
        ]
    )
    each = [centres.index((round(x), round(y))) for x, y in zip(found.x, found.y, strict=True)]
    table = table[each]
    return replace(
        found,
        errors=table[:, :3],
        shift=table[:, 3:5],
        radii=radii,
        encircled=table[:, 5:],
    )


def _difference(
    psf: NDArray[np.float64],
    reference: NDArray[np.float64],
    samplings: tuple[int, int],
    radii: tuple[float, ...],
) -> list[float]:
    """T, e1, e2, x, y and light within circles of a reference, minus those of a PSF."""
    first, second = (
        adaptive_moments(samples, sigma=float(oversample))
        for samples, oversample in zip((psf, reference), samplings, strict=True)
    )
    widths = first.size[0] / samplings[0] ** 2, second.size[0] / samplings[1] ** 2
    before, after = encircled(psf, samplings[0], radii), encircled(reference, samplings[1], radii)
    return [
        widths[1] / widths[0] - 1,
        second.e1[0] - first.e1[0],
        second.e2[0] - first.e2[0],
        second.x[0] / samplings[1] - first.x[0] / samplings[0],
        second.y[0] / samplings[1] - first.y[0] / samplings[0],
        *np.subtract(after, before),
    ]


def _places(field: PsfField, count: tuple[int, int]) -> tuple[NDArray[np.float64], ...]:
    """Places over a detector, each at four phases of its pixel."""
    axes = [
        np.round(np.linspace(nodes[0], nodes[-1], number)) if number > 1 else nodes.mean()
        for nodes, number in zip((field.nodes_x, field.nodes_y), count, strict=True)
    ]
    columns, rows = (axis.ravel() for axis in np.meshgrid(*axes))
    phases = np.array(PHASES)
    x, y = columns[:, None] + phases[:, 0], rows[:, None] + phases[:, 1]
    return x.ravel(), y.ravel()


def _at(field: PsfField, x: float, y: float) -> NDArray[np.float64]:
    """The oversampled PSF at one place, bilinear between the nodes."""
    rows, columns = (
        np.array([np.interp(place, nodes, unit) for unit in np.eye(len(nodes))])
        for nodes, place in ((field.nodes_y, y), (field.nodes_x, x))
    )
    return np.tensordot(np.outer(rows, columns), field.samples, axes=2)


def _shapes(field: PsfField, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) distortion of the PSF at places: that of the nodes, bilinear between them."""
    samples = field.samples.reshape(-1, *field.samples.shape[-2:])
    found = adaptive_moments(samples, sigma=float(field.oversample))
    shape = field.samples.shape[:2]
    rows, columns = (
        np.array([np.interp(places, nodes, unit) for unit in np.eye(len(nodes))])
        for nodes, places in ((field.nodes_y, y), (field.nodes_x, x))
    )
    return np.column_stack(
        [np.einsum("in,jn,ij->n", rows, columns, e.reshape(shape)) for e in (found.e1, found.e2)]
    )


def _within(
    fits: StarFits, good: NDArray[np.bool_], half: int, radii: tuple[float, ...]
) -> NDArray[np.float64]:
    """(n, radius) what is left of each star within circles about it."""
    place = np.arange(-half, half + 1)
    away_x = (fits.x - np.round(fits.x))[good, None, None]
    away_y = (fits.y - np.round(fits.y))[good, None, None]
    distance = np.hypot(place[:, None] - away_y, place - away_x)
    left = fits.residuals[good]
    inside = [np.clip(radius - distance + 0.5, 0, 1) for radius in radii]
    return np.stack([(weight * left).sum(axis=(1, 2)) for weight in inside], axis=1)


def _flux(
    stars: Stars, fits: StarFits, good: NDArray[np.bool_], light: NDArray[np.float64]
) -> NDArray[np.float64]:
    if stars.flux is not None:
        return fits.flux[good] / stars.flux[good] - 1
    return -light[:, -1]


def _stacked(fits: StarFits, good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean residual of the better half of the stars."""
    order = np.flatnonzero(good)[np.argsort(-fits.significance[good], kind="stable")]
    return np.median(fits.residuals[order[: max(len(order) // 2, FEWEST)]], axis=0).astype(float)


def _rho(fits: StarFits, good: NDArray[np.bool_], shapes: NDArray[np.float64]) -> Rho | None:
    errors = fits.shape[good]
    return rho_statistics(
        fits.x[good],
        fits.y[good],
        shapes[:, 0] + 1j * shapes[:, 1],
        errors[:, 0],
        errors[:, 1] + 1j * errors[:, 2],
    )
