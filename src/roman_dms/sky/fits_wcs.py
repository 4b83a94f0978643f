"""A FITS WCS close to an exact one: tangent plane with SIP polynomials.

SIP after Shupe et al. (2005, ASP Conf. Ser. 347, 491); the tangent plane after
Calabretta & Greisen (2002, A&A 395, 1077), section 5.1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import gwcs
import numpy as np
from astropy import wcs as astropy_wcs
from astropy.io import fits
from numpy.typing import NDArray

from roman_dms.errors import FormatError
from roman_dms.sky.tangent import gnomonic, tan_header

_DEGREES = range(3, 10)
"""SIP allows up to 9."""


@dataclass(frozen=True)
class SipFit:
    """A FITS WCS and how far it is from the exact one."""

    header: fits.Header
    """Keywords of the WCS, with the residuals as SIPMXERR and SIPIVERR."""

    degree: int
    """Degree of the polynomials."""

    residual: float
    """Largest error of pixel to sky [pixel]."""

    inverse_residual: float
    """Largest error of sky to pixel by the inverse polynomials [pixel]."""


def fit_sip(
    wcs: gwcs.WCS, shape: tuple[int, int] | None = None, *, tolerance: float = 0.01
) -> SipFit:
    """Fit a TAN-SIP WCS, of the lowest degree that is good enough.

    The residuals are those of ``astropy.wcs`` reading the header, over a grid
    other than that of the fit and out to the edges of the outermost pixels.

    Parameters
    ----------
    wcs
        The exact WCS, from (x, y) counted from 0 to right ascension and
        declination [deg].
    shape
        (rows, columns); the bounding box of ``wcs`` by default.
    tolerance
        Largest error allowed in either direction [pixel].

    Raises
    ------
    FormatError
        Where no polynomial that SIP allows is good enough, or where neither
        ``shape`` nor a bounding box tells which pixels are meant.
    """
    x_range, y_range = _extent(wcs, shape)
    plane = _TangentPlane.around(wcs, sum(x_range) / 2, sum(y_range) / 2)
    fit_grid = _grid(x_range, y_range, _chebyshev_nodes(16))
    test_grid = _grid(x_range, y_range, np.linspace(-1, 1, 41))
    projected = plane.project(wcs, *fit_grid)
    sky = wcs(*test_grid, with_bounding_box=False)
    for degree in _DEGREES:
        header = _fit(plane, fit_grid, projected, degree)
        residual, inverse_residual = _residuals(header, test_grid, sky)
        if max(residual, inverse_residual) <= tolerance:
            header["SIPMXERR"] = (residual, "largest error, pixel to sky [pixel]")
            header["SIPIVERR"] = (inverse_residual, "largest error, sky to pixel [pixel]")
            return SipFit(header, degree, residual, inverse_residual)
    raise FormatError(
        f"The best FITS WCS of degree {_DEGREES[-1]} is wrong by "
        f"{max(residual, inverse_residual):.2g} pixels.",
        f"at most {tolerance:g} pixels",
        "keep the exact WCS of the ASDF file, or allow a larger error",
    )


@dataclass(frozen=True)
class _TangentPlane:
    """Gnomonic projection around the sky position of a pixel."""

    x: float
    y: float
    ra: float
    dec: float

    @classmethod
    def around(cls, wcs: gwcs.WCS, x: float, y: float) -> _TangentPlane:
        ra, dec = wcs(x, y, with_bounding_box=False)
        if not np.isfinite([ra, dec]).all():
            raise FormatError(
                "The WCS has no sky position at the centre of the image.",
                "finite right ascension and declination",
            )
        return cls(float(x), float(y), float(ra), float(dec))

    def project(
        self, wcs: gwcs.WCS, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(n, 2): plane coordinates xi (east), eta (north) of pixels [deg]."""
        ra, dec = wcs(x, y, with_bounding_box=False)
        east, north, _ = gnomonic(ra, dec, self.ra, self.dec)
        return np.rad2deg(np.stack([east, north], axis=-1))


def _extent(
    wcs: gwcs.WCS, shape: tuple[int, int] | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Outer edges of the array in x and in y."""
    if shape is not None:
        return (-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5)
    if wcs.bounding_box is None:
        raise FormatError(
            "The WCS has no bounding box.", "a WCS that knows its image, or a shape beside it"
        )
    x_range, y_range = wcs.bounding_box.bounding_box(order="F")
    return tuple(x_range), tuple(y_range)


def _chebyshev_nodes(n: int) -> NDArray[np.float64]:
    return np.cos(np.pi * (np.arange(n) + 0.5) / n)


def _grid(
    x_range: tuple[float, float], y_range: tuple[float, float], nodes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Flat x and y of a grid; ``nodes`` from -1 to 1 span the ranges."""
    x = np.mean(x_range) + np.ptp(x_range) / 2 * nodes
    y = np.mean(y_range) + np.ptp(y_range) / 2 * nodes
    grid_x, grid_y = np.meshgrid(x, y)
    return grid_x.ravel(), grid_y.ravel()


def _fit(
    plane: _TangentPlane,
    grid: tuple[NDArray[np.float64], NDArray[np.float64]],
    projected: NDArray[np.float64],
    degree: int,
) -> fits.Header:
    """Header whose linear part is CD and whose higher terms are A, B and AP, BP."""
    uv = np.stack([grid[0] - plane.x, grid[1] - plane.y], axis=-1)
    forward = _fit_polynomial(uv, projected, degree)
    cd = np.array([forward[1, 0], forward[0, 1]]).T
    to_pixels = np.linalg.inv(cd).T
    forward = forward @ to_pixels
    forward[1, 0] = forward[0, 1] = 0
    linear = projected @ to_pixels
    inverse = _fit_polynomial(linear, uv - linear, degree)
    header = _linear_header(plane, cd)
    for name, coefficients in (
        ("A", forward[..., 0]), ("B", forward[..., 1]),
        ("AP", inverse[..., 0]), ("BP", inverse[..., 1]),
    ):  # fmt: skip
        header[f"{name}_ORDER"] = degree
        for i, j in _powers(degree):
            if coefficients[i, j] != 0:
                header[f"{name}_{i}_{j}"] = coefficients[i, j]
    return header


def _fit_polynomial(
    arguments: NDArray[np.float64], values: NDArray[np.float64], degree: int
) -> NDArray[np.float64]:
    """(degree + 1, degree + 1, 2): coefficients of u^i v^j, without a constant term."""
    scale = np.abs(arguments).max()
    u, v = (arguments / scale).T
    powers = _powers(degree)
    design = np.stack([u**i * v**j for i, j in powers], axis=1)
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    coefficients = np.zeros((degree + 1, degree + 1, 2))
    for (i, j), pair in zip(powers, solution, strict=True):
        coefficients[i, j] = pair / scale ** (i + j)
    return coefficients


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i) if i + j > 0]


def _linear_header(plane: _TangentPlane, cd: NDArray[np.float64]) -> fits.Header:
    header = tan_header(plane.ra, plane.dec, plane.x, plane.y, "-SIP")
    for i, j in np.ndindex(2, 2):
        header[f"CD{i + 1}_{j + 1}"] = (cd[i, j], "[deg / pixel]")
    return header


def _residuals(
    header: fits.Header,
    grid: tuple[NDArray[np.float64], NDArray[np.float64]],
    sky: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[float, float]:
    """Largest errors, forward and inverse, of the header as astropy reads it [pixel]."""
    found = astropy_wcs.WCS(header)
    pixels = np.stack(grid, axis=-1) + 1
    undistorted = np.stack(found.wcs_world2pix(*sky, 1), axis=-1) - found.wcs.crpix
    forward = found.sip_pix2foc(pixels, 1) - undistorted
    inverse = found.sip_foc2pix(undistorted, 1) - pixels
    return float(np.hypot(*forward.T).max()), float(np.hypot(*inverse.T).max())
