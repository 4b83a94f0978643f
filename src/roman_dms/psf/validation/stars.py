"""Stars cut out of an image, and what of each a PSF does not describe.

Pixels undersample the light, and moments of such images depend on where in its pixel a star
is, or do not exist.  So size and shape are compared by fitting: with which small Gaussian the
PSF P would have to be convolved, of negative variance too, to describe the star best.  A
Gaussian with the covariance V changes P by (V_xx P_xx + 2 V_xy P_xy + V_yy P_yy) / 2 to first
order, and the adaptive moments of P by what is found on its oversampled samples.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.evaluation import PsfField, blend, evaluate, padded, patch_shape
from roman_dms.psf.validation.moments import adaptive_moments

MOST_STEPS = 20

STEP = 1e-5
"""A star's place is found when it moves by less than this [pixel]."""

TERMS = 7
"""Light, place x and y, constant sky; V_xx + V_yy, V_xx - V_yy, 2 V_xy."""

PLACE = 4
"""How many of them place the star."""

LEAP = 0.05
"""Step with which slopes are differenced [pixel]."""

FARTHEST = 0.9
"""How far from the middle of its pixel a star may be found [pixel]."""


@dataclass(frozen=True)
class Stars:
    """Images of single stars, without sky."""

    images: NDArray[np.float32]
    """(n, S, S), S odd: the pixel of the star in the middle."""

    errors: NDArray[np.float32]
    """(n, S, S) standard deviation of each pixel; infinite where it says nothing."""

    x: NDArray[np.float64]
    """(n,) column of the star in the image that it is cut out of [pixel]."""

    y: NDArray[np.float64]
    """(n,) row [pixel]."""

    flux: NDArray[np.float64] | None = None
    """(n,) light of each star as another catalogue says, in the images' unit."""

    colour: NDArray[np.float64] | None = None
    """(n,) mean wavelength of the light, or any colour, in any unit."""

    def __post_init__(self) -> None:
        count, rows, columns = self.images.shape if self.images.ndim == 3 else (-1, 0, 0)
        shapes = {array.shape for array in (self.x, self.y)}
        if rows != columns or rows % 2 == 0 or shapes != {(count,)}:
            raise UsageError(
                f"Stars of the shape {self.images.shape} at places of the shapes {shapes}.",
                "(n, S, S) with S odd, and (n,) places",
            )

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def cut(
        cls,
        data: NDArray[np.floating],
        err: NDArray[np.floating],
        x: ArrayLike,
        y: ArrayLike,
        *,
        half: int,
        unusable: NDArray[np.bool_] | None = None,
        flux: ArrayLike | None = None,
        colour: ArrayLike | None = None,
    ) -> Stars:
        """Stars out of an image; those nearer to its edge than ``half`` are left out.

        Parameters
        ----------
        data, err
            (row, column) light without sky, and its standard deviation.
        x, y
            (n,) places [pixel].
        half
            Pixels on each side of a star's own.
        unusable
            (row, column) pixels that say nothing; those not finite say nothing either.
        flux, colour
            (n,) of each star, if known.
        """
        columns, rows = np.asarray(x, float), np.asarray(y, float)
        inside = (np.round(columns) >= half) & (np.round(columns) < data.shape[1] - half)
        inside &= (np.round(rows) >= half) & (np.round(rows) < data.shape[0] - half)
        chosen = np.flatnonzero(inside)
        place = np.arange(-half, half + 1)
        at = (
            np.round(rows[chosen]).astype(int)[:, None, None] + place[:, None],
            np.round(columns[chosen]).astype(int)[:, None, None] + place,
        )
        light, noise = data[at].astype(np.float32), err[at].astype(np.float32)
        lost = ~(np.isfinite(light) & np.isfinite(noise) & (noise > 0))
        if unusable is not None:
            lost |= unusable[at]
        known = [None if of is None else np.asarray(of, float)[chosen] for of in (flux, colour)]
        return cls(
            np.where(lost, np.float32(0), light),
            np.where(lost, np.float32(np.inf), noise),
            columns[chosen],
            rows[chosen],
            *known,
        )


def isolated(
    x: ArrayLike, y: ArrayLike, flux: ArrayLike, *, radius: float, share: float = 0.01
) -> NDArray[np.bool_]:
    """Which stars have no neighbour that matters.

    Parameters
    ----------
    x, y, flux
        (n,) of all sources of the image, faint ones too.
    radius
        Out to which neighbours count [pixel].
    share
        Light of all neighbours together, of the star's own, that is borne.
    """
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    light = np.asarray(flux, float)
    tree = cKDTree(np.column_stack([x, y]))
    pairs = tree.query_pairs(radius, output_type="ndarray")
    count = len(light)
    near = np.bincount(pairs[:, 0], light[pairs[:, 1]], count)
    near += np.bincount(pairs[:, 1], light[pairs[:, 0]], count)
    return near < share * light


@dataclass(frozen=True)
class StarFits:
    """What a PSF makes of each star; NaN where a star could not be fitted."""

    flux: NDArray[np.float64]
    """(n,) light."""

    x: NDArray[np.float64]
    """(n,) column [pixel]."""

    y: NDArray[np.float64]
    """(n,) row [pixel]."""

    shape: NDArray[np.float64]
    """(n, 3) by how much the star's T is greater, relative, and its e1 and e2 are."""

    shape_error: NDArray[np.float64]
    """(n, 3) standard deviation of these."""

    significance: NDArray[np.float64]
    """(n,) light in units of its error."""

    chi2: NDArray[np.float64]
    """(n,) reduced chi squared of the fit of light and place."""

    residuals: NDArray[np.float32]
    """(n, S, S) star minus PSF, of the star's light; 0 where a pixel says nothing."""


def fit_stars(stars: Stars, psf: PsfField, *, sky: bool = False, workers: int = 2) -> StarFits:
    """Fit light and place of each star, then how its width and shape differ.

    Parameters
    ----------
    stars
        Single stars.
    psf
        Effective PSFs of the detector.
    sky
        Whether each star has a constant sky of its own.
    workers
        Threads; results do not depend on them.

    Raises
    ------
    UsageError
        If the PSF does not reach to the edge of the images.
    """
    half = stars.images.shape[-1] // 2
    if half > psf.reach:
        raise UsageError(
            f"The images of stars are {2 * half + 1} pixels wide.",
            f"{2 * psf.reach + 1} or less, as far as the PSF reaches",
        )
    count = len(stars)
    found = np.full((count, 11), np.nan)
    residuals = np.zeros(stars.images.shape, np.float32)
    weights = (1 / stars.errors.astype(np.float64) ** 2).astype(np.float32)

    def some(first: int) -> None:
        part = slice(first, first + 256)
        _fit(
            stars.images[part],
            weights[part],
            stars.x[part],
            stars.y[part],
            psf.coefficients,
            psf.nodes_x,
            psf.nodes_y,
            sky,
            found[part],
            residuals[part],
        )

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(some, range(0, count, 256)))
    flux, x, y, flux_error, chi2 = found[:, :5].T
    response = _response(psf)
    shape = found[:, 5:8] @ response.T
    error = np.sqrt(found[:, 8:] ** 2 @ (response**2).T)
    return StarFits(flux, x, y, shape, error, flux / flux_error, chi2, residuals)


def _response(psf: PsfField) -> NDArray[np.float64]:
    """(3, 3): change of ln T, e1 and e2 of the mean PSF by V_xx + V_yy, V_xx - V_yy, 2 V_xy.

    Added is so little variance that it stays within one sample.
    """
    from scipy.ndimage import convolve  # noqa: PLC0415 - slow to import

    mean = psf.samples.mean(axis=(0, 1), dtype=float)
    along = np.zeros((3, 3))
    along[1] = 1, -2, 1
    cross = np.array([[1, 0, -1], [0, 0, 0], [-1, 0, 1]]) / 4
    kernels = [(along + along.T) / 4, (along - along.T) / 4, cross / 2]
    little = 1e-3
    changed = [mean + little * convolve(mean, kernel, mode="nearest") for kernel in kernels]
    found = adaptive_moments(np.array([mean, *changed]), sigma=float(psf.oversample))
    moments = np.array([np.log(found.size), found.e1, found.e2])
    change = moments[:, 1:] - moments[:, :1]
    return change / little * psf.oversample**2


@njit(nogil=True, cache=True)
def _fit(images, weights, x, y, coefficients, nodes_x, nodes_y, sky, found, residuals):  # type: ignore[no-untyped-def]
    """Fill (n, 11): light, x, y, error of light, chi squared; three terms of V, their errors."""
    size = images.shape[1]
    half = size // 2
    patch = np.zeros(patch_shape(coefficients.shape[2], half), np.float32)
    psf = np.empty((6, size, padded(size)), np.float32)
    beside = np.empty((3, size, padded(size)), np.float32)
    kept = np.array([True, True, True, sky, True, True, True])
    for number in range(images.shape[0]):
        image, weight = images[number], weights[number]
        column, row = round(x[number]), round(y[number])
        blend(coefficients, nodes_x, nodes_y, x[number], y[number], half, patch)
        star = np.array([0.0, x[number] - column, y[number] - row, 0.0])
        if not _placed(image, weight, patch, half, kept, psf, star):
            continue
        _second_slopes(patch, half, star, psf, beside)
        matrix, vector, chi2 = _equations(image, weight, psf, star, TERMS, kept)
        covariance = np.linalg.inv(matrix)
        place = np.linalg.inv(matrix[:PLACE, :PLACE])
        spread = covariance @ vector
        used = np.sum(weight > 0) - 3 - int(sky)
        found[number, 0], found[number, 1], found[number, 2] = star[0], column, row
        found[number, 1] += star[1]
        found[number, 2] += star[2]
        found[number, 3], found[number, 4] = np.sqrt(place[0, 0]), chi2 / used
        for term in range(3):
            found[number, 5 + term] = spread[PLACE + term]
            found[number, 8 + term] = np.sqrt(covariance[PLACE + term, PLACE + term])
        for i in range(size):
            for j in range(size):
                if weight[i, j] > 0:
                    left = image[i, j] - star[3] - star[0] * psf[0, i, j]
                    residuals[number, i, j] = left / star[0]


@njit(nogil=True, cache=True)
def _placed(image, weight, patch, half, kept, psf, star):  # type: ignore[no-untyped-def]
    """Fit light, place and sky of a star; whether they were found."""
    if np.sum(weight > 0) < 3 * TERMS:
        return False
    for step in range(MOST_STEPS):
        evaluate(patch, half, star[1], star[2], psf)
        # The first step is for the light alone: a place needs it.
        terms = 1 if step == 0 else PLACE
        matrix, vector, _ = _equations(image, weight, psf, star, terms, kept)
        if not (matrix[0, 0] > 0 and np.all(np.isfinite(vector))):
            return False
        change = np.linalg.solve(matrix, vector)
        star[:terms] += change
        if not (star[0] > 0 and max(abs(star[1]), abs(star[2])) < FARTHEST):
            return False
        if terms == PLACE and max(abs(change[1]), abs(change[2])) < STEP:
            evaluate(patch, half, star[1], star[2], psf)
            return True
    return False


@njit(nogil=True, cache=True)
def _second_slopes(patch, half, star, psf, beside):  # type: ignore[no-untyped-def]
    """Fill planes 3 to 5 of ``psf``: second derivatives by xx, xy and yy."""
    psf[3:] = 0
    for sign in (-1, 1):
        scale = np.float32(sign / (2 * LEAP))
        evaluate(patch, half, star[1] + sign * LEAP, star[2], beside)
        psf[3] += scale * beside[1]
        psf[4] += scale * beside[2]
        evaluate(patch, half, star[1], star[2] + sign * LEAP, beside)
        psf[5] += scale * beside[2]


@njit(nogil=True, cache=True)
def _equations(image, weight, psf, star, terms, kept):  # type: ignore[no-untyped-def]
    """Normal equations of the first ``terms`` terms, and chi squared before the step."""
    matrix, vector = np.zeros((terms, terms)), np.zeros(terms)
    slopes = np.zeros(TERMS)
    flux, level = star[0], star[3]
    chi2 = 0.0
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            w = weight[i, j]
            if w == 0:
                continue
            left = image[i, j] - level - flux * psf[0, i, j]
            chi2 += w * left * left
            slopes[0], slopes[3] = psf[0, i, j], 1.0
            slopes[1], slopes[2] = flux * psf[1, i, j], flux * psf[2, i, j]
            if terms == TERMS:
                slopes[4] = 0.25 * flux * (psf[3, i, j] + psf[5, i, j])
                slopes[5] = 0.25 * flux * (psf[3, i, j] - psf[5, i, j])
                slopes[6] = 0.5 * flux * psf[4, i, j]
            for a in range(terms):
                vector[a] += w * left * slopes[a]
                for b in range(a + 1):
                    matrix[a, b] += w * slopes[a] * slopes[b]
    for a in range(terms):
        for b in range(a):
            matrix[b, a] = matrix[a, b]
        if not kept[a]:
            matrix[a, :] = 0
            matrix[:, a] = 0
            matrix[a, a], vector[a] = 1.0, 0.0
    return matrix, vector, chi2
