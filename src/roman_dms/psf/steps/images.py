"""Images of PSFs on disk: FITS and ASDF, with their errors and where they are from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.writing import replacing, write_plain
from roman_dms.psf.effective import EffectivePsf

KEYWORD = "OVERSAMP"
"""Samples a pixel, in the header of a FITS image of a PSF."""


def write_images(psf: EffectivePsf, path: Path, *, covariance: bool = False) -> None:
    """Write images of stars of unit light.

    Parameters
    ----------
    path
        Ends in ``.fits`` or ``.asdf``.
    covariance
        Whether to write the whole covariance of each image, too.

    Raises
    ------
    UsageError
        For another ending.
    FileError
        If the file cannot be written.
    """
    if path.suffix not in {".fits", ".asdf"}:
        raise UsageError(f"{path.name} has the ending {path.suffix!r}.", ".fits or .asdf")
    arrays: dict[str, NDArray[Any]] = {
        "psf": psf.images,
        "error": psf.error,
        "modes": psf.modes,
        "scatter": psf.scatter,
    }
    if covariance:
        arrays["covariance"] = np.array([psf.covariance(i) for i in range(len(psf.images))])
    places = {"x": psf.x, "y": psf.y, "middle_x": psf.middle_x, "middle_y": psf.middle_y}
    if path.suffix == ".asdf":
        meta = {
            "oversample": float(psf.oversample),
            "wavelength": float(psf.wavelength),
            "origin": psf.origin,
            "causes": list(psf.causes),
            "software": f"roman_dms {__version__}",
        }
        write_plain({"meta": meta, **places, **arrays}, path)
    else:
        _write_fits(psf, path, arrays, places)


def _write_fits(
    psf: EffectivePsf,
    path: Path,
    arrays: dict[str, NDArray[Any]],
    places: dict[str, NDArray[np.float64]],
) -> None:
    from astropy.io import fits  # noqa: PLC0415 - slow to import
    from astropy.table import Table  # noqa: PLC0415

    header = fits.Header()
    header[KEYWORD] = (float(psf.oversample), "samples a pixel")
    header["WAVELEN"] = (float(psf.wavelength), "[micron] mean wavelength of the photons")
    header["CREATOR"] = f"roman_dms {__version__}"
    header["COMMENT"] = "Fraction of a star's light in a pixel centred at each sample."
    header["HISTORY"] = psf.origin
    for number, cause in enumerate(psf.causes, 1):
        header[f"MODE{number}"] = (cause, "what a mode of error is due to")
    hdus: list[Any] = [fits.PrimaryHDU(header=header)]
    hdus += [
        fits.ImageHDU(array, header if name == "psf" else None, name=name.upper())
        for name, array in arrays.items()
        if array.size
    ]
    hdus.append(fits.BinTableHDU(Table(places), name="PLACES"))
    with replacing(path) as file:
        fits.HDUList(hdus).writeto(file)


def read_psf_image(path: Path) -> tuple[NDArray[np.float64], int]:
    """The first PSF in a FITS file, and its samples a pixel (header ``OVERSAMP``, else 1).

    Raises
    ------
    FileError
        If it cannot be read.
    FormatError
        If it holds no image, or samples a pixel that are no whole number.
    """
    from astropy.io import fits  # noqa: PLC0415 - slow to import

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [hdu for hdu in hdus if hdu.is_image and hdu.data is not None]
            if not images:
                raise FormatError(f"{path} holds no image.", "an image of a PSF")
            data = np.asarray(images[0].data, float)
            oversample = float(images[0].header.get(KEYWORD, hdus[0].header.get(KEYWORD, 1)))
    except (OSError, ValueError, TypeError) as error:
        raise FileError(f"{path} cannot be read as FITS: {error}.") from None
    if oversample < 1 or oversample != int(oversample):
        raise FormatError(f"{path} has {oversample:g} samples a pixel.", "a whole number")
    return data.reshape(-1, *data.shape[-2:])[0], int(oversample)
