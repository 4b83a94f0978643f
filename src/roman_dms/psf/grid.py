"""Effective point-spread functions of one detector and element, over the detector.

An effective PSF (Anderson & King 2000) is the fraction of a star's light that a
pixel receives, as a function of the offset of the pixel's centre from the star:
optics, jitter, charge diffusion and the pixel's own response together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PsfGrid:
    """Oversampled effective PSFs at nodes on a detector, for several colours of light."""

    detector: str
    """``WFI01`` to ``WFI18``."""

    element: str
    """A filter, ``GRISM`` or ``PRISM``."""

    oversample: int
    """Samples a pixel, along each axis."""

    nodes_x: NDArray[np.float64]
    """(node_x,) columns of the nodes, increasing, in the pixels of the image [pixel]."""

    nodes_y: NDArray[np.float64]
    """(node_y,) rows of the nodes, increasing [pixel]."""

    wavelengths: NDArray[np.float64]
    """(component,) effective wavelength that each component stands for, increasing [micron]."""

    samples: NDArray[np.float32]
    """(component, node_y, node_x, S, S), S odd: fraction of the light in a pixel whose
    centre lies (column - (S - 1) / 2) / oversample, and the same for rows, from the source."""

    wings: NDArray[np.float32]
    """(W, W), W odd: the same on whole pixels, far out, for bright stars; one for the
    detector, equal to the mean of the nodes where ``samples`` reach."""
