"""Oversampled effective PSFs as transfer functions: whole, centred, on one grid.

An array of samples ends somewhere, the light of a star does not.  What the array lacks is
put around it as the wings of a diffraction pattern, which fall as the cube of the radius
on average, so that every transfer function is 1 at frequency 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError

LEAST_LIGHT = 0.8
MOST_LIGHT = 1.02
"""What part of a star's light an array of an effective PSF holds."""


def effective_samples(
    psf: ArrayLike, oversample: float, *, whole: bool = False, name: str = "PSF"
) -> NDArray[np.float64]:
    """Samples of an effective PSF, checked: fractions of the light in a pixel.

    Parameters
    ----------
    psf
        (S, S) samples, the star in the middle of the array.
    oversample
        Samples a pixel.
    whole
        Whether the array holds all the light of the star, whatever it sums to; otherwise
        its sum is the square of ``oversample`` times the part of the light that it holds.
    name
        What the array is called in an error.

    Raises
    ------
    UsageError
        If the array is not square, not finite or not an effective PSF.
    """
    samples = np.asarray(psf, np.float64)
    if samples.ndim != 2 or samples.shape[0] != samples.shape[1] or samples.shape[0] < 3:
        raise UsageError(f"The {name} has the shape {samples.shape}.", "a square array")
    light = float(samples.sum()) / oversample**2
    if not np.isfinite(samples).all() or not light > 0:
        raise UsageError(
            f"The {name} has values that are not finite, or sums to {light:.3g}.",
            "finite samples with a sum above zero",
        )
    if whole:
        return samples / light
    if not LEAST_LIGHT < light < MOST_LIGHT:
        raise UsageError(
            f"The {name} holds {light:.4g} of a star's light at {oversample:g} samples a pixel.",
            f"between {LEAST_LIGHT} and {MOST_LIGHT} of it: fractions of the light in a pixel,"
            " which sum to the square of the samples a pixel",
            "say whole=True (--whole) if the array holds all the light, whatever its scale",
        )
    return samples


def centroid(samples: NDArray[np.float64]) -> tuple[float, float]:
    """Centre of light (x, y) from the middle of the array, within a Gaussian window [sample].

    The window follows the light and is twice as wide as the PSF, so that wings and noise at
    the edge of the array do not pull.
    """
    half = (samples.shape[0] - 1) / 2
    place = np.arange(samples.shape[0]) - half
    bright = np.clip(samples, 0, None)
    width = 2 * np.sqrt(float(bright.sum() / bright.max()) / (2 * np.pi))
    x = y = 0.0
    for _ in range(50):
        light = samples * np.exp(-0.5 * ((place - y)[:, None] ** 2 + (place - x) ** 2) / width**2)
        step_x = float((light.sum(axis=0) @ place) / light.sum()) - x
        step_y = float((light.sum(axis=1) @ place) / light.sum()) - y
        x, y = x + 1.5 * step_x, y + 1.5 * step_y
        if max(abs(step_x), abs(step_y)) < 1e-8:
            break
    return x, y


def resampled(
    samples: NDArray[np.float64],
    oversample: float,
    wanted: float,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """The same effective PSF with another number of samples a pixel; quintic splines.

    Parameters
    ----------
    samples
        (S, S), S odd or even; the middle of the array is the place of the star.
    oversample, wanted
        Samples a pixel as it is, and as it shall be.
    shift
        (x, y) by which the light is moved [pixel].

    Returns
    -------
    NDArray
        (T, T), T odd: what lies within the array.
    """
    size = samples.shape[0]
    if size % 2 and wanted == oversample and shift == (0.0, 0.0):
        return samples
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - slow to import

    middle = (size - 1) / 2
    half = int(middle / oversample * wanted + 1e-9)
    place = np.arange(-half, half + 1) / wanted
    rows, columns = ((place - move) * oversample + middle for move in (shift[1], shift[0]))
    return map_coordinates(samples, np.meshgrid(rows, columns, indexing="ij"), order=5)


def padded(samples: NDArray[np.floating], oversample: int, width: int) -> NDArray[np.float64]:
    """The effective PSF of all the light, on a periodic plane with the star at the origin.

    Parameters
    ----------
    samples
        (S, S), S odd, as :func:`effective_samples` gives them.
    oversample
        Samples a pixel.
    width
        Width of the plane [sample]; S or more.

    Returns
    -------
    NDArray
        (width, width), with the sum ``oversample`` squared.
    """
    half = samples.shape[0] // 2
    lacking = oversample**2 - samples.sum()
    place = np.fft.fftfreq(width, 1 / width)
    square = 1 + place**2
    # Light that falls as r^-3 outside a square: its integral is 4 sqrt(2) / half width.
    wings = lacking * (half + 0.5) / (4 * np.sqrt(2))
    plane = wings * (square[:, None] + place**2) ** -1.5
    at = np.arange(-half, half + 1)
    plane[np.ix_(at, at)] = samples
    beyond = oversample**2 - plane.sum()
    return plane + beyond / width**2


def transfer(samples: NDArray[np.floating], oversample: int, width: int) -> NDArray[np.complex128]:
    """(width, width // 2 + 1) Fourier transform of :func:`padded`, 1 at frequency 0."""
    from scipy.fft import rfft2  # noqa: PLC0415 - slow to import

    return rfft2(padded(samples, oversample, width)) / oversample**2


def aliased(product: NDArray[np.inexact], width: int, step: int) -> NDArray[np.inexact]:
    """Sum over the frequencies that are one where only every ``step``-th sample is kept."""
    if step == 1:
        return product
    from scipy.fft import irfft2, rfft2  # noqa: PLC0415 - slow to import

    return rfft2(irfft2(product, s=(width, width))[::step, ::step]) * step**2


def transfer_of_kernel(
    values: NDArray[np.float64], step: int, width: int
) -> NDArray[np.complex128]:
    """Transfer function of a kernel with values at every ``step``-th sample of a plane."""
    from scipy.fft import rfft2  # noqa: PLC0415 - slow to import

    spread = np.zeros((width, width))
    at = step * (np.arange(values.shape[0]) - values.shape[0] // 2)
    spread[np.ix_(at, at)] = values
    return rfft2(spread)


def squared(values: NDArray[np.complexfloating]) -> NDArray[np.floating]:
    """Square of the absolute value."""
    return values.real**2 + values.imag**2


def laplacian(width: int) -> NDArray[np.float64]:
    """(width, width // 2 + 1) square of the transfer function of the Laplacian, at most 1."""
    rows = np.sin(np.pi * np.fft.fftfreq(width)) ** 2
    columns = np.sin(np.pi * np.fft.rfftfreq(width)) ** 2
    return ((rows[:, None] + columns) / 2) ** 2
