"""The light that falls on a detector, without any noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.psf.build import psf_grid
from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.background import sky_rate
from roman_dms.simulation.dispersion import band, disperse, zeroth_order
from roman_dms.simulation.drawing.image import draw
from roman_dms.simulation.moving import moving_light
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.signatures.deposits import Deposits
from roman_dms.simulation.sources import PixelSources
from roman_dms.simulation.steps.own_images import rate_from_cube, rate_from_image
from roman_dms.simulation.steps.request import ExposureRequest, scene_in
from roman_dms.simulation.steps.sources import pixel_sources, truth_table, velocities, visible
from roman_dms.simulation.steps.view import View
from roman_dms.sky.observatory import observatory_position

DAY = 86400.0
"""[s]."""

AT_ONCE = 2000
"""Spectra that are kept at a time, 16 MB."""


@dataclass(frozen=True)
class Light:
    """What reaches the science pixels of a detector."""

    rate: NDArray[np.float32]
    """``(rows, columns)``: sources that stand still and sky, flat response [electron / s]."""
    sky: float
    """Sky and glow of the telescope in a pixel of nominal area [electron / s]."""
    truth: Table
    """The sources that were drawn."""
    moving: Deposits
    """Electrons that are expected from moving objects in each read."""

    def mean_rate(self, duration: float) -> NDArray[np.float32]:
        """The rate with the trails of moving objects, over an exposure of ``duration`` [s]."""
        rate = self.rate.copy() if len(self.moving) else self.rate
        np.add.at(
            rate,
            (self.moving.row, self.moving.column),
            self.moving.electrons / np.float32(duration),
        )
        return rate


def light_for(
    request: ExposureRequest, exposure: PlannedExposure, view: View, pattern: ReadPattern
) -> Light:
    """The light that a request sends to a detector: a scene, or a user's own image or cube.

    Raises
    ------
    UsageError
        For a pointing too close to the Sun.
    """
    if request.scene is not None:
        psf = psf_grid(
            view.detector.name, exposure.element, jitter=request.jitter, defocus=request.defocus
        )
        sky = _sky(request, exposure, view)
        scene = scene_in(request.scene)
        return light_of(scene, exposure, view, pattern, psf, sky, workers=request.threads)
    if request.rate is not None:
        rate = rate_from_image(request.rate, view.detector)
        return Light(rate, float(np.median(rate)), Table(), Deposits.joined([]))
    assert request.cube is not None
    light = rate_from_cube(
        request.cube, view.wcs, view.detector.name, exposure.element, view.detector.science_shape,
        corner=view.corner,
    )  # fmt: skip
    sky = _sky(request, exposure, view)
    return Light(light + np.float32(sky) * view.pixel_areas(), sky, Table(), Deposits.joined([]))


def light_of(
    scene: Scene,
    exposure: PlannedExposure,
    view: View,
    pattern: ReadPattern,
    psf: PsfGrid,
    sky: float,
    *,
    workers: int = 2,
) -> Light:
    """Draw a scene as one detector sees it.

    Parameters
    ----------
    scene
        What is in the sky; whatever the detector does not see is left out.
    exposure
        Where the telescope looks, through what, and when.
    view
        The detector.
    pattern
        The reads; objects move from the reset to the last.
    psf
        Effective PSFs of the whole detector.
    sky
        Sky and glow of the telescope in a pixel of nominal area [electron / s].
    """
    detector, element = view.detector.name, exposure.element
    middle = exposure.start + pattern.exposure_time / 2 / DAY
    seen, places = visible(scene, view.mapping, middle, observatory_position(middle))
    sources = pixel_sources(seen, places, view.mapping, detector, element, middle)
    psf = psf.moved(*view.corner)
    rate = np.zeros(view.detector.science_shape, np.float32)
    velocity = velocities(seen, places, view.mapping, middle)
    moves = np.any(velocity != 0, axis=1) & (sources.sersic == 0) & (element in FILTERS)
    if element in FILTERS:
        parts = iter([sources[~moves]])
    else:
        parts = _spectra(sources, seen, detector, element, middle)
    for part in parts:
        rate += draw(part, psf, rate.shape, workers=workers)
    rate += np.float32(sky) * view.pixel_areas()
    moving = moving_light(
        sources[moves], velocity[moves], psf, rate.shape, pattern.frame_time, pattern.reads[-1][-1]
    )
    return Light(rate, sky, truth_table(seen, places, sources, element, detector), moving)


def _spectra(
    sources: PixelSources, scene: Scene, detector: str, element: str, mjd: float
) -> Iterator[PixelSources]:
    """The points of all traces, and of the grism the zeroth order, some sources at a time."""
    wavelengths = band(detector, element)
    for start in range(0, len(sources), AT_ONCE):
        some = np.arange(start, min(start + AT_ONCE, len(sources)))
        spectra = scene.select(some).flux_densities(wavelengths, mjd)
        yield from disperse(sources[some], spectra, wavelengths, detector, element)
        if element == "GRISM":
            whole = band(detector, "GRISM_0")
            spectra = scene.select(some).flux_densities(whole, mjd)
            yield zeroth_order(sources[some], spectra, whole, detector)


def _sky(request: ExposureRequest, exposure: PlannedExposure, view: View) -> float:
    """Sky and glow of the telescope [electron / s / pixel]."""
    rows, columns = view.detector.science_shape
    ra, dec = view.wcs((columns - 1) / 2, (rows - 1) / 2)
    return sky_rate(
        view.detector.name, exposure.element, float(ra), float(dec), exposure.start,
        any_sun_angle=request.any_sun_angle,
    )  # fmt: skip
