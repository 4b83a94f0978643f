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
    wing_pixels,
)

BAND = 256
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
    x, y, flux = fits.x[fitted], fits.y[fitted], fits.flux[fitted]
    halves = drawn_halves(psf, flux, faintest)
    add_stars(image, psf, x, y, flux, halves, workers)
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
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    flux: NDArray[np.float64],
    halves: NDArray[np.int64],
    workers: int,
) -> None:
    """Add stars to an image, each as far out as it is told."""
    near = np.minimum(halves, psf.reach).astype(np.int64)
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    wide = np.flatnonzero(halves > psf.reach)
    rows = image.shape[0]

    def draw(top: int) -> None:
        band = image[top : top + BAND]
        end = top + band.shape[0]
        touched = (row + near >= top) & (row - near < end)
        chosen = np.flatnonzero(touched & (column + near >= 0) & (column - near < image.shape[1]))
        _draw(
            band, top, psf.coefficients, psf.nodes_x, psf.nodes_y,
            x[chosen], y[chosen], flux[chosen], near[chosen],
        )  # fmt: skip
        far = wide[(row[wide] + halves[wide] >= top) & (row[wide] - halves[wide] < end)]
        _draw_wings(band, top, psf.wings, x[far], y[far], flux[far], near[far], halves[far])

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(draw, range(0, rows, BAND)))


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def _draw(image, top, coefficients, nodes_x, nodes_y, x, y, flux, halves):  # type: ignore[no-untyped-def]
    """Add the inner parts of stars to some rows of an image."""
    if x.size == 0:
        return
    rows, columns = image.shape
    most = halves.max()
    shape = patch_shape(coefficients.shape[2], most)
    patch = np.zeros(shape, np.float32)
    out = np.empty((1, 2 * most + 1, padded(2 * most + 1)), np.float32)
    for i in range(x.size):
        half = halves[i]
        column, row = int(np.rint(x[i])), int(np.rint(y[i])) - top
        blend(coefficients, nodes_x, nodes_y, x[i], y[i], half, patch)
        evaluate(patch, half, x[i] - column, y[i] - (row + top), out)
        scale = np.float32(flux[i])
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
    for i in range(x.size):
        half, near = halves[i], inner[i]
        column, row = int(np.rint(x[i])), int(np.rint(y[i])) - top
        stamp = wing_pixels(wings, x[i] - column, y[i] - (row + top), half)
        scale = np.float32(flux[i])
        for r in range(max(row - half, 0), min(row + half + 1, rows)):
            for c in range(max(column - half, 0), min(column + half + 1, columns)):
                if abs(r - row) > near or abs(c - column) > near:
                    image[r, c] += scale * stamp[r - row + half, c - column + half]
