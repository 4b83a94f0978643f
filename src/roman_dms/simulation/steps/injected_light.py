"""What injected sources send to the pixels of a product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.products.metadata import Metadata
from roman_dms.psf.grid import PsfGrid
from roman_dms.references.selected import SelectedReferences
from roman_dms.simulation.drawing.image import draw
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.steps.sources import pixel_sources, trailed, truth_table, visible
from roman_dms.sky.observatory import observatory_position
from roman_dms.sky.pixel_map import PixelMap

DAY = 86400.0
"""[s]."""


@dataclass(frozen=True, kw_only=True)
class InjectionSettings:
    """How sources are injected."""

    seed: int = 0
    """Of the photon noise; the same seed gives the same product."""

    noise: bool = True
    """Whether the added light has photon noise."""

    references: SelectedReferences | None = None
    """Reference data.  An L1 exposure needs them; an L2 image takes saturation and
    interpixel capacitance from them."""

    psf: PsfGrid | None = None
    """Effective PSFs in the pixels of the product; those of the optical model by default."""

    exposure_time: float | None = None
    """Of a mosaic, in every pixel [s]; by default from its metadata and context."""

    workers: int = 2
    """Threads; the product does not depend on them."""

    def __post_init__(self) -> None:
        if self.exposure_time is not None and not 0 < self.exposure_time < np.inf:
            raise UsageError(f"The exposure time is {self.exposure_time} s.", "a positive number")


@dataclass(frozen=True)
class Frame:
    """The image into which sources are injected."""

    shape: tuple[int, int]
    mapping: PixelMap
    detector: str
    element: str
    middle: float
    """Middle of the exposure [MJD]."""
    duration: float
    """[s]."""


@dataclass(frozen=True)
class Light:
    """What is added to a frame."""

    rate: NDArray[np.float32]
    """(rows, columns) [electron / s]."""
    catalogue: Table
    """The sources, as they were drawn."""


def frame_of_exposure(meta: Metadata, mapping: PixelMap, shape: tuple[int, int]) -> Frame:
    """The frame of an exposure of one detector."""
    duration = meta.read_pattern.exposure_time
    middle = time_of(meta, "exposure.start_time") + duration / 2 / DAY
    return Frame(shape, mapping, meta.detector, filter_of(meta), middle, duration)


def time_of(meta: Metadata, key: str) -> float:
    """A time in the metadata [MJD, UTC]."""
    try:
        return float(Time(meta[key]).utc.mjd)
    except (ValueError, TypeError) as error:
        raise MetadataError(
            f"The keyword meta.{key} is {meta[key]!r}.", "a date and time, UTC"
        ) from error


def wcs_of(meta: Metadata) -> Any:
    """The WCS of a product.

    Raises
    ------
    FormatError
        Where it has none.
    """
    wcs = meta.get("wcs")
    if not callable(wcs):
        raise FormatError(
            "The product has no WCS, so that sources have no place on it.",
            "meta.wcs, as the step assign_wcs writes it",
            "calibrate it without skipping assign_wcs",
        )
    return wcs


def filter_of(meta: Metadata) -> str:
    """The filter of an image.

    Raises
    ------
    MetadataError
        Where it was taken through none.
    """
    element = meta.optical_element.upper()
    if element not in FILTERS:
        raise MetadataError(
            f"The product was taken through {element}.",
            f"an image, through one of {', '.join(FILTERS)}",
        )
    return element


def light_on(scene: Scene, frame: Frame, psf: PsfGrid, workers: int) -> Light:
    """Draw the sources whose centres lie on a frame.

    Raises
    ------
    UsageError
        Where there is none.
    """
    observer = observatory_position(frame.middle)
    seen, places = visible(scene, frame.mapping, frame.middle, observer)
    rows, columns = frame.shape
    x, y = places[:, 2], places[:, 3]
    inside = (x >= -0.5) & (x < columns - 0.5) & (y >= -0.5) & (y < rows - 0.5)
    if not inside.any():
        ra, dec = frame.mapping.centre
        raise UsageError(
            f"None of the {len(scene)} sources lies on the image.",
            f"sources around ra {ra:.5f}, dec {dec:.5f} deg",
            "check the positions of the scene, or lay sources out with --grid",
        )
    seen, places = seen.select(inside), places[inside]
    sources = pixel_sources(
        seen, places, frame.mapping, frame.detector, frame.element, frame.middle
    )
    catalogue = truth_table(seen, places, sources, frame.element, frame.detector)
    catalogue["electrons"] = sources.rate * frame.duration
    catalogue["electrons"].unit = "electron"
    moving = trailed(sources, seen, places, frame.mapping, frame.middle, frame.duration)
    # Splines of a PSF may pass below zero by a rounding; light does not.
    rate = np.maximum(draw(moving, psf, frame.shape, workers=workers), np.float32(0))
    return Light(rate, catalogue)
