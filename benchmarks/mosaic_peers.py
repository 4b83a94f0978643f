"""The same L2 images combined by drizzle 2.2 and by Debian's SWarp, as surface brightness.

Both take a `Frame` of each image: its surface brightness, and its WCS as a function from pixels
to the sky.  SWarp knows distortion as polynomials in its headers (TPV), to which the WCS is
fitted here.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from drizzle.resample import Drizzle

DEGREE = 5
"""Of SWarp's polynomials."""


@dataclass
class Frame:
    """An image to be combined."""

    brightness: np.ndarray
    """(rows, columns) [MJy / sr]."""
    to_sky: object
    """Takes columns and rows to right ascension and declination [deg]."""


def drizzled(frames, wcs, shape, margin=8):
    """Drizzle's mosaic on a FITS WCS: square kernel, pixfrac 1, equal weights."""
    drizzle = Drizzle(kernel="square", out_shape=shape, fillval="NaN")
    for frame in frames:
        part = _window(frame, wcs, shape, margin)
        y, x = np.mgrid[part]
        places = wcs.all_world2pix(*frame.to_sky(x.astype(float), y.astype(float)), 0)
        drizzle.add_image(
            np.ascontiguousarray(frame.brightness[part]),
            exptime=1.0,
            pixmap=np.stack(places, axis=-1),
            weight_map=np.ones(x.shape, np.float32),
            pixfrac=1.0,
        )
    return drizzle.out_img


def _window(frame, wcs, shape, margin):
    """Rows and columns of an image that lie on a mosaic."""
    rows, columns = frame.brightness.shape
    y, x = np.mgrid[0:rows:16, 0:columns:16]
    u, v = wcs.all_world2pix(*frame.to_sky(x.astype(float), y.astype(float)), 0)
    inside = (np.abs(u - shape[1] / 2) < shape[1] / 2) & (np.abs(v - shape[0] / 2) < shape[0] / 2)
    x, y = x[inside], y[inside]
    return tuple(
        slice(max(0, at.min() - 16 - margin), min(size, at.max() + 17 + margin))
        for at, size in ((y, rows), (x, columns))
    )


def swarped(frames, centre, shape, scale, folder, resampling="LANCZOS3"):
    """SWarp's mosaic and its WCS; it touches the sky in its own middle."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = []
    for number, frame in enumerate(frames):
        names.append(f"image{number}.fits")
        header = tpv_header(frame)
        fits.PrimaryHDU(frame.brightness, header).writeto(folder / names[-1])
    options = {
        "SUBTRACT_BACK": "N", "CENTER_TYPE": "MANUAL", "CENTER": f"{centre[0]:.9f},{centre[1]:.9f}",
        "PIXELSCALE_TYPE": "MANUAL", "PIXEL_SCALE": scale, "IMAGE_SIZE": f"{shape[1]},{shape[0]}",
        "PROJECTION_TYPE": "TAN", "PROJECTION_ERR": 0, "FSCALASTRO_TYPE": "NONE",
        "COMBINE_TYPE": "AVERAGE", "RESAMPLING_TYPE": resampling, "WRITE_XML": "N",
        "VERBOSE_TYPE": "QUIET",
    }  # fmt: skip
    words = [word for key, value in options.items() for word in (f"-{key}", str(value))]
    subprocess.run([shutil.which("SWarp") or "swarp", *names, *words], cwd=folder, check=True)
    with fits.open(folder / "coadd.fits") as file:
        return file[0].data.astype(float), WCS(file[0].header)


def tpv_header(frame):
    """A tangent plane with polynomials in front of it, as SCAMP writes and SWarp reads them."""
    rows, columns = frame.brightness.shape
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    plane = WCS(naxis=2)
    plane.wcs.ctype, plane.wcs.crpix = ["RA---TAN", "DEC--TAN"], [1.0, 1.0]
    plane.wcs.crval, plane.wcs.cdelt = [float(v) for v in frame.to_sky(*middle)], [1.0, 1.0]
    y, x = np.meshgrid(np.linspace(0, rows - 1, 40), np.linspace(0, columns - 1, 40))
    x, y = x.ravel(), y.ravel()
    xi, eta = plane.all_world2pix(*frame.to_sky(x, y), 0)  # [deg]
    offsets = np.stack([x, y]) - middle[:, None]
    matrix = np.linalg.lstsq(offsets.T, np.stack([xi, eta], 1), rcond=None)[0].T
    u, v = matrix @ offsets
    header = fits.Header({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"})
    for axis in range(2):
        header[f"CRVAL{axis + 1}"] = plane.wcs.crval[axis]
        header[f"CRPIX{axis + 1}"] = middle[axis] + 1
        for other in range(2):
            header[f"CD{axis + 1}_{other + 1}"] = matrix[axis, other]
    for axis, (a, b, value) in enumerate(((u, v, xi), (v, u, eta)), 1):
        numbers, terms = zip(*_terms(a, b), strict=True)
        size = np.array([np.abs(term).max() for term in terms])
        found = np.linalg.lstsq((np.stack(terms) / size[:, None]).T, value, rcond=None)[0]
        for number, coefficient in zip(numbers, found / size, strict=True):
            header[f"PV{axis}_{number}"] = coefficient
    return header


def _terms(a, b):
    """Numbers and values of TPV's terms without radii: a, b; a^2, a b, b^2; and so on."""
    number = 0
    for degree in range(DEGREE + 1):
        for power in range(degree + 1):
            yield number, a ** (degree - power) * b**power
            number += 1
        if degree in {1, 3, 5}:  # then comes a power of the radius
            number += 1
