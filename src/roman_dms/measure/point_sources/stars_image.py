"""Images of stars from their fits: what they are, and what is left without them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.measure.point_sources.fits import PointFits
from roman_dms.psf.evaluation import (
    PsfField,
    blend,
    evaluate,
    padded,
    patch_shape,
)

BAND = 512
"""Rows that one thread draws at a time."""


def model(
    shape: tuple[int, int],
    fits: PointFits,
    psf: PsfField,
    faintest: float,
    workers: int = 2,
) -> NDArray[np.float32]:
    """The image of stars.

    Parameters
    ----------
    shape
        (rows, columns).
    fits
        Stars; those that were not fitted are left out.
    psf
        Their effective PSFs.
    faintest
        Mean light a pixel around a star that may be left out, in units of the image.
    workers
        Threads; the result does not depend on them.
    """
    image = np.zeros(shape, np.float32)
    fitted = np.isfinite(fits.x) & np.isfinite(fits.flux)
    stars = np.array([fits.x[fitted], fits.y[fitted], fits.flux[fitted]])
    add_stars(image, psf, stars, drawn_halves(psf, stars[2], faintest), workers)
    return image


def subtracted(
    light: NDArray[np.float32],
    fits: PointFits,
    psf: PsfField,
    faintest: float,
    workers: int = 2,
) -> NDArray[np.float32]:
    """An image without stars that were fitted; the arguments are those of `model`."""
    rows, columns = light.shape
    return light - model((rows, columns), fits, psf, faintest, workers)


def drawn_halves(psf: PsfField, flux: NDArray[np.float64], faintest: float) -> NDArray[np.int64]:
    """Pixels on each side of a star to where its mean light has fallen to a limit."""
    allowed = faintest / np.maximum(np.abs(flux), 1e-300)
    return np.searchsorted(-psf.fading, -allowed).astype(np.int64)


def add_stars(
    image: NDArray[np.float32],
    psf: PsfField,
    stars: NDArray[np.float64],
    halves: NDArray[np.int64],
    workers: int,
    *,
    instead_of: NDArray[np.float64] | None = None,
) -> None:
    """Add stars to an image, each as far out as it is told.

    Parameters
    ----------
    image
        (rows, columns), changed.
    psf
        Their effective PSFs.
    stars
        (3, n) columns, rows and fluxes.
    halves
        (n,) pixels on each side of each.
    workers
        Threads; the result does not depend on them.
    instead_of
        (3, n) what is taken away at the same time: the same stars as they were.
    """
    near = np.minimum(halves, psf.reach).astype(np.int64)
    states = (stars,) if instead_of is None else (stars, instead_of)
    x, y = np.rint(np.array([state[:2] for state in states])).astype(np.int64).transpose(1, 0, 2)
    first_x, last_x, first_y, last_y = x.min(0), x.max(0), y.min(0), y.max(0)
    wide = np.flatnonzero(halves > psf.reach)
    field = (psf.coefficients, psf.nodes_x, psf.nodes_y)

    def draw(top: int) -> None:
        band = image[top : top + BAND]
        end = top + band.shape[0]
        seen = (last_x + near >= 0) & (first_x - near < image.shape[1])
        seen &= (last_y + near >= top) & (first_y - near < end)
        some = np.flatnonzero(seen)
        old = np.zeros((3, 0)) if instead_of is None else instead_of[:, some]
        _draw(band, top, *field, stars[:, some], old, near[some])
        far = wide[(last_y[wide] + halves[wide] >= top) & (first_y[wide] - halves[wide] < end)]
        for state, sign in zip(states, (1, -1), strict=False):
            some_x, some_y, flux = state[:, far]
            _draw_wings(band, top, psf.wings, some_x, some_y, sign * flux, near[far], halves[far])

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(draw, range(0, image.shape[0], BAND)))


@njit(nogil=True, cache=True)
def _draw(image, top, coefficients, nodes_x, nodes_y, stars, old, halves):  # type: ignore[no-untyped-def]
    """Add the inner parts of stars to some rows of an image, and take the old ones away."""
    if halves.size == 0:
        return
    most = halves.max()
    patch = np.zeros(patch_shape(coefficients.shape[2], most), np.float32)
    out = np.empty((1, 2 * most + 1, padded(2 * most + 1)), np.float32)
    for i in range(halves.size):
        # what a star's PSF changes in a step of its fit is not noticed
        blend(coefficients, nodes_x, nodes_y, stars[0, i], stars[1, i], halves[i], patch)
        _put(image, top, patch, stars[0, i], stars[1, i], stars[2, i], halves[i], out)
        if i < old.shape[1]:
            _put(image, top, patch, old[0, i], old[1, i], -old[2, i], halves[i], out)


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _put(image, top, patch, x, y, flux, half, out):  # type: ignore[no-untyped-def]
    """Add one star."""
    rows, columns = image.shape
    column, row = int(np.rint(x)), int(np.rint(y)) - top
    evaluate(patch, half, x - column, y - (row + top), out)
    scale = np.float32(flux)
    first, last = max(column - half, 0), min(column + half + 1, columns)
    for r in range(max(row - half, 0), min(row + half + 1, rows)):
        source = out[0, r - row + half, first - column + half : last - column + half]
        target = image[r, first:last]
        for k in range(last - first):
            target[k] += scale * source[k]


@njit(nogil=True, cache=True)
def _draw_wings(image, top, wings, x, y, flux, inner, halves):  # type: ignore[no-untyped-def]
    """Add the wings of stars, beyond squares around them, to some rows of an image."""
    rows, columns = image.shape
    middle = wings.shape[0] // 2
    for i in range(x.size):
        half, near = halves[i], inner[i]
        column, row = int(np.rint(x[i])), int(np.rint(y[i])) - top
        left, low = int(np.floor(column - x[i])), int(np.floor(row + top - y[i]))
        right, up = np.float32(column - x[i] - left), np.float32(row + top - y[i] - low)
        scale = np.float32(flux[i])
        first, last = (
            max(column - half, column - left - middle, 0),
            min(column + half + 1, column - left + middle, columns),
        )
        for r in range(
            max(row - half, row - low - middle, 0), min(row + half + 1, row - low + middle, rows)
        ):
            lower = wings[r - row + low + middle]
            upper = wings[r - row + low + middle + 1]
            hole = abs(r - row) <= near
            for start, stop in (
                (first, column - near if hole else last),
                (column + near + 1 if hole else last, last),
            ):
                _add_wing(
                    image[r],
                    lower,
                    upper,
                    max(start, first),
                    min(stop, last),
                    left + middle - column,
                    right,
                    up,
                    scale,
                )


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _add_wing(line, lower, upper, first, last, shift, right, up, scale):  # type: ignore[no-untyped-def]
    """Add a piece of a row of wings, bilinear between pixels."""
    one = np.float32(1)
    for c in range(first, last):
        to = c + shift
        below = (one - right) * lower[to] + right * lower[to + 1]
        above = (one - right) * upper[to] + right * upper[to + 1]
        line[c] += scale * ((one - up) * below + up * above)
