"""Covariances of many points of a plane at once, in closed form.

The inverse of a covariance is called its information.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def information_of(covariance: Values, floor: float = 0.0) -> Values:
    """(n, 2, 2): inverse of covariances (n, 2, 2) to which floor^2 is added along each axis."""
    a, b = covariance[:, 0, 0] + floor**2, covariance[:, 0, 1]
    c, d = covariance[:, 1, 0], covariance[:, 1, 1] + floor**2
    rows = np.stack([d, -b, -c, a], axis=1) / (a * d - b * c)[:, np.newaxis]
    return rows.reshape(-1, 2, 2)


def chi2_of(miss: Values, information: Values) -> Values:
    """(n): squared length of misses (n, 2) in units of their errors."""
    x, y = miss.T
    cross = information[:, 0, 1] + information[:, 1, 0]
    result: Values = information[:, 0, 0] * x * x + cross * x * y + information[:, 1, 1] * y * y
    return result


def peak_density(information: Values) -> Values:
    """(n): density at the centre of the normal distributions with an information (n, 2, 2)."""
    determinant = (
        information[:, 0, 0] * information[:, 1, 1] - information[:, 0, 1] * information[:, 1, 0]
    )
    result: Values = np.sqrt(determinant) / (2 * np.pi)
    return result
