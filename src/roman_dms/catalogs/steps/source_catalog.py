"""The step that finds the sources of an L2 image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from roman_dms.catalogs.catalogue import Apertures, catalogue
from roman_dms.catalogs.columns import Calibration
from roman_dms.errors import MetadataError, ReferenceDataError
from roman_dms.instrument.exposure_types import exposure_type
from roman_dms.instrument.quality import Pixel
from roman_dms.measure.detection import DetectionSettings
from roman_dms.measure.image import Image, bands_of
from roman_dms.measure.search import SearchSettings
from roman_dms.pipeline.step import Parameters, step
from roman_dms.products.exposure import RateImage
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Epsf
from roman_dms.products.source_columns import ANNULUS, COLUMNS, RADII, aperture_name
from roman_dms.products.sources import Sources
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.steps.reference_files import read_epsf

APERTURES = Apertures({aperture_name(radius): radius for radius in RADII}, ANNULUS)
NANOJANSKYS = 1e15
"""[nJy] in a megajansky."""
HERE = ((0, 0),)
CROSS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
SQUARE = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
"""Pixels that a pixel reaches: itself, its neighbours, and those across corners too."""
DARK = Pixel.DEAD | Pixel.LOW_QE
"""Bad pixels with little charge."""
LEAK = 0.25
"""What hot pixels leak into each neighbour, in standard deviations, if it was not taken out; its
median over 800 of them is 3 to 4 or 0.00 +- 0.02 on images with all signatures."""
BULGE = "GBTD"
"""RAD's ``meta.program.subcategory`` of the Galactic Bulge Time Domain Survey."""


class SourceCatalogParameters(Parameters):
    """Parameters of ``source_catalog``."""

    threshold: float = Field(
        5.5, gt=0, description="Signal to noise of the faintest source, by the matched filter."
    )
    footprint: float = Field(
        2.0, gt=0, description="Signal to noise at the edge of a source's pixels."
    )
    contrast: float = Field(
        0.05, ge=0, description="Least height of a companion, as a share of the brightest peak."
    )
    relief: float = Field(
        0.08, ge=0, description="Least height of a peak, as a share of the saddle to the next."
    )
    passes: int = Field(
        2, ge=0, description="How often residuals are searched for hidden stars, at most."
    )


def _catalogued(meta: Metadata) -> str | None:
    if not exposure_type(meta.exposure_type).is_catalogued:
        return f"exposures of type {meta.exposure_type} are handed over without a catalogue"
    if str(meta.get("program.subcategory", "")).upper() == BULGE:
        return "exposures of the bulge survey are handed over without a catalogue"
    return None


@step(scope="detector", applies=_catalogued)
def source_catalog(
    rate: RateImage, epsf: Epsf, parameters: SourceCatalogParameters, workers: int = 1
) -> RateImage:
    """Find and measure the sources: a catalogue and a map of their pixels."""
    psf = read_epsf(epsf)
    _check_detector(psf, rate.meta)
    leaking = hot_pixels_leak(rate.data, rate.err, rate.dq)
    image = Image.of(rate.data, rate.err, *masks_of(rate.dq, workers, leaking=leaking), workers)
    columns, segments = catalogue(
        image,
        PsfField.of(psf, workers=workers),
        calibration_of(rate.meta),
        APERTURES,
        search_settings(parameters),
        dq=rate.dq,
        workers=workers,
    )
    sources = as_sources(columns, segments, parameters)
    return dataclasses.replace(rate, sources=sources)


def _check_detector(psf: PsfGrid, meta: Metadata) -> None:
    if (psf.detector, psf.element) != (meta.detector, meta.optical_element):
        raise ReferenceDataError(
            f"The PSF is that of {psf.detector} in {psf.element}, the image one of "
            f"{meta.detector} in {meta.optical_element}.",
            "a PSF of the same detector and element",
            "choose another with --psf, or correct the rules of the context",
        )


def hot_pixels_leak(
    data: NDArray[np.float32], err: NDArray[np.float32], dq: NDArray[np.uint32]
) -> bool:
    """Whether the charge that hot pixels leak into their neighbours is in an image still.

    A dark rate that was measured on coupled pixels holds it and takes it out; one that gives
    the charge of each pixel by itself does not.  The four pixels beside hot ones are compared
    with the next ones, in the median of the hot pixels of every 32nd row.
    """
    y, x = np.nonzero(dq[2:-2:32, 2:-2] & Pixel.HOT)
    y, x = 32 * y + 2, x + 2
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = [
            (data[y + dy, x + dx] - data[y + 2 * dy, x + 2 * dx]) / err[y + dy, x + dx]
            for dy, dx in CROSS[1:]
        ]
    known = np.isfinite(excess)
    return bool(known.any() and np.median(np.array(excess)[known]) > LEAK)


def masks_of(
    dq: NDArray[np.uint32], workers: int = 2, *, leaking: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels whose light is not that of the sky, and those lost to saturation, (row, column) each.

    The first are those that must not be used, and those that interpixel capacitance carries
    the charge of others to: the eight around a bad pixel, and the four around a jump, of which
    a hundredth arrives, too little to be found as a jump itself.  A pixel that is dead has no
    charge; what hot ones leak went with the dark rate, unless they are ``leaking`` still.
    """
    unusable, saturated = np.zeros(dq.shape, bool), np.zeros(dq.shape, bool)
    silent = DARK if leaking else DARK | Pixel.HOT | Pixel.TELEGRAPH
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda rows: _mark(dq, rows, silent, unusable, saturated), bands_of(len(dq))))
    return unusable, saturated


def _mark(
    dq: NDArray[np.uint32],
    rows: slice,
    silent: Pixel,
    unusable: NDArray[np.bool_],
    saturated: NDArray[np.bool_],
) -> None:
    """Mark what the flags of some rows tell; others may mark the same pixels meanwhile."""
    y, x = np.nonzero(dq[rows] != 0)  # few
    y += rows.start
    flags = dq[y, x]
    bad = (flags & Pixel.DO_NOT_USE) != 0
    jumped = (flags & Pixel.JUMP_DET) != 0
    full = bad & ((flags & Pixel.SATURATED) != 0)  # others have a slope from before
    charged = bad & (((flags & silent) == 0) | full)
    saturated[y[full], x[full]] = True
    for places, reached in ((HERE, bad), (CROSS, jumped), (SQUARE, charged)):
        for dy, dx in places:
            to_y, to_x = y[reached] + dy, x[reached] + dx
            inside = (to_y >= 0) & (to_y < dq.shape[0]) & (to_x >= 0) & (to_x < dq.shape[1])
            unusable[to_y[inside], to_x[inside]] = True


def search_settings(parameters: SourceCatalogParameters) -> SearchSettings:
    """What the search is told."""
    detection = DetectionSettings(
        threshold=parameters.threshold,
        footprint=parameters.footprint,
        contrast=parameters.contrast,
        relief=parameters.relief,
    )
    return SearchSettings(detection=detection, passes=parameters.passes)


def as_sources(
    columns: Mapping[str, NDArray[Any]],
    segments: NDArray[np.uint32],
    parameters: SourceCatalogParameters,
) -> Sources:
    """The columns in their order and types, with how they came about."""
    ordered = {column.name: columns[column.name].astype(column.type) for column in COLUMNS}
    settings = {
        "aperture_radii": {"circle_arcsec": list(RADII), "annulus_arcsec": list(ANNULUS)},
        "parameters": parameters.model_dump(),
    }
    return Sources(columns=ordered, segments=segments, settings=settings)


def calibration_of(meta: Metadata) -> Calibration:
    """Sky and flux of an L2 image.

    Raises
    ------
    MetadataError
        If the image has no WCS or no photometric calibration.
    """
    wcs = meta["wcs"]
    brightness, area = (
        meta.get(f"photometry.{key}") for key in ("conversion_megajanskys", "pixel_area")
    )
    if wcs is None or not brightness or not area:
        raise MetadataError(
            "The image has no WCS or no photometric calibration.",
            "an image that has been through assign_wcs and photom",
            "run them, or leave the catalogue out: --skip source_catalog",
        )

    def to_sky(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
        return wcs(x, y, with_bounding_box=False)

    return Calibration(to_sky, NANOJANSKYS * float(brightness) * float(area))
