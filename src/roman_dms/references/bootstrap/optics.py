"""What the optics do: photometric calibration, pixel areas, distortion, PSFs.

Effective areas are the mission's, by detector (``instrument.throughput``);
wavefronts and pupils are those of ``galsim.roman``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.instrument.starlight import SPECTRAL_TYPES, star_wavelength
from roman_dms.instrument.throughput import (
    COLLECTING_AREA,
    COLUMNS,
    PIXEL_AREA,
    PIXEL_SCALE,
    effective_area,
    megajanskys_per_steradian,
    wavelengths,
)
from roman_dms.references.bootstrap.frame import Frame
from roman_dms.references.bootstrap.pixels import median_gain
from roman_dms.sky.distortion import distortion_model

ZERO_POINT_ERROR = 0.02
"""Relative uncertainty of the conversion to flux before launch."""

AREA_STEP = 2.0**-22
"""Step of the map of pixel areas [arcsec2]."""

OVERSAMPLING = 4
"""Samples of a PSF a pixel."""

STAMP = 361
"""Width of a PSF [sample]."""

JITTER = 0.012
"""Standard deviation of the pointing during an exposure, each axis [arcsec]."""

POSITIONS = (0.0, 2043.5, 4087.0)
"""Columns and rows of the science frame at which PSFs are computed [pixel]."""

RADII = np.r_[np.arange(0.25, 5, 0.25), np.arange(5, 20, 0.5), np.arange(20, 44, 1)]
"""Radii of the aperture corrections [pixel]."""


def photom(frame: Frame) -> dict[str, Any]:
    """Conversion from DN/s to MJy/sr of each element, and its effective area."""
    name, gain = frame.detector.name, median_gain(frame)
    wavelength = wavelengths(name).astype(np.float32)
    table: dict[str, Any] = {}
    for element in COLUMNS:
        imaging = element in FILTERS
        factor = megajanskys_per_steradian(name, element, gain) if imaging else None
        table[element] = {
            "photmjsr": factor,
            "uncertainty": ZERO_POINT_ERROR * factor if factor is not None else None,
            "pixelareasr": PIXEL_AREA if imaging else None,
            "collecting_area": COLLECTING_AREA,
            "wavelength": wavelength,
            "effective_area": effective_area(name, element).astype(np.float32),
        }
    for element in ("DARK", "NOT_CONFIGURED"):
        table[element] = dict.fromkeys(table["F158"])
    return {"phot_table": table}


def _model(frame: Frame) -> Any:
    x0, y0 = frame.corner
    return distortion_model(frame.detector.name, x0, y0, frame.kept.science_shape)


def distortion(frame: Frame, _element: str) -> dict[str, Any]:
    """Science pixel to V2, V3 [arcsec]; the same for all elements (the SIAF's)."""
    return {"coordinate_distortion_transform": _model(frame)}


def area(frame: Frame) -> dict[str, Any]:
    """Solid angle of each science pixel [arcsec2], from the distortion.

    The Jacobian at 24 x 24 pixels, and Legendre polynomials between them, rounded
    to 2e-5 of itself, which compresses well.
    """
    rows, columns = frame.kept.science_shape
    nodes = np.cos(np.pi * (np.arange(24) + 0.5) / 24)
    x, y = np.meshgrid((nodes + 1) / 2 * (columns - 1), (nodes + 1) / 2 * (rows - 1))
    model, half = _model(frame), 0.5
    right, left = np.array(model(x + half, y)), np.array(model(x - half, y))
    above, below = np.array(model(x, y + half)), np.array(model(x, y - half))
    (a, b), (c, d) = right - left, above - below
    known = np.abs(a * d - b * c)
    inverse = np.linalg.pinv(legendre.legvander(nodes, 8))
    coefficients = inverse @ known @ inverse.T
    row_terms, column_terms = (
        legendre.legvander(np.linspace(-1, 1, n), 8) for n in (rows, columns)
    )
    data = np.round((row_terms @ coefficients @ column_terms.T) / AREA_STEP) * AREA_STEP
    nominal = {"pixelarea_steradians": PIXEL_AREA, "pixelarea_arcsecsq": PIXEL_SCALE**2}
    return {"meta": {"photometry": nominal}, "data": data.astype(np.float32)}


def stamp(frame: Frame, x: float, y: float, wavelength: float) -> NDArray[np.float64]:
    """PSF of a point source at a science pixel, integrated over pixels.

    Parameters
    ----------
    x, y
        Position in the whole science frame [pixel].
    wavelength
        [micron].

    Returns
    -------
    (361, 361), 4 samples a pixel; the sum of an unbounded stamp is 16.
    """
    import galsim  # noqa: PLC0415 - slow to import
    from galsim import roman  # noqa: PLC0415

    optics = roman.getPSF(
        frame.detector.number,
        None,
        SCA_pos=galsim.PositionD(x + 1, y + 1),
        pupil_bin=8,
        wavelength=1000 * wavelength,
    )
    profile = galsim.Convolve(optics, galsim.Pixel(PIXEL_SCALE), galsim.Gaussian(sigma=JITTER))
    image = profile.drawImage(
        nx=STAMP, ny=STAMP, scale=PIXEL_SCALE / OVERSAMPLING, method="no_pixel"
    )
    return np.asarray(image.array, dtype=np.float64) * OVERSAMPLING**2


def epsf(frame: Frame, element: str) -> dict[str, Any]:
    """PSFs of three spectral types at 3 x 3 positions, in focus.

    A stand-in, for baselines that are given no model of effective PSFs: GalSim's pupil as it
    comes and few positions; a per cent of the peak, or worse, between them.
    """
    x0, y0 = frame.corner
    places = [(x, y) for y in POSITIONS for x in POSITIONS]
    psf = np.zeros((1, len(SPECTRAL_TYPES), len(places), STAMP, STAMP), dtype=np.float32)
    for spectrum, temperature in enumerate(SPECTRAL_TYPES.values()):
        wavelength = star_wavelength(frame.detector.name, element, temperature)
        for place, (x, y) in enumerate(places):
            found = stamp(frame, x, y, wavelength)
            psf[0, spectrum, place] = found / found.sum() * OVERSAMPLING**2
    meta = {
        "oversample": OVERSAMPLING,
        "spectral_type": list(SPECTRAL_TYPES),
        "defocus": [0],
        "pixel_x": [x - x0 for x, _ in places],
        "pixel_y": [y - y0 for _, y in places],
        "jitter_major": 1000 * JITTER,
        "jitter_minor": 1000 * JITTER,
        "jitter_position_angle": 0.0,
    }
    return {"meta": meta, "psf": psf}


def apcorr(frame: Frame) -> dict[str, Any]:
    """Enclosed energy of a solar star at the centre of the detector, all filters."""
    axis = (np.arange(STAMP) - STAMP // 2) / OVERSAMPLING
    radius = np.hypot(axis[:, None], axis).ravel()
    order = np.argsort(radius)
    data = {}
    for element in FILTERS:
        wavelength = star_wavelength(frame.detector.name, element, SPECTRAL_TYPES["G2V"])
        image = stamp(frame, POSITIONS[1], POSITIONS[1], wavelength).ravel()
        enclosed = np.cumsum(image[order]) / OVERSAMPLING**2
        fractions = np.interp(RADII, radius[order], enclosed)
        data[element] = {
            "ap_corrections": 1 / fractions,
            "ee_fractions": fractions,
            "ee_radii": RADII.copy(),
            "sky_background_rin": 24.0,
            "sky_background_rout": 34.0,
        }
    return {"data": data}
