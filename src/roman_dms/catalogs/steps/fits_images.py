"""Any FITS image, made ready to be measured."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from roman_dms.catalogs.sky_frame import ToSky, Values
from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.measure.background import background_of
from roman_dms.measure.image import Image

FilePath = str | os.PathLike[str]

ERRORS = {
    "ERR": 1.0, "ERROR": 1.0, "RMS": 1.0, "UNCERT": 1.0, "SIGMA": 1.0,
    "VAR": 0.5, "VARIANCE": 0.5, "IVAR": -0.5, "INVVAR": -0.5,
}  # fmt: skip
"""Extensions that hold errors, and the power that makes standard deviations of them."""

MASKS = ("DQ", "MASK", "FLAGS")
"""Extensions whose pixels are usable where they are zero."""

AB_ZERO = 3631e9
"""Flux of a source of magnitude 0, AB [nJy]."""


@dataclass(frozen=True)
class FitsImage:
    """An image from a FITS file."""

    image: Image

    to_sky: ToSky | None
    """Pixels to the sky, where the header says it."""

    nanojanskys: float | None
    """[nJy] of a unit of the image, where it is known."""

    unit: str
    """What the header calls the unit."""


def read_fits_image(
    path: FilePath,
    *,
    data: str | int | None = None,
    errors: str | int | None = None,
    mask: str | int | None = None,
    zero_point: float | None = None,
) -> FitsImage:
    """Read values, errors and masks.

    Parameters
    ----------
    path
        A FITS file.
    data
        Extension of the values; the first image where ``None``.
    errors
        Extension of the errors; one that is called like in `ERRORS` where ``None``.  Without
        any the noise is that of the sky, measured on the image.
    mask
        Extension whose pixels are left out where they are not zero; one of `MASKS` where
        ``None``.
    zero_point
        AB magnitude of one unit of the image; by ``BUNIT`` (a flux density) where ``None``.

    Raises
    ------
    FileError
        Where the file cannot be read.
    FormatError
        Where it has no image of two axes, or no such extension.
    UsageError
        For errors of another shape than the values.
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            values = _extension(hdus, data, path)
            error = _found(hdus, errors, tuple(ERRORS), path)
            flags = _found(hdus, mask, MASKS, path)
            header = values.header.copy()
            sigma = None if error is None else _deviations(error)
            masked = None if flags is None else np.asarray(flags.data) != 0
            pixels = np.array(values.data, np.float32)
    except (OSError, TypeError) as error_:
        raise FileError(f"The file {path} cannot be read: {error_}.", "a FITS image") from None
    image = _image(pixels, sigma, masked)
    unit = str(header.get("BUNIT", "")).strip()
    return FitsImage(image, _to_sky(header), _nanojanskys(zero_point, unit), unit)


def _image(
    pixels: NDArray[np.float32],
    sigma: NDArray[np.float32] | None,
    masked: NDArray[np.bool_] | None,
) -> Image:
    if sigma is not None:
        return Image.of(pixels, sigma, masked)
    rough = Image.of(pixels, np.ones_like(pixels), masked)
    return Image.of(pixels, background_of(rough).rms, masked)


def _extension(hdus: fits.HDUList, name: str | int | None, path: FilePath) -> fits.ImageHDU:
    if name is None:
        images = [hdu for hdu in hdus if hdu.is_image and hdu.header.get("NAXIS") == 2]
        if images:
            return images[0]
    elif name in hdus:
        return hdus[name]
    else:
        try:
            return hdus[int(name)]
        except (ValueError, IndexError):
            pass
    names = ", ".join(f"{i} {hdu.name or 'PRIMARY'}" for i, hdu in enumerate(hdus))
    raise FormatError(
        f"The file {path} has {'no image' if name is None else f'no extension {name!r}'}; "
        f"it has {names}.",
        "an image of two axes",
        "name the extension by its name or number",
    )


def _found(
    hdus: fits.HDUList, name: str | int | None, usual: tuple[str, ...], path: FilePath
) -> fits.ImageHDU | None:
    if name is not None:
        return _extension(hdus, name, path)
    return next((hdus[known] for known in usual if known in hdus), None)


def _deviations(hdu: fits.ImageHDU) -> NDArray[np.float32]:
    """Standard deviations; not finite, and so unusable, where there is no information."""
    power = ERRORS.get(hdu.name, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma: NDArray[np.float32] = np.asarray(hdu.data, np.float32) ** np.float32(power)
    return sigma


def _to_sky(header: fits.Header) -> ToSky | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, naxis=2)
    if not wcs.has_celestial:
        return None

    def to_sky(x: Values, y: Values) -> tuple[Values, Values]:
        position = wcs.celestial.all_pix2world(x, y, 0)
        return position[0], position[1]

    return to_sky


def _nanojanskys(zero_point: float | None, unit: str) -> float | None:
    if zero_point is not None:
        if not np.isfinite(zero_point):
            raise UsageError(f"The zero point is {zero_point!r}.", "a magnitude")
        return float(AB_ZERO * 10 ** (-0.4 * zero_point))
    try:
        return float(u.Unit(unit).to(u.nJy)) if unit else None
    except (ValueError, u.UnitConversionError):
        return None
