"""Kernels: the effective PSF on the pixels of many stars, its transpose, and the fit of stars.

The PSF is a sum: components of a grid over the detector, bilinear between its nodes, and
corrections, of which every star has its own mixture.  All are coefficients of the quintic
splines of :mod:`roman_dms.psf.evaluation`, sorted by phase as there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from roman_dms.psf.evaluation import TAPS, blend, evaluate, margin, padded, spline_weights

FURTHEST = 0.95
"""How far a star may be from the centre of its middle pixel [pixel]."""

LONGEST_STEP = 0.3
"""By how much a star may move in an iteration [pixel]."""

COLUMNS = 5
"""Of the fit of a star: flux, x, y, sky and broadening."""


@njit(cache=True, nogil=True, fastmath=True)
def _compose(  # type: ignore[no-untyped-def]
    grids,
    nodes_x,
    nodes_y,
    share,
    corrections,
    mixture,
    x,
    y,
    half,
    patch,
    part,
):
    """Coefficients of the PSF of one star."""
    total, piece = patch.ravel(), part.ravel()
    total[:] = 0
    for component in range(share.size):
        if share[component] != 0:
            blend(grids[component], nodes_x, nodes_y, x, y, half, part)
            weight = share[component]
            for k in range(total.size):
                total[k] += weight * piece[k]
    for mode in range(mixture.size):
        weight = mixture[mode]
        term = corrections[mode].ravel()
        for k in range(total.size):
            total[k] += weight * term[k]


@njit(cache=True, nogil=True)
def sample(  # type: ignore[no-untyped-def]
    start,
    stop,
    grids,
    nodes_x,
    nodes_y,
    shares,
    corrections,
    mixtures,
    x,
    y,
    column,
    row,
    out,
):
    """The PSF on the pixels of stars ``start`` to ``stop``; fills ``out`` (n, P, P).

    ``grids`` are coefficients (component, ...) of `PsfField`, ``shares`` (n, component) their
    shares in each star, ``corrections`` (mode, ...) of the shape of a patch, ``mixtures``
    (n, mode); ``x`` and ``y`` are the stars' places, ``column`` and ``row`` their middle pixels.
    """
    half = out.shape[1] // 2
    size = 2 * half + 1
    shape = corrections.shape[1:]
    patch, part = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    values = np.empty((3, size, padded(size)), np.float32)
    for s in range(start, stop):
        _compose(
            grids,
            nodes_x,
            nodes_y,
            shares[s],
            corrections,
            mixtures[s],
            x[s],
            y[s],
            half,
            patch,
            part,
        )
        evaluate(patch, half, x[s] - column[s], y[s] - row[s], values)
        out[s] = values[0, :, :size]


@njit(cache=True, nogil=True, fastmath=True)
def spread(start, stop, pixels, mixtures, x, y, column, row, out):  # type: ignore[no-untyped-def]
    """The transpose of `sample` for the corrections: adds pixels (n, P, P) to ``out`` (mode, ...).

    Each pixel goes to the coefficients that it is made of, with the same weights.
    """
    oversample = out.shape[1]
    size = pixels.shape[1]
    around = margin(oversample)
    by_x, by_y = np.empty(TAPS), np.empty(TAPS)
    slopes = np.empty(TAPS)
    patch = np.zeros(out.shape[1:], np.float32)
    piece = patch.ravel()
    for s in range(start, stop):
        piece[:] = 0
        offset_x, offset_y = (column[s] - x[s]) * oversample, (row[s] - y[s]) * oversample
        first_x, first_y = np.int64(np.floor(offset_x)), np.int64(np.floor(offset_y))
        spline_weights(offset_x - first_x, by_x, slopes)
        spline_weights(offset_y - first_y, by_y, slopes)
        for tap_y in range(TAPS):
            at_y = first_y + tap_y - 2 + around * oversample
            i, line = at_y % oversample, at_y // oversample
            for tap_x in range(TAPS):
                at_x = first_x + tap_x - 2 + around * oversample
                j, left = at_x % oversample, at_x // oversample
                weight = np.float32(by_y[tap_y] * by_x[tap_x])
                for k in range(size):
                    target = patch[i, j, line + k, left : left + size]
                    values = pixels[s, k]
                    for m in range(size):
                        target[m] += weight * values[m]
        for mode in range(mixtures.shape[1]):
            share = mixtures[s, mode]
            total = out[mode].ravel()
            for k in range(piece.size):
                total[k] += share * piece[k]


@njit(cache=True, nogil=True)
def _solve(matrix, vector, size):  # type: ignore[no-untyped-def]
    """Solve by Cholesky's method in place; the diagonal of ``matrix`` becomes that of its inverse.

    Returns False where the matrix is not positive definite.
    """
    factor = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 1e-12 * abs(matrix[i, i]):
                    return False
                factor[i, i] = np.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    inverse = np.zeros((size, size))
    for column in range(size):
        for i in range(column, size):
            total = 1.0 if i == column else 0.0
            for k in range(column, i):
                total -= factor[i, k] * inverse[k, column]
            inverse[i, column] = total / factor[i, i]
    half_way = inverse @ vector[:size]
    vector[:size] = inverse.T @ half_way
    for i in range(size):
        matrix[i, i] = (inverse[:, i] ** 2).sum()
    return True


@njit(cache=True, nogil=True)
def _columns(values, flux, terms):  # type: ignore[no-untyped-def]
    """Derivatives of a star's pixels by flux, x, y, sky and broadening; fills (5, P, P)."""
    size = terms.shape[1]
    for i in range(size):
        for j in range(size):
            middle = values[0, i, j]
            terms[0, i, j] = middle
            terms[1, i, j] = flux * values[1, i, j]
            terms[2, i, j] = flux * values[2, i, j]
            terms[3, i, j] = 1
            around = -4 * middle
            around += values[0, max(i - 1, 0), j] + values[0, min(i + 1, size - 1), j]
            around += values[0, i, max(j - 1, 0)] + values[0, i, min(j + 1, size - 1)]
            terms[4, i, j] = flux * around / 2


@njit(cache=True, nogil=True)
def _step(  # type: ignore[no-untyped-def]
    light,
    good,
    noise,
    model_error,
    values,
    terms,
    flux,
    sky,
    order,
    matrix,
    vector,
):
    """Normal equations of the columns in ``order``; returns chi squared and pixels."""
    size, count, chi = terms.shape[1], 0, 0.0
    _columns(values, flux, terms)
    matrix[:], vector[:] = 0, 0
    term = np.empty(order.size)
    for i in range(size):
        for j in range(size):
            if not good[i, j]:
                continue
            star = max(flux * values[0, i, j], 0.0)
            error = (model_error[0] * star) ** 2 + (model_error[1] * flux) ** 2
            weight = 1 / (noise[0] + noise[1] * star + error)
            rest = light[i, j] - flux * values[0, i, j] - sky
            count += 1
            chi += weight * rest**2
            for k in range(order.size):
                term[k] = terms[order[k], i, j]
                vector[k] += weight * rest * term[k]
                for m in range(k + 1):
                    matrix[k, m] += weight * term[k] * term[m]
    return chi, count


@njit(cache=True, nogil=True)
def fit(  # type: ignore[no-untyped-def]
    start,
    stop,
    grids,
    nodes_x,
    nodes_y,
    shares,
    corrections,
    mixtures,
    column,
    row,
    light,
    good,
    noise,
    model_error,
    moves,
    rounds,
    found,
    errors,
    quality,
):
    """Fit stars ``start`` to ``stop``, each alone (Gauss and Newton).

    ``noise`` (n, 2) is the variance of the background and that for each unit of light;
    ``model_error`` (2,) what part of its own light, and of the star's, a pixel's model may
    err by.  ``found`` (n, 4) holds flux, x, y and sky, a first guess, and is changed;
    ``errors`` (n, 4) and ``quality`` (n, 4) are filled, this with chi squared, pixels,
    broadening [pixel^2] and its error; no pixels where the fit fails.  Where ``moves`` is
    false stars stay where they are.
    """
    half = light.shape[1] // 2
    size = 2 * half + 1
    shape = corrections.shape[1:]
    patch, part = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    values = np.empty((3, size, padded(size)), np.float32)
    terms = np.empty((COLUMNS, size, size))
    matrix, vector = np.empty((COLUMNS, COLUMNS)), np.empty(COLUMNS)
    order = np.array([0, 3, 1, 2] if moves else [0, 3])
    final = np.array([0, 3, 4, 1, 2] if moves else [0, 3, 4])
    for s in range(start, stop):
        flux, x, y, sky = found[s]
        _compose(
            grids, nodes_x, nodes_y, shares[s], corrections, mixtures[s], x, y, half, patch, part
        )
        sound = True
        for turn in range(rounds + 1):
            evaluate(patch, half, x - column[s], y - row[s], values)
            last = turn == rounds
            chosen = final if last else order
            chi, count = _step(
                light[s],
                good[s],
                noise[s],
                model_error,
                values,
                terms,
                flux,
                sky,
                chosen,
                matrix,
                vector,
            )
            if count < 2 * COLUMNS or not _solve(matrix, vector, chosen.size):
                sound = False
                break
            if last:
                quality[s, 0], quality[s, 1] = chi, count
                quality[s, 2], quality[s, 3] = vector[2], np.sqrt(matrix[2, 2])
                break
            errors[s, 0], errors[s, 3] = np.sqrt(matrix[0, 0]), np.sqrt(matrix[1, 1])
            flux += vector[0]
            sky += vector[1]
            if moves:
                errors[s, 1], errors[s, 2] = np.sqrt(matrix[2, 2]), np.sqrt(matrix[3, 3])
                x += min(max(vector[2], -LONGEST_STEP), LONGEST_STEP)
                y += min(max(vector[3], -LONGEST_STEP), LONGEST_STEP)
            if abs(x - column[s]) > FURTHEST or abs(y - row[s]) > FURTHEST or not flux > 0:
                sound = False
                break
        if sound:
            found[s, 0], found[s, 1], found[s, 2], found[s, 3] = flux, x, y, sky
        else:
            quality[s] = 0
