"""The optical model of the Wide Field Instrument: from its pupil to a star's image.

GalSim draws such a star by Fourier transforms wide enough for its faintest light; here it is
computed only where it is wanted.  The optical transfer function is the autocorrelation of the
pupil, exact up to the highest frequency that the telescope passes; multiplied by those of
jitter, charge diffusion and pixel it is the effective PSF's, and a matrix Fourier transform
(Soummer et al. 2007, Opt. Express 15, 15935) samples that.  Nothing is undersampled or cut
off on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.psf.pupil import Pupil, coarsest_bin, pupil, zernike_coefficients

JITTER = 0.014
"""Pointing jitter, standard deviation an axis [arcsec] (``galsim.roman.jitter_rms``)."""

CHARGE_DIFFUSION = 0.1
"""Charge diffusion, standard deviation an axis [pixel] (``galsim.roman.charge_diffusion``)."""

LONG_WAVE = ("F184", "F213")
"""Elements with the pupil mask of long waves, as in ``galsim.roman``; all others, grism and
prism too, have that of short waves.  The cold mask that F213 has of its own is not published
with GalSim; that of F184 is the nearest."""

CLEARANCE = 3.0
"""Width of the field in which a binned pupil is unambiguous, in sizes of the PSF; what lies
further out than that falls on the centre of a bin's own diffraction pattern, and vanishes."""


@dataclass(frozen=True)
class Blur:
    """What spreads the light besides the optics."""

    jitter: float = JITTER
    """Gaussian pointing jitter, standard deviation an axis [arcsec]."""

    charge_diffusion: float = CHARGE_DIFFUSION
    """Gaussian spread of charge, standard deviation an axis [pixel]."""

    def attenuation(self, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        """Transfer function of jitter, diffusion and pixel along one axis [cycle / pixel]."""
        variance = (self.jitter / PIXEL_SCALE) ** 2 + self.charge_diffusion**2
        return np.exp(-2 * np.pi**2 * variance * frequency**2) * np.sinc(frequency)


def optical_psf(
    detector: str,
    element: str,
    x: float,
    y: float,
    wavelengths: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    jitter: float = JITTER,
    charge_diffusion: float = CHARGE_DIFFUSION,
    defocus: float = 0.0,
    oversample: int = 4,
    size: int = 65,
) -> NDArray[np.float64]:
    """The oversampled effective PSF at one place on a detector.

    Parameters
    ----------
    detector
        ``WFI01`` to ``WFI18``.
    element
        A filter, ``GRISM`` or ``PRISM``; it decides on the pupil's mask.
    x, y
        Column and row of the star in the science array of 4088 x 4088 [pixel].
    wavelengths
        (n,) [micron].
    weights
        (n,) share of the detected photons at each wavelength; equal if not given.
    jitter
        Gaussian pointing jitter, standard deviation an axis [arcsec].
    charge_diffusion
        Gaussian spread of charge, standard deviation an axis [pixel].
    defocus
        Coefficient of Noll's Z4 added to the wavefront, RMS [micron].
    oversample
        Samples a pixel.
    size
        Width of the stamp [pixel], odd.

    Returns
    -------
    NDArray
        (S, S), S = (size - 1) oversample + 1: fraction of the star's light in a pixel
        whose centre is offset from the star by (column - (S - 1) / 2) / oversample.  Every
        ``oversample``-th sample is a pixel; such pixels sum to 1 over an infinite plane, of
        which 97 to 99 per cent lie in 65 x 65 pixels.

    Raises
    ------
    UsageError
        For an unknown detector or element, or values that cannot be meant.

    Examples
    --------
    The brightest pixel of a star in the middle of a pixel, at 1.58 micron:

    >>> psf = optical_psf("WFI01", "F158", 2000.0, 2000.0, [1.58], size=9)
    >>> psf.shape, round(float(psf.max()), 2)
    ((33, 33), 0.27)
    """
    waves = np.atleast_1d(np.asarray(wavelengths, float))
    shares = np.ones(len(waves)) if weights is None else np.atleast_1d(np.asarray(weights, float))
    if waves.shape != shares.shape or not shares.sum() > 0:
        raise UsageError(
            f"{len(waves)} wavelengths and {len(shares)} weights were given.",
            "as many weights as wavelengths, and some weight above zero",
        )
    blur = Blur(jitter, charge_diffusion)
    psfs = monochromatic_psfs(
        detector, element, x, y, waves, blur, defocus=defocus, oversample=oversample, size=size
    )
    return np.tensordot(shares / shares.sum(), psfs, axes=1)


def monochromatic_psfs(
    detector: str,
    element: str,
    x: float,
    y: float,
    wavelengths: NDArray[np.float64],
    blur: Blur,
    *,
    defocus: float = 0.0,
    oversample: int = 4,
    size: int = 65,
) -> NDArray[np.float32]:
    """The effective PSFs of single wavelengths, (n, S, S); see :func:`optical_psf`."""
    _check(detector, element, wavelengths, size, oversample)
    coefficients = zernike_coefficients(detector, x, y)
    coefficients[4] += defocus
    psfs = []
    for binning, group in groupby(wavelengths, lambda wave: coarsest_bin(wave, CLEARANCE * size)):
        aperture = pupil(detector, element in LONG_WAVE, binning)
        path = aperture.path_lengths(coefficients)
        for wavelength in group:
            transfer = aperture.autocorrelation(path / wavelength)
            psfs.append(_transform(aperture, wavelength, blur, size, oversample).of(transfer))
    return np.array(psfs)


def wide_psf(
    detector: str,
    element: str,
    x: float,
    y: float,
    wavelengths: NDArray[np.float64],
    weights: NDArray[np.float64],
    blur: Blur,
    *,
    defocus: float = 0.0,
    size: int = 513,
) -> NDArray[np.float32]:
    """The effective PSF on whole pixels, far out, (size, size).

    The autocorrelation of the pupil is that of the mean wavelength for all, which moves
    fringes but no light; each wavelength is rounded, by about a nanometre, so that the
    field of the pupil is a whole number of pixels and its Fourier transform is a fast one.
    """
    _check(detector, element, wavelengths, size, 1)
    shares = weights / weights.sum()
    coefficients = zernike_coefficients(detector, x, y)
    coefficients[4] += defocus
    aperture = pupil(detector, element in LONG_WAVE, coarsest_bin(wavelengths.min(), 1.4 * size))
    path = aperture.path_lengths(coefficients)
    transfer = aperture.autocorrelation(path / (shares @ wavelengths))
    psf = np.zeros((size, size), np.float32)
    for wavelength, share in zip(wavelengths, shares, strict=True):
        period = round(1 / aperture.frequency(wavelength))
        psf += np.float32(share) * _wrapped(transfer, aperture.area, period, blur, size)
    return psf


@dataclass(frozen=True)
class _Transform:
    """Matrices that turn an autocorrelation into an effective PSF; the blur is in them."""

    along_x: NDArray[np.complex64]
    """(shift in x, S)."""

    cosine: NDArray[np.float32]
    """(S, shift in y)."""

    sine: NDArray[np.float32]
    """(S, shift in y)."""

    scale: NDArray[np.float32]
    """(S, S) makes up for the light that bins lose far out, and for the pupil's area."""

    def of(self, transfer: NDArray[np.complex64]) -> NDArray[np.float32]:
        """(S, S): sum over shifts of transfer exp(2 pi i shift . offset), its real part."""
        half = transfer @ self.along_x
        return (self.cosine @ half.real - self.sine @ half.imag) * self.scale


def _transform(
    aperture: Pupil, wavelength: float, blur: Blur, size: int, oversample: int
) -> _Transform:
    return _matrices(
        aperture.frequency(wavelength),
        len(aperture.transmission),
        aperture.area,
        blur,
        size,
        oversample,
    )


@lru_cache(maxsize=48)
def _matrices(
    unit: float, width: int, area: float, blur: Blur, size: int, oversample: int
) -> _Transform:
    """``unit`` is the frequency of a shift by one bin of a pupil ``width`` bins wide."""
    reach = (size - 1) * oversample // 2
    offsets = np.arange(-reach, reach + 1) / oversample
    shift_x, shift_y = np.arange(width + 1.0), _shifts(2 * width)
    share_x = _shares(shift_x, unit, blur) * np.where(shift_x > 0, 2, 1)  # and shifts < 0
    along_x = share_x[:, None] * np.exp(2j * np.pi * unit * np.outer(shift_x, offsets))
    angle = 2 * np.pi * unit * np.outer(offsets, shift_y)
    share_y = _shares(shift_y, unit, blur)
    bin_pattern = np.sinc(offsets * unit) ** 2
    return _Transform(
        along_x.astype(np.complex64),
        (share_y * np.cos(angle)).astype(np.float32),
        (share_y * np.sin(angle)).astype(np.float32),
        (1 / (area * np.outer(bin_pattern, bin_pattern))).astype(np.float32),
    )


def _shifts(width: int) -> NDArray[np.float64]:
    """0, 1, ... -2, -1: shifts in the order of a fast Fourier transform."""
    return np.fft.ifftshift(np.arange(width) - width // 2).astype(float)


def _shares(shift: NDArray[np.float64], unit: float, blur: Blur) -> NDArray[np.float64]:
    """Weight of each shift in the transform along one axis."""
    return blur.attenuation(shift * unit) * unit


def _wrapped(
    transfer: NDArray[np.complex64], area: float, period: int, blur: Blur, size: int
) -> NDArray[np.float32]:
    """The effective PSF on whole pixels, of a pupil whose field is ``period`` pixels wide.

    On whole pixels frequencies that differ by whole cycles a pixel are the same.
    """
    from scipy import fft  # noqa: PLC0415 - slow to import

    width = transfer.shape[1] - 1
    shift_x, shift_y = np.arange(width + 1.0), _shifts(2 * width)
    share_x = _shares(shift_x, 1 / period, blur) * np.where(shift_x > 0, 2, 1)
    shares = np.outer(_shares(shift_y, 1 / period, blur), share_x).astype(np.float32)
    blurred = transfer * shares
    rows = _folded(blurred[:width], 0, period) + _folded(blurred[width:], -width, period)
    folded = _folded(rows.T, 0, period).T
    image = fft.ifft2(folded, norm="forward", overwrite_x=True).real
    offsets = np.arange(size) - size // 2
    bin_pattern = np.sinc(offsets / period) ** 2
    return image[np.ix_(offsets, offsets)] / (area * np.outer(bin_pattern, bin_pattern))


def _folded(values: NDArray[np.complex64], first: int, period: int) -> NDArray[np.complex64]:
    """Sum of the rows that are a period apart; the first row is that of shift ``first``."""
    total = np.zeros((period, values.shape[1]), values.dtype)
    start = 0
    while start < len(values):
        place = (first + start) % period
        part = values[start : start + period - place]
        total[place : place + len(part)] += part
        start += len(part)
    return total


def _check(
    detector: str, element: str, wavelengths: NDArray[np.float64], size: int, oversample: int
) -> None:
    if detector not in NAMES:
        raise UsageError(f"There is no detector {detector!r}.", "one of WFI01 to WFI18")
    if optical_element(element).use == "blocked":
        raise UsageError(f"No light passes {element!r}.", "a filter, GRISM or PRISM")
    if size < 1 or size % 2 == 0 or oversample < 1:
        raise UsageError(
            f"A PSF of {size} pixels with {oversample} samples each was asked for.",
            "an odd number of pixels, and 1 sample or more",
        )
    if not (np.isfinite(wavelengths) & (wavelengths > 0)).all():
        raise UsageError(
            f"Wavelengths from {np.min(wavelengths)} to {np.max(wavelengths)} were given.",
            "wavelengths above zero, in micron",
        )
