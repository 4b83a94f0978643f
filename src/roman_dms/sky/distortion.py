"""From pixels of a detector to the telescope's V2, V3 frame, and back.

The forward model is the SIAF's own chain (JWST-STScI-001550, sections 4.2 and
5.3): offset from the reference pixel, polynomials of fifth degree into the ideal
frame, rotation and shift into V2, V3.  The SIAF's inverse polynomials miss by
4e-3 pixel in the corners; the inverse here is a fit of seventh degree to the
forward model, which misses by less than 1e-5 pixel.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from astropy.modeling import CompoundModel, Model, bind_bounding_box
from astropy.modeling.models import AffineTransformation2D, Mapping, Polynomial2D, Scale, Shift
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.apertures import DetectorAperture, detector_aperture

_INVERSE_DEGREE = 7
_INVERSE_MARGIN = 50.0
"""How far outside the detector the inverse is fitted [pixel]."""


def distortion_model(
    detector: str, x0: float = 0, y0: float = 0, shape: tuple[int, int] | None = None
) -> CompoundModel:
    """Model of the distortion of a detector, or of a rectangle cut from it.

    Parameters
    ----------
    detector
        ``WFI01`` to ``WFI18``.
    x0, y0
        Column and row of the detector's science frame at which the rectangle
        begins [pixel].
    shape
        (rows, columns) of the rectangle; all that remains of the detector by
        default.  It sets the bounding box.

    Returns
    -------
    astropy.modeling.CompoundModel
        (x, y) -> (V2, V3): pixels counted from 0 in the science frame to arcsec.
        Its ``inverse`` goes back to better than 1e-5 pixel on the detector.

    Raises
    ------
    UsageError
        For an unknown detector, or a rectangle that is not within it.
    """
    aperture = detector_aperture(detector)
    rows, columns = shape or (round(aperture.shape[0] - y0), round(aperture.shape[1] - x0))
    _check_rectangle(aperture, x0, y0, (rows, columns))
    model = _forward(aperture, x0, y0)
    model.inverse = _inverse(aperture, x0, y0)
    bind_bounding_box(model, ((-0.5, columns - 0.5), (-0.5, rows - 0.5)), order="F")
    return model


def _check_rectangle(
    aperture: DetectorAperture, x0: float, y0: float, shape: tuple[int, int]
) -> None:
    fits_y = y0 >= 0 and shape[0] > 0 and y0 + shape[0] <= aperture.shape[0]
    fits_x = x0 >= 0 and shape[1] > 0 and x0 + shape[1] <= aperture.shape[1]
    if not (fits_x and fits_y):
        raise UsageError(
            f"A rectangle of {shape[0]} rows and {shape[1]} columns at column {x0}, row {y0} "
            "was asked for.",
            f"one within the {aperture.shape[0]} x {aperture.shape[1]} pixels of {aperture.name}",
        )


def _forward(aperture: DetectorAperture, x0: float, y0: float) -> CompoundModel:
    model = (
        (Shift(x0) & Shift(y0))
        | (Shift(-aperture.x_ref) & Shift(-aperture.y_ref))
        | Mapping((0, 1, 0, 1))
        | (_polynomial(aperture.ideal_x) & _polynomial(aperture.ideal_y))
        | _ideal_to_telescope(aperture)
    )
    model.name = "distortion"
    model.inputs, model.outputs = ("x", "y"), ("v2", "v3")
    return model


def _inverse(aperture: DetectorAperture, x0: float, y0: float) -> CompoundModel:
    x_of_ideal, y_of_ideal, scale = _fit_inverse(aperture.name.removesuffix("_FULL"))
    model = (
        _ideal_to_telescope(aperture).inverse
        | (Scale(1 / scale) & Scale(1 / scale))
        | Mapping((0, 1, 0, 1))
        | (_polynomial(x_of_ideal) & _polynomial(y_of_ideal))
        | (Shift(aperture.x_ref - x0) & Shift(aperture.y_ref - y0))
    )
    model.name = "inverse_distortion"
    model.inputs, model.outputs = ("v2", "v3"), ("x", "y")
    return model


def _ideal_to_telescope(aperture: DetectorAperture) -> Model:
    return AffineTransformation2D(
        matrix=aperture.ideal_to_telescope, translation=(aperture.v2_ref, aperture.v3_ref)
    )


def _polynomial(coefficients: NDArray[np.float64]) -> Polynomial2D:
    """Model of the sum of ``coefficients[i, j] x^i y^j``."""
    degree = len(coefficients) - 1
    terms = {
        f"c{i}_{j}": coefficients[i, j] for i in range(degree + 1) for j in range(degree + 1 - i)
    }
    return Polynomial2D(degree, **terms)


@cache
def _fit_inverse(detector: str) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Fit pixels as polynomials of ideal coordinates.

    Chebyshev nodes keep the error even up to the edges.  Returns the
    coefficients of x and y from the reference pixel, and the ideal coordinate
    [arcsec] by which their argument is divided.
    """
    aperture = detector_aperture(detector)
    nodes = np.cos(np.pi * (np.arange(24) + 0.5) / 24)
    rows, columns = aperture.shape
    x, y = np.meshgrid(
        nodes * (columns / 2 + _INVERSE_MARGIN) + (columns - 1) / 2 - aperture.x_ref,
        nodes * (rows / 2 + _INVERSE_MARGIN) + (rows - 1) / 2 - aperture.y_ref,
    )
    ideal_x = polyval2d(x, y, aperture.ideal_x).ravel()
    ideal_y = polyval2d(x, y, aperture.ideal_y).ravel()
    scale = float(np.abs([ideal_x, ideal_y]).max())
    powers = [(i, j) for i in range(_INVERSE_DEGREE + 1) for j in range(_INVERSE_DEGREE + 1 - i)]
    design = np.stack([(ideal_x / scale) ** i * (ideal_y / scale) ** j for i, j in powers], axis=1)
    solution = np.linalg.lstsq(design, np.stack([x.ravel(), y.ravel()], axis=1), rcond=None)[0]
    coefficients = np.zeros((2, _INVERSE_DEGREE + 1, _INVERSE_DEGREE + 1))
    for (i, j), pair in zip(powers, solution, strict=True):
        coefficients[:, i, j] = pair
    return coefficients[0], coefficients[1], scale
