"""What a linear-optimal stamp is made of, and what it is; see `linear_optimal`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.mosaics.geometry import Area, BlockMap
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.psf_overlaps import Gaussian, PixelResponse, Target, Values


@dataclass(frozen=True)
class StampInput:
    """An image, its way to the mosaic and its PSF there."""

    image: InputImage
    """Its sky taken off; ``weight`` is the inverse variance of the sky, 0 where unusable."""

    way: BlockMap
    """Good for the stamp and the radius around it."""

    psf: PixelResponse


@dataclass(frozen=True)
class StampSettings:
    """What a stamp shall be."""

    target: Target = field(default_factory=lambda: Gaussian(4.0))
    """PSF that is wanted."""

    radius: float = 14.0
    """Input pixels this far around a tile are used [mosaic pixel]."""

    tile: int = 16
    """Rows and columns of output pixels that share a system of equations."""

    kappa: float = 1e-4
    """Worth of noise against leakage."""

    leakage: float | None = None
    """Leakage U / C that each output pixel may have, with the least noise that goes with it; by
    default ``kappa`` is the same for all."""

    worst: float = 0.1
    """Output pixels with more leakage have no value: input pixels are lacking."""


@dataclass(frozen=True)
class Stamp:
    """A piece of sky as the target PSF shows it.  Arrays are (rows, columns) of ``area``."""

    area: Area

    data: Values
    """Surface brightness; NaN where images are lacking."""

    variances: Mapping[str, Values]
    """Variance of each pixel by component, as its input pixels have."""

    leakage: Values
    """U / C: squared difference of the PSF from the target, over the target squared."""

    noise: Values
    """Sigma: variance over that of an input pixel with the mean weight."""

    coverage: Values
    """Images that take part: square of the sum of their shares, over the sum of squares."""

    kappa: Values
    """Multiplier with which each pixel was made."""

    psf: Values
    """(P, P) the target on whole pixels; it sums to 1."""

    enclosed: tuple[float, ...]
    """Share of a star's light, by image, that has the target's shape; the rest, beyond the
    samples of the PSF, stays in wings."""

    weights: Any = None
    """Sparse (output pixel, input pixel) T in the order of ``inputs``, where asked for."""

    inputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """(input pixel,) of those that ``weights`` take: ``data``, number of the ``image``, ``x`` and
    ``y`` on the mosaic's grid, and variances by component."""

    @property
    def fidelity(self) -> Values:
        """-10 log10(U / C) [dB]."""
        return np.asarray(-10 * np.log10(self.leakage))

    @property
    def variance(self) -> Values:
        """Sum of the components."""
        return np.asarray(sum(self.variances.values()))

    def covariance(self) -> Values:
        """(n, n) covariance of the n pixels, row by row, in the components' sum.

        Raises
        ------
        UsageError
            Where the weights were not kept.
        """
        if self.weights is None:
            raise UsageError("The weights of the stamp were not kept.", "keep_weights=True")
        total = np.asarray(sum(self.inputs[name] for name in self.variances))
        whole: Values = (self.weights.multiply(total) @ self.weights.T).toarray()
        return whole
