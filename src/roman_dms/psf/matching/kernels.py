"""Kernels that turn the image of a star with one PSF into that with another.

How they are found stands in `roman_dms.psf.matching.solution`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import CalibrationError, UsageError
from roman_dms.psf.matching.apertures import encircled
from roman_dms.psf.matching.solution import APERTURE_WEIGHT, SIGNIFICANCE, Plane, cut, for_apertures
from roman_dms.psf.matching.transfer import (
    centroid,
    effective_samples,
    resampled,
    squared,
    transfer_of_kernel,
)

NOISE_LIMIT = 4.0
"""Largest factor by which a kernel may raise the variance of a pixel's noise."""

RADII = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
"""Where the light within circles is compared [pixel]."""


@dataclass(frozen=True)
class Residual:
    """What a matched PSF has left of the difference to its target."""

    largest: float
    """Largest absolute difference, in units of the target's peak."""

    rms: float
    """Its root mean square over the stamp, in units of the target's peak."""

    flux: float
    """Light of the matched star minus that of the target in the stamp, of all the light."""

    radii: tuple[float, ...]
    """Of apertures [pixel]."""

    encircled: tuple[float, ...]
    """Light of the matched star minus that of the target in those apertures, of all light."""


@dataclass(frozen=True)
class Kernel:
    """A kernel on one grid of samples, and what it does."""

    values: NDArray[np.float64]
    """(k, k), k odd, sum 1: convolve the image with it."""

    regularisation: float
    """Strength of the penalty on its Laplacian; 0 for a kernel from elsewhere."""

    residual: Residual
    """What it leaves, over all places of a star in its pixel."""

    noise: float
    """Variance of a sample after the convolution, when noise was independent: sum of k^2."""

    sharpening: float
    """Largest factor by which it raises a frequency; above 1 it sharpens."""

    achieved: NDArray[np.float64]
    """(S, S) effective PSF after the convolution, oversampled as the source was."""

    def convolved(self, image: NDArray[np.floating]) -> NDArray[np.floating]:
        """The image with the target's PSF; beyond its edges there is nothing.

        Parameters
        ----------
        image
            (row, column), without sky, every value finite.
        """
        from scipy.signal import oaconvolve  # noqa: PLC0415 - slow to import

        return oaconvolve(image, self.values.astype(image.dtype), mode="same")

    def convolved_variance(self, variance: NDArray[np.floating]) -> NDArray[np.floating]:
        """Variance of each pixel of the matched image, where noise was independent."""
        from scipy.signal import oaconvolve  # noqa: PLC0415 - slow to import

        squares = (self.values**2).astype(variance.dtype)
        return np.clip(oaconvolve(variance, squares, mode="same"), 0, None)

    def noise_covariance(self) -> NDArray[np.float64]:
        """Covariance of the matched noise with that of a pixel some way off.

        Returns
        -------
        NDArray
            (2 k - 1, 2 k - 1): autocorrelation of the kernel, its middle the variance, for
            independent noise of variance 1.  The sum is 1: noise over large areas stays.
        """
        from scipy.signal import fftconvolve  # noqa: PLC0415 - slow to import

        return fftconvolve(self.values, self.values[::-1, ::-1])


@dataclass(frozen=True)
class MatchingKernel:
    """Kernels from one PSF to another."""

    oversample: int
    """Samples a pixel of ``oversampled``."""

    oversampled: Kernel
    """For images with that many samples a pixel."""

    pixels: Kernel
    """For images on pixels; stars lie anywhere in theirs."""

    @property
    def sharpens(self) -> bool:
        """Whether the target is sharper than the source, so that noise grows."""
        return self.pixels.noise > 1


def matching_kernel(
    source: ArrayLike,
    target: ArrayLike,
    *,
    oversample: int,
    target_oversample: float | None = None,
    size: int | None = None,
    regularisation: float | Literal["auto"] = "auto",
    significance: float = SIGNIFICANCE,
    noise_limit: float = NOISE_LIMIT,
    aperture_weight: float = APERTURE_WEIGHT,
    radii: tuple[float, ...] = RADII,
    whole: bool = False,
    recentred: bool = False,
) -> MatchingKernel:
    """The kernel that turns one PSF into another, oversampled and on pixels.

    Parameters
    ----------
    source, target
        (S, S) and (T, T) oversampled effective PSFs, the star in the middle, as in
        :class:`~roman_dms.psf.grid.PsfGrid`: fractions of the light in a pixel.
    oversample
        Samples a pixel of the source.
    target_oversample
        Samples of the target in a pixel of the source, if not the same.
    size
        Width of the kernel [pixel], odd; that of the source if not given.
    regularisation
        Strength of the penalty, relative to the square of the PSF's light; by default that
        of the best image of a star (`SIGNIFICANCE`).
    significance
        Light of that star, in units of the noise of a pixel.
    noise_limit
        Largest variance that noise of 1 in a pixel may get; ``math.inf`` for no limit.
    aperture_weight
        How much apertures count for the kernel on pixels; 0 for plain least squares, which
        leaves least in pixels and up to a per cent in small apertures.
    radii
        Where the light within circles is compared [pixel].
    whole
        Whether the arrays hold all the light of a star, whatever they sum to.
    recentred
        Whether the target is moved onto the source's centre of light first; otherwise the
        place of a star stays, and the centre of light moves as the PSFs say.

    Returns
    -------
    MatchingKernel
        With what each kernel leaves.

    Raises
    ------
    UsageError
        For arrays that are no PSFs, or values that cannot be meant.
    CalibrationError
        If the noise of pixels would rise beyond the limit.

    Examples
    --------
    A Gaussian of 1 pixel to one of 1.25 pixels is a Gaussian of 0.75 pixels:

    >>> x = np.arange(-60, 61) / 4
    >>> psf = [np.exp(-(x**2 + x[:, None]**2) / 2 / s**2) / (2 * np.pi * s**2) for s in (1, 1.25)]
    >>> kernel = matching_kernel(*psf, oversample=4, regularisation=1e-15)
    >>> peak = 16 * kernel.oversampled.values.max()
    >>> bool(abs(peak * 2 * np.pi * 0.75**2 - 1) < 1e-4), bool(kernel.pixels.noise < 0.2)
    (True, True)
    """
    _check(oversample, size, regularisation, significance)
    light = effective_samples(source, oversample, whole=whole, name="source")
    light = resampled(light, oversample, oversample)
    wanted = _wanted(target, light, oversample, target_oversample or oversample, whole, recentred)
    width = size or light.shape[0] // (2 * oversample) * 2 + 1
    plane = Plane.of(light, wanted, oversample, width)
    strength = None if regularisation == "auto" else float(regularisation)
    kernels = []
    for step in (1, oversample):
        free, used = plane.free_kernel(step, strength, significance)
        values = cut(free, (width - 1) * (oversample // step) // 2)
        if step > 1 and aperture_weight > 0:
            left = plane.stamp(plane.achieved(values, step) - plane.wanted)
            values = values + for_apertures(
                light, left, oversample, values, used, significance, aperture_weight
            )
        kernels.append(_judged(plane, values, step, used, radii))
    if kernels[1].noise > noise_limit:
        raise _too_noisy(kernels[1], noise_limit)
    return MatchingKernel(oversample, *kernels)


def assessed(
    values: ArrayLike,
    source: ArrayLike,
    target: ArrayLike,
    *,
    oversample: int,
    target_oversample: float | None = None,
    radii: tuple[float, ...] = RADII,
    whole: bool = False,
    recentred: bool = False,
) -> Kernel:
    """What any kernel on pixels does, wherever it is from.

    Parameters
    ----------
    values
        (k, k), k odd.
    source, target, oversample, target_oversample, radii, whole, recentred
        As in :func:`matching_kernel`.

    Raises
    ------
    UsageError
        For arrays that are no PSFs, or a kernel of another shape.
    """
    kernel = np.asarray(values, np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise UsageError(f"The kernel has the shape {kernel.shape}.", "a square of odd width")
    light = effective_samples(source, oversample, whole=whole, name="source")
    light = resampled(light, oversample, oversample)
    wanted = _wanted(target, light, oversample, target_oversample or oversample, whole, recentred)
    plane = Plane.of(light, wanted, oversample, kernel.shape[0])
    return _judged(plane, kernel, oversample, 0.0, radii)


def _judged(
    plane: Plane, values: NDArray[np.float64], step: int, strength: float, radii: tuple[float, ...]
) -> Kernel:
    """A kernel with what it does."""
    achieved = plane.stamp(plane.achieved(values, step))
    left = achieved - plane.stamp(plane.wanted)
    peak = float(plane.wanted.max())
    residual = Residual(
        float(np.abs(left).max()) / peak,
        float(np.sqrt((left**2).mean())) / peak,
        float(left.sum()) / plane.oversample**2,
        tuple(radii),
        encircled(left, plane.oversample, radii),
    )
    frequencies = transfer_of_kernel(values, 1, 2 * values.shape[0])
    return Kernel(
        values,
        strength,
        residual,
        float((values**2).sum()),
        float(np.sqrt(squared(frequencies).max())),
        achieved,
    )


def _check(
    oversample: int, size: int | None, regularisation: float | str, significance: float
) -> None:
    wrong_size = size is not None and (size < 1 or size % 2 == 0)
    wrong_strength = regularisation != "auto" and not (
        isinstance(regularisation, float | int) and regularisation > 0
    )
    if oversample < 1 or int(oversample) != oversample or wrong_size or wrong_strength:
        raise UsageError(
            f"{oversample} samples a pixel, a kernel of {size} pixels and a regularisation of"
            f" {regularisation} were asked for.",
            "a whole number of samples, an odd width, and 'auto' or a number above zero",
        )
    if not significance > 0:
        raise UsageError(f"The significance is {significance}.", "a number above zero")


def _wanted(
    target: ArrayLike,
    light: NDArray[np.float64],
    oversample: int,
    target_oversample: float,
    whole: bool,
    recentred: bool,
) -> NDArray[np.float64]:
    """The target's samples on the grid of the source."""
    wanted = effective_samples(target, target_oversample, whole=whole, name="target")
    shift = (0.0, 0.0)
    if recentred:
        to, at = centroid(light), centroid(wanted)
        shift = (
            to[0] / oversample - at[0] / target_oversample,
            to[1] / oversample - at[1] / target_oversample,
        )
    return resampled(wanted, target_oversample, oversample, shift=shift)


def _too_noisy(kernel: Kernel, limit: float) -> CalibrationError:
    return CalibrationError(
        f"The kernel sharpens: the variance of noise in a pixel would become {kernel.noise:.3g}"
        f" times as large, single frequencies {kernel.sharpening:.3g} times.",
        f"at most {limit:g} times",
        "match to a target as broad as the source or broader, or accept"
        " more residual (a lower significance or a larger regularisation) or more noise (a"
        " larger noise limit)",
    )
