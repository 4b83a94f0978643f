"""Idealised mosaics (L3): many dithered exposures, combined without fault."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.formats import write_product
from roman_dms.formats.tables import write_table
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.instrument.backgrounds import detector_noise
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.instrument.throughput import PIXEL_AREA, electrons_per_jansky
from roman_dms.products.mosaic import Mosaic
from roman_dms.psf.build import psf_grid
from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.background import sky_rate
from roman_dms.simulation.drawing.image import draw
from roman_dms.simulation.mosaic_noise import Exposures, measured
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps.mosaic_metadata import mosaic_metadata
from roman_dms.simulation.steps.sources import pixel_sources, truth_table, visible
from roman_dms.sky.observatory import observatory_position
from roman_dms.sky.pixel_map import pixel_map
from roman_dms.sky.tessellation import SkyCell

Image = NDArray[np.float32]

OVERSAMPLE = 2
"""Samples of the PSF a mosaic pixel; on the sky as fine as four in a pixel of the detector."""

MARGIN = 500
"""How far outside the mosaic a source may lie and still be drawn [pixel]."""


@dataclass(frozen=True, kw_only=True)
class MosaicRequest:
    """How a mosaic is exposed and made."""

    element: str
    """One of the eight filters."""

    exposure_time: float = 139.0
    """Of one exposure [s]."""

    exposures: int = 6
    """How many contribute to each pixel."""

    start: float = 61557.0
    """Start of the first, UTC as a modified Julian date [d]."""

    position_angle: float = 0.0
    """Of the focal plane, for the PSF [deg]."""

    detector: str = "WFI01"
    """Whose throughput, PSF and noise stand for all."""

    background: float | None = None
    """Sky and thermal light in a nominal pixel of the detector [electron / s]; that of
    the place and date by default."""

    keep_background: bool = False
    """Leave the background in the image; otherwise only its noise stays."""

    noise: bool = True
    """Draw the noise; otherwise the image is the expectation."""

    seed: int = 0

    def __post_init__(self) -> None:
        if self.element not in FILTERS:
            raise UsageError(
                f"There is no mosaic through {self.element!r}.", f"one of {', '.join(FILTERS)}"
            )
        if self.background is not None and not 0 <= self.background < math.inf:
            raise UsageError(
                f"The background is {self.background!r} electron/s.", "0 or a positive number"
            )


def simulate_mosaic(
    scene: Scene,
    cell: SkyCell,
    request: MosaicRequest,
    *,
    psf: PsfGrid | None = None,
    workers: int = 2,
) -> tuple[Mosaic, Table]:
    """Simulate a mosaic of a sky cell or a free field.

    Parameters
    ----------
    scene
        What is in the sky; whatever the mosaic does not show is left out.
    cell
        Which pixels; see ``sky.tessellation``.
    request
        How it is exposed.
    psf
        Effective PSF in pixels of the mosaic; that of the detector's centre by default.
    workers
        Threads; the mosaic does not depend on them.

    Returns
    -------
    tuple
        The mosaic, and the sources in and just around it as they were drawn.

    Raises
    ------
    UsageError
        For an impossible number or time of exposures, and a place that the
        telescope cannot look at on that date.
    """
    noise = detector_noise(request.detector)
    exposures = Exposures(
        request.exposure_time, request.exposures, noise.total_noise, noise.dark_current
    )
    middle = request.start + exposures.total_time / 2 / 86400
    areas = cell.plane.pixel_areas(cell.shape)
    sky = _background(request, cell, middle) / PIXEL_AREA * areas
    light, truth = _light(scene, cell, request, middle, psf, workers)
    rate = np.maximum(light + sky, np.float32(0))
    ratio = cell.plane.pixel_area / PIXEL_AREA
    shown = rate
    if request.noise:
        shown = measured(rate, exposures, ratio, seed=request.seed, workers=workers)
    if not request.keep_background:
        shown = shown - sky
    brightness = 1 / (1e6 * electrons_per_jansky(request.detector, request.element) * areas)
    images = _images(shown, rate, exposures, ratio, brightness.astype(np.float32))
    meta = mosaic_metadata(
        cell, request.element, images["data"], start=request.start,
        exposure_time=exposures.time, exposures=exposures.number,
    )  # fmt: skip
    return Mosaic(meta=meta, context=_context(cell.shape, exposures.number), **images), truth


def write_mosaic(
    scene: Scene, cell: SkyCell, request: MosaicRequest, output: Path | None, *, workers: int = 2
) -> list[Path]:
    """Simulate a mosaic and write it, with the truth beside it.

    Parameters
    ----------
    scene, cell, request, workers
        As of :func:`simulate_mosaic`.
    output
        Path of the mosaic; by default its own name, in this folder.

    Returns
    -------
    list
        Paths of the mosaic and of its sources (``_truth.parquet``).
    """
    mosaic, truth = simulate_mosaic(scene, cell, request, workers=workers)
    output = output or Path(mosaic.meta["filename"])
    sources = output.with_name(f"{output.stem.removesuffix('_coadd')}_truth.parquet")
    write_table(truth, sources)
    write_product(mosaic, output)
    return [output, sources]


def mosaic_psf(cell: SkyCell, request: MosaicRequest) -> PsfGrid:
    """The effective PSF of the detector's centre, in pixels of the mosaic."""
    place = detector_aperture(request.detector)
    grid = psf_grid(request.detector, request.element, nodes=(1, 1))
    return grid.on_mosaic(
        detector_offsets(cell, request.detector, request.position_angle),
        x=place.x_ref,
        y=place.y_ref,
        oversample=OVERSAMPLE,
    )


def detector_offsets(cell: SkyCell, detector: str, position_angle: float) -> NDArray[np.float64]:
    """(2, 2): takes offsets in mosaic pixels to offsets in pixels of a detector.

    Parameters
    ----------
    position_angle
        Of the ideal y axis of the focal plane, from north to east [deg].
    """
    place = detector_aperture(detector)
    roll = np.deg2rad(position_angle - place.v3_ideal_y_angle)
    to_ideal = np.array(
        [
            [place.ideal_x[1, 0], place.ideal_x[0, 1]],
            [place.ideal_y[1, 0], place.ideal_y[0, 1]],
        ]
    )
    to_sky = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    to_east_north = to_sky @ place.ideal_to_telescope @ to_ideal
    return np.linalg.solve(to_east_north, cell.plane.scale * np.array(cell.plane.matrix))


def _background(request: MosaicRequest, cell: SkyCell, middle: float) -> float:
    if request.background is not None:
        return request.background
    return sky_rate(request.detector, request.element, *cell.centre, middle)


def _light(
    scene: Scene,
    cell: SkyCell,
    request: MosaicRequest,
    middle: float,
    psf: PsfGrid | None,
    workers: int,
) -> tuple[Image, Table]:
    """Light of the sources in each pixel [electron / s], and the truth."""
    mapping = pixel_map(cell.plane.wcs(cell.shape), cell.shape, MARGIN + 10)
    seen, places = visible(scene, mapping, middle, observatory_position(middle))
    half = (np.array(cell.shape[::-1]) - 1) / 2
    near = np.all(np.abs(places[:, 2:] - half) < half + MARGIN, axis=1)
    seen, places = seen.select(near), places[near]
    sources = pixel_sources(seen, places, mapping, request.detector, request.element, middle)
    truth = truth_table(seen, places, sources, request.element, request.detector)
    light = draw(sources, psf or mosaic_psf(cell, request), cell.shape, workers=workers)
    return light, truth


def _images(
    shown: Image, rate: Image, exposures: Exposures, ratio: float, brightness: Image
) -> dict[str, Any]:
    """The images of a mosaic; ``brightness`` is that of one electron a second [MJy / sr]."""
    squared = brightness * brightness
    photons = exposures.photon_variance(rate, ratio) * squared
    reads = np.float32(exposures.read_variance(ratio)) * squared
    return {
        "data": shown * brightness,
        "err": np.sqrt(photons + reads),
        "weight": 1 / reads,
        "var_poisson": photons,
        "var_rnoise": reads,
    }


def _context(shape: tuple[int, int], exposures: int) -> NDArray[np.uint32]:
    """All exposures contribute to all pixels, a bit each."""
    planes = -(-exposures // 32)
    context = np.full((planes, *shape), 0xFFFFFFFF, np.uint32)
    context[-1] = (1 << (exposures - 32 * (planes - 1))) - 1
    return context
