"""Where the pixels of a mosaic lie on each of its images, in a few numbers.

Good to a thousandth of a pixel, which is what the PSF at a place asks for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Values = NDArray[np.float64]
ToImage = Callable[[Values, Values], tuple[Values, Values]]
"""Takes columns and rows of a mosaic to columns and rows of an image [pixel]."""

DEGREE = 5
NODES = 25
"""Places along each axis of a mosaic from which a map is fitted."""


def fitted_map(to_image: ToImage, shape: tuple[int, int]) -> Values:
    """Fit where an image sees a mosaic.

    Parameters
    ----------
    to_image
        From pixels of the mosaic, the first one 0, to pixels of the image; NaN far from it.
    shape
        (rows, columns) of the mosaic.

    Returns
    -------
    NDArray
        (2, DEGREE + 1, DEGREE + 1) coefficients of Chebyshev polynomials of x and y, for columns
        and rows on the image.
    """
    nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    u, v = (axis.ravel() for axis in np.meshgrid(nodes, nodes))
    x, y = to_image((u + 1) * (shape[1] - 1) / 2, (v + 1) * (shape[0] - 1) / 2)
    known = np.isfinite(x) & np.isfinite(y)
    powers = np.add.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1)).ravel()
    used = powers <= DEGREE
    design = chebyshev.chebvander2d(u[known], v[known], [DEGREE, DEGREE])[:, used]
    fitted = np.zeros((2, used.size))
    fitted[:, used] = np.linalg.lstsq(design, np.stack([x[known], y[known]], 1), rcond=1e-10)[0].T
    return fitted.reshape(2, DEGREE + 1, DEGREE + 1)


def place_on_image(
    coefficients: Values, shape: tuple[int, int], x: float, y: float
) -> tuple[float, float, NDArray[np.float64]]:
    """Where a pixel of the mosaic lies on an image, and how offsets do.

    Returns
    -------
    tuple
        Column and row on the image [pixel]; the (2, 2) matrix that takes offsets on the mosaic
        to offsets on the image.
    """
    half_x, half_y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    u, v = x / half_x - 1, y / half_y - 1
    column, row = (float(chebyshev.chebval2d(u, v, of)) for of in coefficients)
    by_x, by_y = (
        [
            float(chebyshev.chebval2d(u, v, chebyshev.chebder(of, axis=axis))) / half
            for of in coefficients
        ]
        for axis, half in ((0, half_x), (1, half_y))
    )
    return column, row, np.array([by_x, by_y]).T
