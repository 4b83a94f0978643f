"""Colours for PSFs that were measured in one light: differences of the optical model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from roman_dms.errors import UsageError
from roman_dms.psf.grid import PsfGrid, with_core


def with_colours(measured: PsfGrid, optical: PsfGrid) -> PsfGrid:
    """Measured effective PSFs, and what the optical model says they are in other light.

    Each component is the measured PSF plus the model's PSF in the component's light minus
    that in the light of the measurement: what the model has wrong in all light alike does
    not matter.

    Parameters
    ----------
    measured
        PSFs with one component.
    optical
        The optical model of the same detector and element, with the same sampling and size.

    Returns
    -------
    PsfGrid
        At the nodes of ``measured``, with the components of ``optical``.

    Raises
    ------
    UsageError
        If the two do not belong together.
    """
    alike = [
        (grid.detector, grid.element, grid.oversample, grid.samples.shape[-1])
        for grid in (measured, optical)
    ]
    if alike[0] != alike[1] or len(measured.wavelengths) != 1:
        raise UsageError(
            f"PSFs {alike[0]} in {len(measured.wavelengths)} colours were to get those of"
            f" {alike[1]}.",
            "PSFs in one colour, of the optical model's detector, element, sampling and size",
        )
    wave = float(measured.wavelengths[0])
    samples = np.repeat(measured.samples, len(optical.wavelengths), axis=0)
    for row, y in enumerate(measured.nodes_y):
        for column, x in enumerate(measured.nodes_x):
            seen = optical.at(float(x), float(y), wave)
            for component, other in enumerate(optical.wavelengths):
                change = optical.at(float(x), float(y), float(other)) - seen
                samples[component, row, column] += change
    wings = with_core(measured.wings, samples, measured.oversample)
    return replace(measured, wavelengths=optical.wavelengths, samples=samples, wings=wings)
