"""How much the PSFs of two pixels overlap, anywhere: the matrices of linear-optimal images.

A pixel of an image weighs the sky around it with the effective PSF there.  The integral over
the sky of two such weights depends on the images and on how far the pixels are apart alone:
a correlation, computed once by Fourier transforms and looked up with quintic splines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.evaluation import TAPS, spline_weights

Values = NDArray[np.float64]

SAMPLES = 8
"""Of correlations, in a pixel of a detector: at F158, the highest frequency that the telescope
passes is then a tenth of a sample's."""

LARGEST = 4096
"""Samples along an axis of a transform, at most."""


@dataclass(frozen=True)
class PixelResponse:
    """The effective PSF of an image at one place of a mosaic."""

    samples: Values
    """(S, S), S odd: light of a star in a pixel whose centre lies
    (column - (S - 1) / 2) / oversample from it, and the same for rows."""

    oversample: int
    """Samples a pixel of the detector."""

    matrix: Values
    """(2, 2): offset (x, y) in detector pixels = matrix @ offset in mosaic pixels."""

    @property
    def reach(self) -> float:
        """How far the samples extend from the star [pixel of the detector]."""
        return (self.samples.shape[-1] - 1) / 2 / self.oversample

    @property
    def enclosed(self) -> float:
        """Share of a star's light within the samples."""
        return float(self.samples.sum(dtype=float)) / self.oversample**2

    @property
    def scale(self) -> float:
        """Side of a detector pixel [mosaic pixel]."""
        return float(abs(np.linalg.det(self.matrix)) ** -0.5)

    def over(self, step: float, size: int) -> Values:
        """(size, size) light in a mosaic pixel's area, star at [0, 0] with wrapped offsets.

        Its integral over the mosaic is 1: light beyond the samples stays where it is.
        """
        from scipy.ndimage import map_coordinates  # noqa: PLC0415 - slow to import

        steps = np.fft.fftfreq(size, 1 / (size * step))
        columns, rows = np.tensordot(self.matrix, np.stack(np.meshgrid(steps, steps)), axes=1)
        places = np.stack([rows, columns])
        inside = np.abs(places).max(axis=0) <= self.reach
        at = (places[:, inside] + self.reach) * self.oversample
        values = np.zeros((size, size))
        values[inside] = map_coordinates(self.samples.astype(float), at, order=5, mode="mirror")
        return values / (values.sum() * step**2)


Target = Callable[[Values, Values], Values]
"""Takes squared frequencies (cycles a mosaic pixel) and the mean transfer function of the images
to the transfer function of the PSF that is wanted; 1 at no frequency."""


@dataclass(frozen=True)
class Gaussian:
    """A round Gaussian, whatever the PSFs of the images."""

    fwhm: float
    """Full width at half maximum [mosaic pixel]."""

    def __call__(self, squared: Values, mean: Values) -> Values:
        """Its transfer function."""
        del mean
        return np.exp(-2 * (np.pi * _deviation(self.fwhm)) ** 2 * squared)


@dataclass(frozen=True)
class Broadened:
    """The mean PSF of the images, blurred by a Gaussian."""

    fwhm: float
    """Full width at half maximum of the blur [mosaic pixel]."""

    def __call__(self, squared: Values, mean: Values) -> Values:
        """Its transfer function."""
        return mean * np.exp(-2 * (np.pi * _deviation(self.fwhm)) ** 2 * squared)


@dataclass(frozen=True)
class Overlaps:
    """Integrals of products of PSFs over the sky, in units of that of the target squared."""

    step: float
    """Of the tables [mosaic pixel]."""

    pairs: dict[tuple[int, int], Values]
    """Of images (a, b), a >= b: (T, T) spline coefficients, no offset in the middle."""

    targets: list[Values]
    """Of the target and each image, likewise."""

    psf: Values
    """(P, P) the target on whole mosaic pixels, in the middle; it sums to 1."""

    def of_pair(self, a: int, b: int, first: Values, second: Values, out: Values) -> None:
        """Fill out (n, m) for pixels of image a at first (2, n) and of b at second (2, m)."""
        _look_up(self.pairs[a, b], self.step, first, second, out)

    def with_target(self, a: int, pixels: Values, outputs: Values, out: Values) -> None:
        """Fill out (m, n) for outputs (2, m) and pixels (2, n) of image a."""
        _look_up(self.targets[a], self.step, outputs, pixels, out)


def psf_overlaps(
    responses: Sequence[PixelResponse], target: Target, farthest: float, half: int = 12
) -> Overlaps:
    """Tabulate the overlaps of all pairs of images, and of each with the target.

    Parameters
    ----------
    responses
        PSFs of the images, taken as constant over the mosaic.
    target
        The PSF that the mosaic shall have.
    farthest
        Largest offset along an axis between pixels that is asked for [mosaic pixel].
    half
        Pixels of the target's picture on each side of its middle.

    Raises
    ------
    UsageError
        Where the tables would be too large, or a PSF holds no light.
    """
    for one in responses:
        if not (np.isfinite(one.samples).all() and one.enclosed > 0):
            raise UsageError("A PSF holds no light.", "finite effective PSFs with light")
    step = min(one.scale for one in responses) / SAMPLES
    span = max(2**0.5 * one.reach * one.scale for one in responses)
    size = _even(max(2 * span + farthest, 2 * farthest) / step + 2 * TAPS)
    transfers = [np.fft.rfft2(one.over(step, size)) * step**2 for one in responses]
    along = np.fft.fftfreq(size, step)
    squared = along[:, np.newaxis] ** 2 + np.fft.rfftfreq(size, step) ** 2
    wanted = target(squared, np.mean(transfers, axis=0))
    norm = np.fft.irfft2(np.abs(wanted) ** 2, s=(size, size))[0, 0]
    spline = _spline_transfer(size)
    reach = int(farthest / step) + TAPS

    def table(transfer: NDArray[np.complex128]) -> Values:
        whole = np.fft.irfft2(transfer / spline, s=(size, size)) / norm
        near = np.arange(-reach, reach + 1)
        return np.ascontiguousarray(whole[np.ix_(near, near)])

    pairs = {
        (a, b): table(transfers[a] * transfers[b].conj())
        for a in range(len(responses))
        for b in range(a + 1)
    }
    targets = [table(wanted * one.conj()) for one in transfers]
    return Overlaps(step, pairs, targets, _picture(wanted, step, half))


def _deviation(fwhm: float) -> float:
    return float(fwhm / np.sqrt(8 * np.log(2)))


def _even(least: float) -> int:
    """A size with a fast transform."""
    from scipy.fft import next_fast_len  # noqa: PLC0415 - slow to import

    if not least < LARGEST:
        raise UsageError(
            f"Overlaps of PSFs would be tabulated with {least:.0f} samples along an axis.",
            f"{LARGEST} at most",
            "ask for smaller tiles, a smaller radius or PSFs that are cut closer to the star",
        )
    return 2 * int(next_fast_len(int(least / 2) + 1))


def _spline_transfer(size: int) -> Values:
    """Of quintic B-splines on samples: what turns coefficients into values."""
    axes = [2 * np.pi * np.fft.fftfreq(size)[:, np.newaxis], 2 * np.pi * np.fft.rfftfreq(size)]
    along, across = ((66 + 52 * np.cos(w) + 2 * np.cos(2 * w)) / 120 for w in axes)
    product: Values = along * across
    return product


def _picture(wanted: NDArray[Any], step: float, half: int) -> Values:
    """A PSF on whole mosaic pixels, by its Fourier series at these places."""
    size, columns = wanted.shape
    places = np.arange(-half, half + 1) / (size * step)
    weights = np.full(columns, 2.0)
    weights[[0, -1]] = 1
    along = np.exp(2j * np.pi * np.outer(places, np.fft.fftfreq(size) * size))
    across = np.exp(2j * np.pi * np.outer(np.arange(columns), places))
    psf = np.real(along @ (wanted * weights) @ across) / (size * step) ** 2
    picture: Values = psf
    return picture


@njit(cache=True, nogil=True, fastmath=True)
def _look_up(table, step, first, second, out):  # type: ignore[no-untyped-def]
    """out[i, j] = the spline at first[:, i] - second[:, j]."""
    middle = table.shape[0] // 2
    by_x, by_y, slopes = np.empty(TAPS), np.empty(TAPS), np.empty(TAPS)
    for i in range(first.shape[1]):
        for j in range(second.shape[1]):
            x = (first[0, i] - second[0, j]) / step + middle
            y = (first[1, i] - second[1, j]) / step + middle
            column, row = int(x), int(y)
            spline_weights(x - column, by_x, slopes)
            spline_weights(y - row, by_y, slopes)
            total = 0.0
            for k in range(TAPS):
                line = table[row + k - 2, column - 2 : column + 4]
                total += by_y[k] * (
                    by_x[0] * line[0]
                    + by_x[1] * line[1]
                    + by_x[2] * line[2]
                    + by_x[3] * line[3]
                    + by_x[4] * line[4]
                    + by_x[5] * line[5]
                )
            out[i, j] = total
