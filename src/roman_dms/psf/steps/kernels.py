"""Matching kernels on disk."""

from __future__ import annotations

from pathlib import Path

from roman_dms import __version__
from roman_dms.errors import UsageError
from roman_dms.formats.writing import replacing
from roman_dms.psf.matching.kernels import MatchingKernel


def write_kernel(
    match: MatchingKernel, path: Path, *, source: str, target: str, place: tuple[float, float]
) -> None:
    """Write the kernels on pixels and on samples as FITS, with what they leave.

    Raises
    ------
    UsageError
        If the file does not end in ``.fits``.
    FileError
        If it cannot be written.
    """
    from astropy.io import fits  # noqa: PLC0415 - slow to import

    if path.suffix != ".fits":
        raise UsageError(f"{path.name} has the ending {path.suffix!r}.", ".fits")
    header = fits.Header()
    header["FROMPSF"] = source[-60:]
    header["TOPSF"] = target[-60:]
    header["PLACEX"] = (place[0], "[pixel] column")
    header["PLACEY"] = (place[1], "[pixel] row")
    header["CREATOR"] = f"roman_dms {__version__}"
    hdus = [fits.PrimaryHDU(header=header)]
    for name, kernel, oversample in (
        ("PIXELS", match.pixels, 1),
        ("OVERSAMPLED", match.oversampled, match.oversample),
    ):
        hdu = fits.ImageHDU(kernel.values, name=name)
        hdu.header["OVERSAMP"] = (oversample, "samples a pixel")
        hdu.header["RESIDUAL"] = (kernel.residual.largest, "largest, of the target's peak")
        hdu.header["RMS"] = (kernel.residual.rms, "root mean square residual")
        hdu.header["NOISE"] = (kernel.noise, "variance of noise that was 1")
        hdu.header["REGULAR"] = (kernel.regularisation, "strength of the penalty")
        hdus.append(hdu)
    with replacing(path) as file:
        fits.HDUList(hdus).writeto(file)
