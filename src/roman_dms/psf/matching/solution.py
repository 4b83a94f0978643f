"""Kernels that turn the image of a star with one PSF into that with another.

On an oversampled image a kernel k with transfer function K makes the PSF A into B where
K A = B; the ratio, with a penalty on what is not smooth, is the kernel of Boucaud et al.
(2016, A&A 596, A63).  On pixels that undersample the light, K repeats itself with the
frequency of the pixels, and has to serve all the frequencies j that fall on one another.
Of all kernels on pixels, that which comes nearest to B whatever the place of a star in its
pixel, in the sense of least squares, is

    K = sum_j conj(A_j) B_j / (sum_j |A_j|^2 + regularisation |D|^2),

D the Laplacian: what fitting in pixels does (Alard & Lupton 1998, ApJ 503, 325), for all
places of a star at once and with every pixel of the kernel free.  With one j it is the ratio.

Least squares alone moves a little light between core and wings where pixels undersample.  The
kernel on pixels therefore also makes the squares of errors small that apertures meet, averaged
over the places of a star in its pixel.

How strong the penalty is follows from the image of a star of ``significance`` times the noise
of a pixel: the square of its residual, summed over pixels, plus the variance of the matched
noise in one pixel is least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.matching.apertures import aperture, encircled, middle
from roman_dms.psf.matching.transfer import (
    aliased,
    laplacian,
    padded,
    squared,
    transfer,
    transfer_of_kernel,
)

SIGNIFICANCE = 1000.0
"""Light of the star for which residual and noise are balanced, in the noise of a pixel."""

APERTURES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0)
"""Radii of apertures that a kernel on pixels shall not change [pixel]."""

APERTURE_WEIGHT = 100.0
"""Weight of the square of the error in an aperture, next to that of the error in a pixel."""

GENTLE = 1e-3
"""Regularisation of what is added for apertures, so that it sharpens nothing."""

CORE = 32
"""Half width of what is looked at for apertures [pixel]."""

TAPER = 0.2
"""Outer part of a kernel's half width in which it falls to zero."""

WEAKEST, STRONGEST = 1e-12, 1e2
"""Bounds of the regularisation that is sought."""


@dataclass(frozen=True)
class Plane:
    """Source and target on a periodic plane wide enough for the kernel."""

    oversample: int
    half: int
    """Half width of the stamp in which they are compared [sample]."""
    source: NDArray[np.complex128]
    target: NDArray[np.complex128]
    wanted: NDArray[np.float64]
    """The target as an image, the star at the origin."""

    @classmethod
    def of(
        cls,
        light: NDArray[np.float64],
        wanted: NDArray[np.float64],
        oversample: int,
        size: int,
    ) -> Plane:
        """The plane for a kernel of ``size`` pixels; samples as `effective_samples` gives."""
        from scipy.fft import next_fast_len, rfft2  # noqa: PLC0415 - slow to import

        widest = max(light.shape[0], wanted.shape[0])
        pixels = -(-(widest + (size - 1) * oversample // 2) // oversample)
        width = next_fast_len(pixels, real=True) * oversample
        plane = padded(wanted, oversample, width)
        half = min(light.shape[0], wanted.shape[0]) // 2
        source = transfer(light, oversample, width)
        return cls(oversample, half, source, rfft2(plane) / oversample**2, plane)

    def free_kernel(
        self, step: int, strength: float | None, significance: float
    ) -> tuple[NDArray[np.float64], float]:
        """The kernel with a value at every ``step``-th sample of the plane, its strength."""
        from scipy.fft import irfft2  # noqa: PLC0415 - slow to import

        plane = self.wanted.shape[0]
        width = plane // step
        equations = Equations(
            aliased(self.source.conj() * self.target, plane, step),
            aliased(squared(self.source), plane, step).real,
            aliased(squared(self.target), plane, step).real,
            laplacian(width),
        )
        used = equations.best(significance) if strength is None else strength
        return irfft2(equations.solved(used), s=(width, width)), used

    def achieved(self, values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
        """The source convolved with a kernel, on the plane."""
        from scipy.fft import irfft2  # noqa: PLC0415 - slow to import

        kernel = transfer_of_kernel(values, step, self.wanted.shape[0])
        return irfft2(self.source * kernel, s=self.wanted.shape) * self.oversample**2

    def stamp(self, plane: NDArray[np.float64]) -> NDArray[np.float64]:
        """The middle of a plane, where source and target are compared."""
        at = np.arange(-self.half, self.half + 1)
        return plane[np.ix_(at, at)]


@dataclass(frozen=True)
class Equations:
    """The normal equations of a kernel, one a frequency, half a plane of them."""

    cross: NDArray[np.inexact]
    power: NDArray[np.floating]
    target: NDArray[np.floating]
    penalty: NDArray[np.floating]

    def solved(self, strength: float) -> NDArray[np.complexfloating]:
        """The kernel's transfer function."""
        return self.cross / (self.power + strength * self.penalty)

    def best(self, significance: float) -> float:
        """The strength of the best image of a star, on every fourth frequency."""
        from scipy.optimize import minimize_scalar  # noqa: PLC0415 - slow to import

        few = slice(None, None, 4 if self.power.shape[0] > 256 else 1)
        part = Equations(
            self.cross[few, few],
            self.power[few, few],
            self.target[few, few],
            self.penalty[few, few],
        )

        def cost(logarithm: float) -> float:
            kernel = part.solved(10**logarithm)
            power = squared(kernel)
            left = power * part.power - 2 * (kernel.conj() * part.cross).real + part.target
            return float((significance**2 * left + power).mean())

        bounds = (np.log10(WEAKEST), np.log10(STRONGEST))
        return float(10 ** minimize_scalar(cost, bounds=bounds, options={"xatol": 0.05}).x)


def cut(free: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """A kernel of finite width out of one on a periodic plane, with the sum 1.

    Towards the edge it falls to zero; the light lost there is put as far out as the kernel
    reaches, rather than given to the core.
    """
    place = np.arange(-half, half + 1)
    fall = window(half)
    kernel = free[np.ix_(place, place)] * fall
    outer = fall * ((place**2)[:, None] + place**2 + 1) ** 2
    return kernel + (1 - kernel.sum()) * outer / outer.sum()


def window(half: int) -> NDArray[np.float64]:
    """(2 half + 1, 2 half + 1): 1 inside, falling to zero at the edge."""
    place = np.arange(-half, half + 1)
    fall = np.clip((1 + half - np.abs(place)) / (1 + TAPER * half), 0, 1)
    edge = np.sin(np.pi / 2 * fall) ** 2
    return np.outer(edge, edge)


def for_apertures(
    light: NDArray[np.float64],
    left: NDArray[np.float64],
    oversample: int,
    kernel: NDArray[np.float64],
    strength: float,
    significance: float,
    weight: float,
) -> NDArray[np.float64]:
    """What to add to a kernel on pixels so that apertures hold the light of the target.

    With M_a the light that a unit of the kernel brings to aperture a, the least of the sum of
    squares, of which the kernel is the least without apertures, lies in the direction of all
    M_a divided by the transfer function of the squares; the share of each follows from a
    small matrix, as for a ridge.  The sum of the kernel stays.
    """
    from scipy.fft import irfft2, rfft2  # noqa: PLC0415 - slow to import

    half = min(CORE, kernel.shape[0] // 2, left.shape[0] // (2 * oversample))
    width = 2 * CORE * oversample
    core = min(light.shape[0] // 2, CORE * oversample - 1)
    source = transfer(middle(light, core), oversample, width)
    power = aliased(squared(source), width, oversample).real
    power += max(strength, GENTLE) * laplacian(2 * CORE) + significance**-2
    radii = [radius for radius in APERTURES if radius < left.shape[0] / (2 * oversample) - 1]
    sums = [np.ones((2 * CORE, 2 * CORE))]
    for radius in radii:
        circle = transfer_of_kernel(aperture(width // 2 - 1, oversample, radius), 1, width)
        light_in = irfft2(circle * source.conj(), s=(width, width))
        sums.append(light_in[::oversample, ::oversample])
    steps = [irfft2(rfft2(one) / power, s=one.shape) for one in sums]
    at = np.ix_(*[np.arange(-half, half + 1)] * 2)
    sums_in, steps_in = (np.array([one[at].ravel() for one in all_]) for all_ in (sums, steps))
    steps_in *= window(half).ravel()
    ridge = np.diag([0.0] + [1 / weight] * len(radii))
    errors = np.array([0.0, *encircled(left, oversample, tuple(radii))])
    shares = np.linalg.solve(sums_in @ steps_in.T + ridge, -errors)
    added = (shares @ steps_in).reshape(2 * half + 1, 2 * half + 1)
    return np.pad(added, kernel.shape[0] // 2 - half)
