"""The effective PSF of a mosaic, at a place where exposures overlap.

Drizzling spreads the light of a pixel evenly over its drop, a square ``pixfrac`` as wide,
and collects it in the mosaic's own pixels (Fruchter & Hook 2002, PASP 114, 144).  Over all
places of a star in the pixels, its image is the detector's effective PSF convolved with
drop and mosaic pixel; the mosaic's is the mean over exposures, weighted as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.effective import (
    EffectivePsf,
    OneColour,
    PsfModel,
    added_jitter,
    coloured,
)
from roman_dms.psf.resampling import Sampling, gaussian, interpolation, smoothing

FINEST = 16
"""Samples a mosaic pixel on the way, at most."""

Stamps = NDArray[np.float64]


@dataclass(frozen=True)
class Contribution:
    """An exposure where a mosaic is looked at."""

    model: PsfModel
    """PSFs of its detector."""

    x: float
    """Column of the place on the detector [pixel]."""

    y: float
    """Row [pixel]."""

    matrix: NDArray[np.float64]
    """(2, 2): offset (x, y) in detector pixels = matrix @ offset in mosaic pixels."""

    weight: float = 1.0
    """Its share in the mosaic there, on any scale."""

    jitter: float | None = None
    """Pointing jitter of the exposure, standard deviation an axis [arcsec]; as in ``model`` by
    default."""


def mosaic_psf(
    contributions: Sequence[Contribution],
    *,
    x: float = 0.0,
    y: float = 0.0,
    wavelength: float | None = None,
    pixfrac: float = 1.0,
    oversample: float = 1.0,
    size: int = 25,
    phase: bool = False,
) -> EffectivePsf:
    """The image of a star of unit light on a mosaic, with its errors.

    Parameters
    ----------
    contributions
        The exposures that the mosaic is made of at this place.
    x, y
        Place of the star on the mosaic [pixel]; it matters where ``phase`` is asked for.
    wavelength
        Mean wavelength of the detected photons [micron]; a G2V star's by default.
    pixfrac
        Width of the drops, in pixels of the detector, from 0 (points) to 1.
    oversample, size, phase
        Samples a mosaic pixel, width in mosaic pixels, and whether samples lie on the grid of
        pixels: see :func:`~roman_dms.psf.effective.effective_psf`.

    Returns
    -------
    EffectivePsf
        A single image; its errors are those of the exposures' models, which exposures of one
        detector share, and do not tell how few dithers sample the drops.

    Raises
    ------
    UsageError
        For no exposures, exposures of several elements, weights or drops that cannot be.
    """
    _check(contributions, pixfrac)
    shares = np.array([one.weight for one in contributions], float)
    shares /= shares.sum()
    sampling = Sampling.of(oversample, size, phase)
    fine = _samples_a_pixel(contributions)
    half = int((size + 1) / 2 * fine) + fine
    image: Stamps = np.zeros((2 * half + 1,) * 2)
    modes: dict[tuple[int, int], Stamps] = {}
    causes: dict[tuple[int, int], str] = {}
    scatter: dict[int, Stamps] = {}
    colours = {id(one.model): coloured(one.model, wavelength) for one in contributions}
    for one, share in zip(contributions, shares, strict=True):
        colour = colours[id(one.model)]
        stamps = share * _on_mosaic(one, colour, pixfrac, fine, half)
        image += stamps[0]
        scatter[id(one.model)] = (scatter.get(id(one.model), 0.0) ** 0.5 + abs(stamps[1])) ** 2
        for number, cause in enumerate(colour.causes):
            key = (id(one.model), number)
            modes[key] = modes.get(key, 0.0) + stamps[2 + number]
            causes[key] = cause
    noise = np.sqrt(sum(scatter.values(), np.zeros_like(image)))
    stamps = _sampled(np.array([image, noise, *modes.values()]), fine, sampling, x, y)
    place_x, place_y = np.array([float(x)]), np.array([float(y)])
    return EffectivePsf(
        stamps[:1],
        stamps[None, 2:],
        tuple(causes.values()),
        np.abs(stamps[1:2]),
        place_x,
        place_y,
        sampling.middle(place_x),
        sampling.middle(place_y),
        float(oversample),
        next(iter(colours.values())).wavelength,
        "; ".join(sorted({one.model.origin for one in contributions})),
    )


def _check(contributions: Sequence[Contribution], pixfrac: float) -> None:
    if not contributions:
        raise UsageError("No exposure was given.", "those that the mosaic is made of at the place")
    if len({one.model.grid.element for one in contributions}) > 1:
        raise UsageError("The exposures are in several elements.", "exposures in one element")
    weights = np.array([one.weight for one in contributions], float)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise UsageError(f"Weights {weights} were given.", "none below zero and some above")
    if not 0 <= pixfrac <= 1:
        raise UsageError(f"Drops of {pixfrac} pixels were asked for.", "from 0 to 1 pixel")
    for one in contributions:
        matrix = np.asarray(one.matrix, float)
        if matrix.shape != (2, 2) or not abs(np.linalg.det(matrix)) > 0:
            raise UsageError(
                f"The map of pixels {matrix.tolist()} cannot be inverted.", "a (2, 2) matrix"
            )


def _samples_a_pixel(contributions: Sequence[Contribution]) -> int:
    """Samples a mosaic pixel with which no detail of the PSFs is lost."""
    wanted = max(one.model.grid.oversample * np.linalg.norm(one.matrix, 2) for one in contributions)
    return int(np.clip(np.ceil(wanted), 2, FINEST))


def _on_mosaic(
    one: Contribution, colour: OneColour, pixfrac: float, fine: int, half: int
) -> Stamps:
    """(2 + k, T, T): image, scatter and modes of an exposure, ``fine`` samples a mosaic pixel.

    The drop follows the detector's axes, the pixel those of the mosaic.
    """
    from scipy.ndimage import map_coordinates, spline_filter  # noqa: PLC0415 - slow to import

    grid = colour.model.grid
    size, oversample = grid.samples.shape[-1], grid.oversample
    drop = smoothing(size, lambda f: np.sinc(pixfrac * oversample * f))
    blurred = gaussian(size, added_jitter(one.model, one.jitter) * oversample) @ drop
    steps = np.arange(-half, half + 1) / fine
    offsets = np.stack(np.meshgrid(steps, steps))
    matrix = np.asarray(one.matrix, float)
    columns, rows = np.tensordot(matrix, offsets, axes=1)
    inside = np.maximum(abs(columns), abs(rows)) <= grid.reach
    near = [(rows + grid.reach) * oversample, (columns + grid.reach) * oversample]
    stamps = []
    noise = colour.scatter(one.x, one.y)
    psf = colour.at(one.x, one.y)
    for layer in (psf, np.zeros_like(psf) if noise is None else noise, *colour.modes(one.x, one.y)):
        coefficients = spline_filter(blurred @ layer @ blurred.T, order=5, mode="mirror")
        values = map_coordinates(coefficients, near, order=5, mode="mirror", prefilter=False)
        stamps.append(np.where(inside, values, 0))
    if not inside.all():
        middle = (grid.wings.shape[0] - 1) / 2
        far = map_coordinates(grid.wings.astype(float), [rows + middle, columns + middle], order=3)
        stamps[0] = np.where(inside, stamps[0], far)
    pixel = smoothing(2 * half + 1, lambda f: np.sinc(fine * f))
    return abs(np.linalg.det(matrix)) * (pixel @ np.array(stamps) @ pixel.T)


def _sampled(
    stamps: Stamps, fine: int, sampling: Sampling, x: float, y: float
) -> NDArray[np.float32]:
    size = stamps.shape[-1]
    along_x, along_y = (interpolation(size, fine, sampling.offsets(place)) for place in (x, y))
    return (along_y @ stamps @ along_x.T).astype(np.float32)
