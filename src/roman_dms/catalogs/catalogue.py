"""From an image to the rows of its catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.catalogs.columns import Calibration, catalogue_columns
from roman_dms.catalogs.sky_frame import SkyFrame
from roman_dms.measure.image import Image
from roman_dms.measure.search import SearchSettings, search
from roman_dms.measure.sources import measure_sources
from roman_dms.psf.evaluation import PsfField


@dataclass(frozen=True)
class Apertures:
    """Where aperture photometry is done."""

    radii: Mapping[str, float]
    """Radius of each circle by name [arcsec]."""

    annulus: tuple[float, float]
    """Radii of the ring of the local background [arcsec]."""


def catalogue(
    image: Image,
    psf: PsfField,
    calibration: Calibration,
    apertures: Apertures,
    settings: SearchSettings,
    *,
    dq: NDArray[np.uint32] | None = None,
    workers: int = 2,
) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint32]]:
    """Find and measure the sources of an image.

    Parameters
    ----------
    image, psf
        In the same pixels.
    calibration
        What pixels and units stand for.
    apertures
        Circles and ring.
    settings
        Of the search.
    dq
        Data-quality flags to be collected from the pixels of each source.
    workers
        Threads.

    Returns
    -------
    columns, segments
        Columns of the catalogue by name, (n,) each, and the map of labels, (row, column).
    """
    found = search(image, psf, settings, workers=workers)
    row, column = (np.array([(size - 1) / 2]) for size in image.shape)
    scale = float(SkyFrame.at(calibration.to_sky, column, row).scale[0])
    measured = measure_sources(
        found.light,
        found.noise.variance,
        found.noise.per_light,
        found.detection.segments,
        found.fits.x,
        found.fits.y,
        psf=psf,
        dq=dq,
        saturated=image.saturated,
        radii=tuple(radius / scale for radius in apertures.radii.values()),
        annulus=(apertures.annulus[0] / scale, apertures.annulus[1] / scale),
        correlation=found.noise.correlation,
        workers=workers,
    )
    columns = catalogue_columns(
        found.detection, found.fits, measured, tuple(apertures.radii), calibration, workers
    )
    return columns, found.detection.segments
