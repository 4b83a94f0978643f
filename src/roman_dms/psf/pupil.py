"""The pupil of the Wide Field Instrument: where light passes, and its wavefront.

The data are GalSim's (``galsim.roman``, Cycle 9 of the mission's optical design): for each
detector an image of the pupil, and Zernike coefficients at its centre and corners.

Orientation: the pupil is as ``galsim.roman.getPSF`` orients it, and so an image of it is in
the frame in which GalSim, and romanisim with it, draw stars.  The place in the field follows
the mission's aperture file: rows of the science frame run along +Y of the focal plane and
columns along -X, for all detectors (STPSF takes them so, too); GalSim's own detector frame
is mirrored to that, see :func:`galsim_position`.

Scale: that of the headers.  GalSim 2.8.5 forgets it when it flips the image, and takes the
mask's farthest pixel to lie on its nominal circle instead, so that its pupils come out 0.2
to 5 per cent too small.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.throughput import PIXEL_SCALE

DIAMETER = 2.36
"""Diameter of the circle on which the Zernike polynomials are defined [m] (``galsim.roman``)."""

ZERNIKE_WAVELENGTH = 1.293
"""Wavelength in which the Zernike coefficients are given [micron] (``galsim.roman``)."""

MIDDLE = 2043.5
"""Middle of the science array [pixel]."""

PIXEL_PITCH = 0.01
"""Distance of pixels on the detector [mm]."""

PIXEL_ANGLE = float(np.deg2rad(PIXEL_SCALE / 3600))
"""Angle of a pixel on the sky [radian]."""

MASK_STEP = 1.1798e-3
"""Width of a pixel of the pupil masks, in the entrance pupil [m] (their headers)."""

BINS = (8, 4, 2, 1)
"""By how much the 2048 x 2048 pupil masks may be binned."""


@dataclass(frozen=True)
class Pupil:
    """A pupil in square bins, of which the light's amplitude is the mean in each."""

    binning: int
    """Width of a bin [pixel of the mask]."""

    step: float
    """Width of a bin [m]."""

    transmission: NDArray[np.float32]
    """(n, n) mean of the mask in each bin."""

    area: float
    """Sum of the mask before it was binned: all light, wherever it goes [bin]."""

    @property
    def origin(self) -> float:
        """Column and row of the optical axis: the pixel of the mask right of its middle [bin]."""
        return (len(self.transmission) - 1 + 1 / self.binning) / 2

    def path_lengths(self, coefficients: NDArray[np.float64]) -> NDArray[np.float32]:
        """(lit bin,) wavefront of Zernike coefficients, where there is light [micron]."""
        from galsim.zernike import Zernike  # noqa: PLC0415 - slow to import

        rows, columns = np.nonzero(self.transmission)
        x, y = (columns - self.origin) * self.step, (rows - self.origin) * self.step
        path = Zernike(coefficients, R_outer=DIAMETER / 2).evalCartesian(x, y)
        return path.astype(np.float32)

    def autocorrelation(self, waves: NDArray[np.float32]) -> NDArray[np.complex64]:
        """(2 n, n + 1) for shifts in y, in the order of FFT, and for shifts in x >= 0 [bin].

        ``waves`` is the wavefront in each lit bin, in wavelengths.
        """
        from scipy import fft  # noqa: PLC0415 - slow to import

        width = len(self.transmission)
        lit = self.transmission > 0
        field = np.zeros((2 * width, 2 * width), np.complex64)
        phase = np.float32(2 * np.pi) * waves
        field[:width, :width][lit] = self.transmission[lit] * (np.cos(phase) + 1j * np.sin(phase))
        spread = fft.fft2(field, overwrite_x=True)
        power = spread.real**2 + spread.imag**2
        return np.conj(fft.rfft2(power, overwrite_x=True)) / np.float32(power.size)

    def frequency(self, wavelength: float) -> float:
        """Spatial frequency to which a shift by one bin belongs [cycle / pixel]."""
        return self.step * PIXEL_ANGLE / (wavelength * 1e-6)


@lru_cache(maxsize=6)
def pupil(detector: str, long_wave: bool, binning: int) -> Pupil:
    """The pupil of a detector, oriented as GalSim does, binned."""
    mask, step = _mask(detector, long_wave)
    middle = len(mask) // 2
    places = np.flatnonzero(mask.any(axis=0) | mask.any(axis=1))
    reach = max(middle - places[0], places[-1] + 1 - middle)
    half = -(-reach // (4 * binning)) * 4 * binning  # a whole number of bins, a fast FFT
    lit = mask[middle - half : middle + half, middle - half : middle + half]
    bins = 2 * half // binning
    transmission = lit.reshape(bins, binning, bins, binning).mean(axis=(1, 3), dtype=np.float32)
    return Pupil(binning, step * binning, transmission, float(mask.sum()) / binning**2)


@lru_cache(maxsize=1)
def _mask(detector: str, long_wave: bool) -> tuple[NDArray[np.bool_], float]:
    """(2048, 2048) where light passes, and the width of a pixel in the entrance pupil [m]."""
    from astropy.io import fits  # noqa: PLC0415 - slow to import

    name = "F184" if long_wave else "skinny"
    path = _galsim_file(f"RST_WIM_Filter_{name}_SCA_{int(detector[3:])}.fits.gz")
    with fits.open(path) as hdus:
        header = hdus[0].header
        # micron in the exit pupil; the factor leads to the entrance pupil
        step = header["CDELT1"] * header["PUPIL SCALE FACTOR"] * 1e-6
        # the file is in the frame of the exit pupil, a flip leads to that of the focal plane
        return hdus[0].data[::-1] > 0, step


def coarsest_bin(wavelength: float, width: float) -> int:
    """The coarsest binning of the pupil whose field is at least so wide [pixel], or 1."""
    for binning in BINS:
        if wavelength * 1e-6 / (MASK_STEP * binning * PIXEL_ANGLE) >= width:
            return binning
    return BINS[-1]


def galsim_position(detector: str, x: float, y: float) -> tuple[float, float]:
    """``SCA_pos`` of ``galsim.roman.getPSF`` for a place in the science array.

    GalSim's axes follow the focal plane's for every third detector and are turned by 180
    degrees for the others; the science frame is mirrored to the focal plane.
    """
    sign = 1 if int(detector[3:]) % 3 else -1
    return 2044 + sign * (x - MIDDLE), 2044 - sign * (y - MIDDLE)


def zernike_coefficients(detector: str, x: float, y: float) -> NDArray[np.float64]:
    """(23,) Noll's coefficients at a place, without piston, tip and tilt [micron].

    Bilinear between the corners of the detector, as in ``galsim.roman``; element 0 is unused.
    """
    table = _field_table(detector)
    place = np.array([MIDDLE - x, y - MIDDLE]) * PIXEL_PITCH
    low, high = table[:, 1:3].min(axis=0), table[:, 1:3].max(axis=0)
    right, up = (place - low) / (high - low)
    corners = table[1:]
    is_right, is_up = (corners[:, 1:3] > table[0, 1:3]).T
    share = np.where(is_right, right, 1 - right) * np.where(is_up, up, 1 - up)
    coefficients = np.zeros(23)
    coefficients[4:] = share @ corners[:, 8:] * ZERNIKE_WAVELENGTH
    return coefficients


@lru_cache(maxsize=18)
def _field_table(detector: str) -> NDArray[np.float64]:
    """Five places on a detector, the centre first.

    Columns: number, x and y in the detector along the axes of the focal plane [mm], x and y
    in the focal plane [mm], 22 Zernike coefficients [wave].
    """
    return np.loadtxt(_galsim_file(f"Roman_Cycle-9_WFI_zim_zernikes_082623_{detector[3:]}.txt"))


def _galsim_file(name: str) -> Path:
    from galsim import meta_data  # noqa: PLC0415 - slow to import

    return Path(meta_data.share_dir) / "roman" / name
