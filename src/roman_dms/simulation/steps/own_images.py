"""A user's own light: a count-rate image of a detector, or a data cube of the sky."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import gwcs
import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError
from roman_dms.instrument.detectors import Detector
from roman_dms.psf.optics import optical_psf
from roman_dms.simulation.cubes import (
    OVERSAMPLE,
    Patches,
    Values,
    bin_edges,
    draw_cube,
    electrons_per_flam,
    electrons_per_jansky,
    solid_angles,
)
from roman_dms.sky.pixel_map import pixel_map

FilePath = str | os.PathLike[str]

RATE_UNITS = ("electron / s", "e-/s", "e/s", "electrons/s", "electron/s", "photon/s", "ct/s")
"""What a header may call electrons a second; spaces do not matter."""

ARRAY_NAMES = ("rate", "data")
"""Where an ASDF file has the image, at its root or in its branch ``roman``."""


def rate_from_image(path: FilePath, detector: Detector) -> NDArray[np.float32]:
    """A user's own count rates: every pixel of a detector, without border, optics applied.

    Parameters
    ----------
    path
        FITS (the first image), ASDF (an array ``rate`` or ``data``) or ``.npy``; in
        electron/s a pixel, in the orientation of the science array.
    detector
        Whose shape the image must have.

    Returns
    -------
    ndarray
        (rows, columns) float32 [electron / s].

    Raises
    ------
    FileError
        Where the file cannot be read.
    FormatError
        For another shape or unit, or values that are negative or not finite.
    """
    image, unit = _read_image(Path(path))
    if unit and unit.replace(" ", "") not in {name.replace(" ", "") for name in RATE_UNITS}:
        raise FormatError(
            f"The unit of the image in {path} is {unit!r}.",
            "electron / s in each pixel",
            "convert it, and set BUNIT",
        )
    if image.shape != detector.science_shape:
        raise FormatError(
            f"The image in {path} has the shape {image.shape}.",
            f"{detector.science_shape} (rows, columns), the science pixels of {detector.name}",
            f"leave out the border of {detector.border} pixels, or resample the image",
        )
    _check_values(image, path)
    return image.astype(np.float32)


def _check_values(image: NDArray[Any], path: FilePath) -> None:
    """Raise where a pixel holds what no light is; the first is named."""
    if image.dtype.kind not in "iuf":
        raise FormatError(f"The array in {path} is of type {image.dtype}.", "real numbers")
    bad = ~(np.isfinite(image) & (image >= 0))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise FormatError(
            f"{int(bad.sum())} pixels in {path} are negative or not finite, the first at "
            f"{place} (numpy order, from 0): {image[place]}.",
            "finite values, zero or more",
            "set what has no light to 0",
        )


def _read_image(path: Path) -> tuple[NDArray[Any], str]:
    """The array in a file and its unit; an empty one where the file names none."""
    if path.suffix == ".npy":
        return _reading(path, lambda: np.load(path, allow_pickle=False)), ""
    if path.suffix == ".asdf":
        return _reading(path, lambda: _image_in_asdf(path))
    image, header = _first_image(path, 2)
    return image, str(header.get("BUNIT", ""))


def _image_in_asdf(path: Path) -> tuple[NDArray[Any], str]:
    import asdf  # noqa: PLC0415 - slow to import

    with asdf.open(path, memmap=False, lazy_load=False) as file:
        for branch in (file.tree, file.tree.get("roman") or {}):
            for name in ARRAY_NAMES:
                if name in branch:
                    found = branch[name]
                    unit = getattr(found, "unit", None)
                    return np.array(getattr(found, "value", found)), str(unit or "")
    raise FormatError(
        f"The file {path} has no image.", f"an array named {' or '.join(ARRAY_NAMES)}"
    )


def _reading(path: Path, read: Any) -> Any:
    """What ``read`` returns; its faults as errors that name the file."""
    try:
        return read()
    except OSError as error:
        raise FileError(
            f"The file {path} cannot be read: {error.strerror or error}.", "a whole file"
        ) from error
    except (ValueError, EOFError, TypeError) as error:
        raise FormatError(
            f"The file {path} holds no image: {error}", "FITS, ASDF or .npy"
        ) from error


def _first_image(path: Path, dimensions: int) -> tuple[NDArray[Any], fits.Header]:
    """The first image of a FITS file that has so many axes."""

    def read() -> tuple[NDArray[Any], fits.Header] | None:
        with fits.open(path, memmap=False) as hdus:
            for hdu in hdus:
                if hdu.is_image and hdu.data is not None and hdu.data.ndim == dimensions:
                    return np.array(hdu.data), hdu.header
        return None

    found = _reading(path, read)
    if found is None:
        raise FormatError(
            f"The file {path} has no image with {dimensions} axes.",
            "an image (y, x)" if dimensions == 2 else "a cube (wavelength, y, x)",
        )
    return found


class Cube(NamedTuple):
    """A data cube of the sky."""

    data: NDArray[Any]
    """(wavelength, row, column)."""
    unit: u.UnitBase
    centres: Values
    """(wavelength,) [micron]."""
    ra: Values
    """(rows + 1, columns + 1) of the corners of pixels [deg]."""
    dec: Values
    """The same."""


def rate_from_cube(
    path: FilePath,
    wcs: gwcs.WCS,
    detector: str,
    element: str,
    shape: tuple[int, int],
    *,
    corner: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """What a detector collects from a data cube.

    Parameters
    ----------
    path
        FITS: the first image with three axes (wavelength, y, x), with a celestial and
        a spectral WCS and in BUNIT a surface brightness or a flux a pixel, by
        frequency or by wavelength (MJy/sr, Jy/pixel, erg/s/cm2/Angstrom/arcsec2...).
    wcs
        Of the science array.
    detector, element
        Whose throughput and PSF count.
    shape
        (rows, columns) of the science array.
    corner
        Where its first pixel lies in that of the whole detector (x, y) [pixel].

    Returns
    -------
    ndarray
        (rows, columns) float32 [electron / s].

    Raises
    ------
    FileError
        Where the file cannot be read.
    FormatError
        For a cube without WCS or unit, with values that are negative or not finite,
        or outside of the band or of the detector.

    Notes
    -----
    The cube is all the light there is: where it covers a part of the band alone, the
    rest of the band is dark.  The PSF is that of the middle of the cube.
    """
    cube = read_cube(path)
    mapping = pixel_map(wcs, shape)
    x, y = (axis.reshape(cube.ra.shape) for axis in mapping(cube.ra.ravel(), cube.dec.ravel()))
    if not _meets(x, y, shape):
        raise FormatError(
            f"The cube in {path} does not lie on {detector}: its middle is at "
            f"ra {np.mean(cube.ra):.5f}, dec {np.mean(cube.dec):.5f} deg.",
            "a cube that covers a part of the detector",
            "check the pointing of the exposure and the WCS of the cube",
        )
    rates = _electrons(cube, detector, element, str(path))
    middle = np.clip([np.nanmean(x), np.nanmean(y)], 0, np.array(shape[::-1]) - 1.0)
    column, row = middle + corner

    def psf(wavelength: float) -> Values:
        return optical_psf(detector, element, column, row, [wavelength], oversample=OVERSAMPLE)

    return draw_cube(rates, cube.centres, Patches(x, y), psf, shape)


def _meets(x: Values, y: Values, shape: tuple[int, int]) -> bool:
    rows, columns = shape
    inside = (x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5)
    around = np.nanmin(x, initial=np.inf) < columns / 2 < np.nanmax(
        x, initial=-np.inf
    ) and np.nanmin(y, initial=np.inf) < rows / 2 < np.nanmax(y, initial=-np.inf)
    return bool(inside.any() or around)


def read_cube(path: FilePath) -> Cube:
    """Read a data cube.

    Raises
    ------
    FileError, FormatError
        As of :func:`rate_from_cube`.
    """
    data, header = _first_image(Path(path), 3)
    _check_values(data, path)
    if not header.get("BUNIT"):
        raise FormatError(
            f"The cube in {path} has no unit.", "BUNIT, for instance MJy/sr", "add it to the header"
        )
    try:
        unit = u.Unit(header["BUNIT"])
    except ValueError as error:
        raise _bad_unit(header["BUNIT"], path) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            wcs = WCS(header)
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(f"The WCS of {path} cannot be read: {error}", "a FITS WCS") from error
    ra, dec = _corners(wcs, data.shape[1:], path)
    centres = _wavelengths(wcs, data.shape[0], path)
    order = np.argsort(centres)
    return Cube(data[order], unit, centres[order], ra, dec)


def _corners(wcs: WCS, shape: tuple[int, ...], path: FilePath) -> tuple[Values, Values]:
    sky = wcs.celestial
    if sky.naxis != 2:
        raise FormatError(
            f"The cube in {path} has no celestial WCS.", "CTYPE1 and CTYPE2, as RA---TAN, DEC--TAN"
        )
    from astropy.wcs.utils import pixel_to_skycoord  # noqa: PLC0415 - slow to import

    y, x = np.mgrid[: shape[0] + 1, : shape[1] + 1] - 0.5
    places = pixel_to_skycoord(x, y, sky, origin=0).icrs
    return np.asarray(places.ra.deg), np.asarray(places.dec.deg)


def _wavelengths(wcs: WCS, count: int, path: FilePath) -> Values:
    """Wavelength of each slice [micron]; frequencies become wavelengths."""
    spectral = wcs.spectral
    if spectral.naxis != 1 or wcs.naxis != 3 or wcs.wcs.spec != 2:
        raise FormatError(
            f"The third axis of the cube in {path} is {wcs.axis_type_names[-1]!r}, no wavelength.",
            "CTYPE3 = 'WAVE' with CRVAL3, CDELT3, CUNIT3",
        )
    values = spectral.all_pix2world(np.arange(count), 0)[0] * u.Unit(spectral.wcs.cunit[0])
    try:
        return np.asarray(values.to_value(u.micron, u.spectral()))
    except u.UnitConversionError as error:
        raise FormatError(
            f"The spectral axis of {path} has the unit {values.unit}.", "a unit of wavelength"
        ) from error


def _electrons(cube: Cube, detector: str, element: str, path: str) -> Values:
    """Count rate of each pixel of the cube [electron / s]."""
    edges = bin_edges(cube.centres)
    area = solid_angles(cube.ra, cube.dec)
    scale, by_frequency, of_sky = _conversion(cube.unit, path)
    per_flux = (electrons_per_jansky if by_frequency else electrons_per_flam)(
        detector, element, edges
    )
    if not per_flux.any():
        raise FormatError(
            f"The cube in {path} runs from {edges[0]:.3f} to {edges[-1]:.3f} micron, where "
            f"{element} passes nothing.",
            f"wavelengths in the band of {element}",
        )
    light = cube.data * (scale * per_flux)[:, None, None]
    return light * area if of_sky else light


def _conversion(unit: u.UnitBase, path: FilePath) -> tuple[float, bool, bool]:
    """Factor to Jy or W/m2/micron, whether it is the former, and whether a steradian's."""
    for target, by_frequency in ((u.Jy, True), (u.W / u.m**2 / u.micron, False)):
        for area, of_sky in ((u.sr, True), (u.pix, False), (u.dimensionless_unscaled, False)):
            try:
                return float(unit.to(target / area)), by_frequency, of_sky
            except u.UnitConversionError:
                continue
    raise _bad_unit(str(unit), path)


def _bad_unit(unit: str, path: FilePath) -> FormatError:
    return FormatError(
        f"The unit of the cube in {path} is {unit!r}.",
        "a surface brightness or a flux a pixel, as MJy/sr, Jy/pixel, erg/s/cm2/Angstrom/arcsec2",
        "convert the cube, and set BUNIT",
    )
