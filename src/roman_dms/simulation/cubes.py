"""From a cube of surface brightness to what the pixels of a detector collect.

Each pixel of the cube is a patch of sky with a constant brightness.  Its light is
cut into points, which are shared among the nearest nodes of a grid finer than the
detector's pixels (so that flux, centroid and width are conserved), convolved with
the effective PSF of its wavelength, and read off at the centres of pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.instrument.throughput import PLANCK, effective_area, wavelengths

Values = NDArray[np.float64]

LIGHT = 2.99792458e8
"""Speed of light [m / s] (exact)."""

OVERSAMPLE = 4
"""Nodes of the fine grid a pixel."""

COLOURS = 12
"""Largest number of wavelengths at which PSFs are computed; linear in between."""

BLOCK = 128.0
"""Width of the part of a cube that is drawn at a time: bounds the memory [pixel]."""

Psf = Callable[[float], Values]
"""Effective PSF (odd, odd) at a wavelength [micron], :data:`OVERSAMPLE` samples a pixel."""


class Patches(NamedTuple):
    """Where the pixels of a cube lie, by their corners (rows + 1, columns + 1).

    NaN where it is not known, far from the detector: that light is left out.
    """

    x: Values
    """Column on the detector [pixel]."""
    y: Values
    """Row on the detector [pixel]."""


def bin_edges(centres: Values) -> Values:
    """Edges of wavelength bins: midway between centres, symmetric at the ends.

    Raises
    ------
    FormatError
        Unless the wavelengths are finite, positive and increase.
    """
    if not (np.isfinite(centres).all() and (centres > 0).all() and (np.diff(centres) > 0).all()):
        raise FormatError(
            f"The wavelengths of the cube run from {centres[0]:g} to {centres[-1]:g} micron, "
            "not always upwards.",
            "finite, positive, increasing wavelengths",
        )
    if centres.size == 1:
        raise FormatError("The cube has one wavelength alone.", "two at least, which tell the bins")
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def electrons_per_jansky(detector: str, element: str, edges: Values) -> Values:
    """Count rate of a constant flux density f_nu in each bin [electron / s / Jy].

    int (A / h lambda) dlambda over the bin.
    """
    return 1e-26 / PLANCK * _integrals(detector, element, edges, -1)


def electrons_per_flam(detector: str, element: str, edges: Values) -> Values:
    """The same of a constant f_lambda [electron / s / (W / m2 / micron)].

    int (A lambda / h c) dlambda over the bin.
    """
    return 1e-6 / (PLANCK * LIGHT) * _integrals(detector, element, edges, 1)


def _integrals(detector: str, element: str, edges: Values, power: int) -> Values:
    """Integrals of A lambda^power between edges, by the trapezoidal rule on the table."""
    table, area = wavelengths(detector), effective_area(detector, element)
    grid = np.union1d(table, np.clip(edges, table[0], table[-1]))
    values = np.interp(grid, table, area) * grid**power
    steps = (values[1:] + values[:-1]) / 2 * np.diff(grid)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    return np.diff(np.interp(edges, grid, total))


def solid_angles(ra: Values, dec: Values) -> Values:
    """Solid angle of pixels with corners (rows + 1, columns + 1) [deg], in sr.

    Half the cross product of the diagonals, exact to the square of the pixel's size.
    """
    ra, dec = np.radians(ra), np.radians(dec)
    corner = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)
    one, other = corner[1:, 1:] - corner[:-1, :-1], corner[1:, :-1] - corner[:-1, 1:]
    return np.linalg.norm(np.cross(one, other), axis=-1) / 2


def draw_cube(
    rates: Values, centres: Values, patches: Patches, psf: Psf, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Draw a cube of count rates into the pixels of a detector.

    Parameters
    ----------
    rates
        (wavelength, row, column) light of each pixel of the cube [electron / s].
    centres
        (wavelength,) [micron].
    patches
        Where the pixels of the cube lie.
    psf
        Effective PSF at a wavelength; it is scaled to the whole of the light.
    shape
        (rows, columns) of the detector; light that falls outside is lost.

    Returns
    -------
    ndarray
        (rows, columns) float32 [electron / s].
    """
    image = np.zeros(shape)
    step = max(1, int(BLOCK / _longest_side(patches)))
    for wavelength, layer in _colours(rates, centres):
        kernel = psf(wavelength)
        kernel = kernel * (OVERSAMPLE**2 / kernel.sum())
        for rows, columns in _blocks(layer.shape, step):
            corners = np.s_[rows.start : rows.stop + 1, columns.start : columns.stop + 1]
            part = Patches(patches.x[corners], patches.y[corners])
            _draw(layer[rows, columns], part, kernel, image)
    return image.astype(np.float32)


def _colours(rates: Values, centres: Values) -> Iterator[tuple[float, Values]]:
    """Wavelengths of PSFs and the light that goes with each."""
    bright = np.flatnonzero(np.any(rates != 0, axis=(1, 2)))
    if not bright.size:
        return
    lit = centres[bright]
    nodes = lit if lit.size <= COLOURS else np.linspace(lit[0], lit[-1], COLOURS)
    for k, node in enumerate(nodes):
        weights = np.interp(lit, nodes, np.eye(len(nodes))[k])
        yield float(node), np.tensordot(weights, rates[bright], axes=1)


def _blocks(shape: tuple[int, ...], step: int) -> Iterator[tuple[slice, slice]]:
    rows, columns = shape
    for row in range(0, rows, step):
        for column in range(0, columns, step):
            yield slice(row, min(row + step, rows)), slice(column, min(column + step, columns))


def _draw(light: Values, patches: Patches, kernel: Values, image: Values) -> None:
    """Add a block of one colour to the image."""
    from scipy.signal import fftconvolve  # noqa: PLC0415 - slow to import

    if not light.any() or not np.isfinite(patches.x).any():
        return
    half = (kernel.shape[0] // 2) // OVERSAMPLE + 1
    x_low, x_high = _span(patches.x, half, image.shape[1])
    y_low, y_high = _span(patches.y, half, image.shape[0])
    if x_low >= x_high or y_low >= y_high:
        return
    # Room for the PSF of sources beyond the part that is kept.
    x0, y0 = x_low - half, y_low - half
    nodes = ((y_high - y_low + 2 * half) * OVERSAMPLE, (x_high - x_low + 2 * half) * OVERSAMPLE)
    fine = _deposit(light, Patches(patches.x - x0, patches.y - y0), nodes)
    seen = fftconvolve(fine, kernel, mode="same")
    pixels = seen[::OVERSAMPLE, ::OVERSAMPLE]
    image[y_low:y_high, x_low:x_high] += pixels[half : half + y_high - y_low,
                                                half : half + x_high - x_low]  # fmt: skip


def _span(places: Values, half: int, size: int) -> tuple[int, int]:
    """Pixels of the image that light from these places can reach."""
    low, high = np.floor(np.nanmin(places)) - half, np.ceil(np.nanmax(places)) + half + 1
    return int(max(low, 0)), int(min(high, size))


def _deposit(light: Values, patches: Patches, nodes: tuple[int, int]) -> Values:
    """Share the light of each patch, cut into points, among the nearest nodes."""
    row, column = np.nonzero(light)
    points = int(np.ceil(1.5 * OVERSAMPLE * _longest_side(patches)))
    offsets = (np.arange(points) + 0.5) / points
    v, u = (axis.reshape(-1, 1) for axis in np.meshgrid(offsets, offsets, indexing="ij"))
    x, y = (
        OVERSAMPLE
        * (
            (1 - v) * (1 - u) * axis[row, column]
            + (1 - v) * u * axis[row, column + 1]
            + v * (1 - u) * axis[row + 1, column]
            + v * u * axis[row + 1, column + 1]
        ).ravel()
        for axis in patches
    )
    return _shared(x, y, np.tile(light[row, column] / points**2, points**2), nodes)


def _longest_side(patches: Patches) -> float:
    """Longest side of a patch [pixel]."""
    x, y = patches
    return max(float(np.nanmax(np.hypot(np.diff(x, axis=k), np.diff(y, axis=k)))) for k in (0, 1))


def _shared(x: Values, y: Values, light: Values, nodes: tuple[int, int]) -> Values:
    """Shares of points of light in the nodes around them, (row, column)."""
    inside = (x >= 1) & (y >= 1) & (x < nodes[1] - 2) & (y < nodes[0] - 2)
    x, y, light = x[inside], y[inside], light[inside]
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    across, along = _cubic_shares(x - column), _cubic_shares(y - row)
    fine = np.zeros(nodes[0] * nodes[1])
    for j, share_y in enumerate(along):
        for i, share_x in enumerate(across):
            place = (row + j - 1) * nodes[1] + column + i - 1
            fine += np.bincount(place, light * share_x * share_y, fine.size)
    return fine.reshape(nodes)


def _cubic_shares(t: Values) -> tuple[Values, ...]:
    """Cubic convolution (Keys 1981): shares of the nodes at -1, 0, 1 and 2 of a point at t.

    They conserve flux, centroid and width, since they reproduce parabolas.
    """
    return (
        t * (-0.5 + t * (1 - 0.5 * t)),
        1 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    )
