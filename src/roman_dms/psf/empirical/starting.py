"""What is known of a PSF without any star: what the telescope's diffraction passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.psf.empirical.refinement import filtered, passed_frequencies
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.pupil import DIAMETER


def cutoff_frequency(element: str) -> float:
    """Highest spatial frequency that the telescope passes in an element [cycle / pixel]."""
    edge = optical_element(element).blue_edge
    assert edge is not None
    return float(DIAMETER / (edge * 1e-6) * np.deg2rad(PIXEL_SCALE / 3600))


def gaussian_grid(optical: PsfGrid, cutoff: float) -> PsfGrid:
    """Round Gaussians as wide as the diffraction of a telescope without aberrations.

    That of a circular pupil fits a Gaussian of 0.42 lambda / D; pixel and charge diffusion add
    their variances, 1 / 12 and 0.01.  What they have beyond the cutoff no star could take away.
    """
    widths = 0.42 * optical.wavelengths * 1e-6 / DIAMETER / np.deg2rad(PIXEL_SCALE / 3600)
    variance = (widths**2 + 1 / 12 + 0.01)[:, None]
    size = optical.samples.shape[-1]
    side = (np.arange(size) - (size - 1) / 2) / optical.oversample
    lines = np.exp(-(side**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    passed = passed_frequencies(size, optical.oversample, cutoff)
    samples = filtered(lines[:, :, None] * lines[:, None], passed).astype(np.float32)
    return replace(
        optical, nodes_x=np.zeros(1), nodes_y=np.zeros(1), samples=samples[:, None, None]
    )
