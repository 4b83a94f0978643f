"""What is known of stars after their PSFs were fitted, and how to fit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class FitFlag(IntFlag):
    """What to know of a fit, kept as uint16."""

    NOT_CONVERGED = 1 << 0  # the last step was still larger than the tolerance
    FEW_PIXELS = 1 << 1  # less than half of the star's information lies in usable pixels
    EDGE = 1 << 2  # the pixels of the fit reach beyond the image
    SATURATED = 1 << 3  # saturated pixels were left out
    MOVED = 1 << 4  # the place went as far from where it began as is allowed
    BLENDED = 1 << 5  # fitted together with neighbours
    NEGATIVE = 1 << 6  # the flux is not positive; the place was held
    NOT_FITTED = 1 << 7  # no usable pixel; all values are NaN


@dataclass(frozen=True)
class FitSettings:
    """How point sources are fitted."""

    half: int = 4
    """Pixels of the fit on each side of a star's own; its pixels lie in a circle."""

    bright_half: int = 6
    """The same for stars that are bright (`bright`)."""

    saturated_half: int = 18
    """The same for saturated stars, which are fitted on their wings."""

    bright: float = 2000.0
    """Flux from which a star is bright, in standard deviations of a pixel of sky."""

    link: float = 4.0
    """Stars nearer to each other than this are fitted together [pixel]."""

    most: int = 12
    """Stars fitted together, at most; larger groups are cut where stars are farthest apart."""

    max_move: float = 1.5
    """How far a star may move from where it began, along each axis [pixel]."""

    background: float = 0.05
    """How far the background, already taken out, may be from zero: standard deviation of its
    prior, in standard deviations of a pixel of sky."""

    faintest: float = 0.03
    """Light that may be left out around a star, in standard deviations of a pixel of sky."""

    iterations: int = 8
    """Steps for a group while the light of others stays, at most."""

    sweeps: int = 4
    """How often the light of others is brought up to date, at most."""

    tolerance: float = 5e-4
    """Step at which a place has converged [pixel]; or 2 per cent of its error."""


@dataclass(frozen=True)
class PointFits:
    """Places and fluxes of point sources, each (n,), in pixels and units of the image."""

    x: NDArray[np.float64]
    """Column [pixel]."""

    y: NDArray[np.float64]
    """Row [pixel]."""

    flux: NDArray[np.float64]
    """All light of the star, in units of the image times pixels."""

    x_err: NDArray[np.float64]
    """Standard deviation of x, what neighbours and background bring in included [pixel]; NaN
    where the place was held."""

    y_err: NDArray[np.float64]
    """The same of y [pixel]."""

    flux_err: NDArray[np.float64]
    """The same of the flux."""

    xy_cov: NDArray[np.float64]
    """Covariance of x and y [pixel^2]."""

    x_flux_cov: NDArray[np.float64]
    """Covariance of x and flux."""

    y_flux_cov: NDArray[np.float64]
    """Covariance of y and flux."""

    background: NDArray[np.float64]
    """Light a pixel under the star's group, besides the sky that was taken out."""

    background_err: NDArray[np.float64]
    """Its standard deviation."""

    chi2: NDArray[np.float64]
    """Chi-square of the star's pixels over their degrees of freedom."""

    pixels: NDArray[np.int32]
    """Usable pixels of the star."""

    extent: NDArray[np.float64]
    """Variance along each axis that the source has beyond a star's, to first order [pixel^2]."""

    extent_err: NDArray[np.float64]
    """Its standard deviation [pixel^2]."""

    flags: NDArray[np.uint16]
    """Sums of `FitFlag`."""

    def __len__(self) -> int:
        return len(self.x)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> PointFits:
        """Some of the sources, by a mask or their indices."""
        return PointFits(
            **{field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        )
