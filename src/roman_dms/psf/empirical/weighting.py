"""How much each pixel counts: by its noise, and by what the PSF is still off.

Were a PSF that is not yet right fitted with the weights of the noise alone, the brightest stars
would decide, with their colours and neighbours; were it doubted more than it deserves, they would
count no more than faint ones, and most of what they know would be lost.  So its error is measured
in every round, as what the residuals of all stars exceed their noise by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.model import Model
from roman_dms.psf.empirical.stamps import Stamps

ESTIMATES = 8
"""How often the error of the PSF and the weights by which it is measured follow each other."""

DOUBT = 3.0
"""What a pixel may err by after a round, in units of the change that the round has brought."""

SHARES = np.array([1.0, 0.3])
"""By what part of its own light, and of the star's, a pixel of a doubtful PSF may err, in units of
the doubt: a start may lack light where the PSF has much."""

SURE = 0.01
"""Doubt below which the error is only what residuals tell."""

LEAST_OUTSIDE = 1e-6
"""Least error in parts of the star's light."""


@dataclass(frozen=True)
class ModelError:
    """What a PSF on its way is taken to err by."""

    least: float
    """Least error of a pixel, in parts of its own light."""

    doubt: float
    """What the PSF may err by, in parts of the peak, however well stars seem to fit: in the first
    rounds stars of all brightnesses have to count alike, for few bright ones fill few phases."""

    known: NDArray[np.float64]
    """(2,) what residuals tell, in parts of a pixel's own light and of the star's."""

    @classmethod
    def of(cls, least: float, doubt: float) -> ModelError:
        """Before any residuals."""
        return cls(least, doubt, np.zeros(2))

    @property
    def values(self) -> NDArray[np.float64]:
        """(2,) by what part of its own light, and of the star's, a pixel's model may err."""
        least = np.array([self.least, LEAST_OUTSIDE])
        return np.maximum(self.known, np.maximum(least, self.doubt * SHARES))

    def after(self, change: float) -> ModelError:
        """When a round has changed the PSF, in parts of the peak."""
        doubt = min(DOUBT * change, self.doubt)
        return replace(self, doubt=doubt if doubt >= SURE else 0.0)


def pixel_weights(
    stamps: Stamps,
    psf: NDArray[np.float32],
    flux: NDArray[np.float64],
    model_error: NDArray[np.float64],
) -> NDArray[np.float32]:
    """(n, P, P) inverse variances, by the noise that the model's light has.

    Weights from the pixels' own light would favour those that came out faint.

    Parameters
    ----------
    stamps
        n images of stars.
    psf
        (n, P, P) a star of unit light.
    flux
        (n,) of each.
    model_error
        (2,) by what part of its own light, and of the star's, a pixel's model may err.
    """
    level, per_light = (stamps.noise[:, k, None, None] for k in (0, 1))
    star = np.maximum(flux[:, None, None] * psf, 0)
    error = (model_error[0] * star) ** 2 + (model_error[1] * flux[:, None, None]) ** 2
    return (stamps.good / (level + per_light * star + error)).astype(np.float32)


def measured_error(
    model: Model,
    stamps: Stamps,
    found: NDArray[np.float64],
    shares: NDArray[np.float32],
    known: NDArray[np.float64],
    workers: int,
) -> NDArray[np.float64]:
    """(2,) by what part of its own light, and of the star's, a pixel's model errs.

    Squares of residuals are noise + a^2 light^2 + b^2 flux^2 in the mean; a and b by least
    squares, weighted by what squares of normal deviates scatter.

    Parameters
    ----------
    model
        The PSF.
    stamps
        n images of stars.
    found
        (n, 4) flux, x, y and sky of each.
    shares
        (n, component) of the start's components in each.
    known
        (2,) the same error, as it was before; it does not grow.
    workers
        Threads.
    """
    flux = found[:, 0, None, None]
    psf = model.pixels(stamps, found[:, 1:3], shares, workers)
    square = (stamps.light - flux * psf - found[:, 3, None, None])[stamps.good] ** 2
    star = np.maximum(flux * psf, 0)[stamps.good]
    whole = np.broadcast_to(flux, psf.shape)[stamps.good]
    level, per_light = (
        np.broadcast_to(stamps.noise[:, k, None, None], psf.shape)[stamps.good] for k in (0, 1)
    )
    noise = level + per_light * star
    squares = np.stack([star**2, whole**2])
    error = known**2
    for _ in range(ESTIMATES):
        weight = 1 / (noise + error @ squares) ** 2
        error = _not_negative((squares * weight) @ squares.T, (squares * weight) @ (square - noise))
        error = np.minimum(error, known**2)
    return np.sqrt(error)


def _not_negative(normal: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve two normal equations for numbers that are not negative."""
    both = np.asarray(np.linalg.solve(normal, target), float)
    if (both >= 0).all():
        return both
    alone = np.maximum(target / normal.diagonal(), 0)
    alone[np.argmin(alone * target)] = 0
    return alone
