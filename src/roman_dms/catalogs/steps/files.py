"""Catalogues of images that lie in files: L2 images, and any FITS image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.catalogs.catalogue import catalogue
from roman_dms.catalogs.columns import Calibration
from roman_dms.catalogs.steps.fits_images import FitsImage
from roman_dms.catalogs.steps.source_catalog import (
    APERTURES,
    SourceCatalogParameters,
    as_sources,
    search_settings,
    source_catalog,
)
from roman_dms.errors import ReferenceDataError, UsageError
from roman_dms.formats.catalogues import (
    catalogue_path,
    segments_path,
    write_catalogue,
    write_sources,
)
from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.writing import replacing
from roman_dms.products.reference import Epsf
from roman_dms.products.source_columns import BY_NAME
from roman_dms.products.sources import Sources
from roman_dms.psf.evaluation import PsfField
from roman_dms.references.selected import SelectedReferences

PIXEL = 0.11
"""Side of a pixel where an image does not say [arcsec]; that of the detectors."""


@dataclass(frozen=True)
class Catalogued:
    """An image whose sources were written."""

    image: Path
    catalogue: Path
    segments: Path
    sources: Sources
    seconds: float


def catalogue_l2(
    path: Path,
    references: SelectedReferences,
    parameters: SourceCatalogParameters,
    *,
    folder: Path | None = None,
    workers: int = 2,
) -> Catalogued:
    """Write catalogue and segmentation map of an L2 image.

    They go beside it, and its metadata then name them; or into a folder, and the image is
    left alone.

    Raises
    ------
    UsageError
        If exposures of its kind are not catalogued.
    ReferenceDataError
        If there is no PSF for it.
    """
    began = time.perf_counter()
    rate = read_rate_image(path)
    why_not = source_catalog.applies(rate.meta)
    if why_not:
        raise UsageError(f"{path.name} has no catalogue: {why_not}.", "an image of the sky")
    found = references.load(rate.meta, {Epsf.kind: Epsf})[Epsf.kind]
    if found is None:
        raise ReferenceDataError(
            "The context says N/A for the PSF (epsf).", "a PSF", "give one with --psf FILE"
        )
    name, epsf = found
    done = source_catalog.run(rate, {"epsf": epsf}, parameters, workers)
    image = path if folder is None else folder / path.name
    changes: dict[str, Any] = {
        "cal_step.source_catalog": "COMPLETE",
        "ref_file.epsf": name,
        "source_catalog.tweakreg_catalog_name": catalogue_path(image).name,
    }
    meta = rate.meta.updated({**changes, "filename": path.name})
    write_sources(done.sources, meta, image)
    if folder is None:
        line = f"source_catalog: COMPLETE (roman_dms {__version__}) [{parameters}]"
        logs = [*(rate.meta.get("cal_logs") or []), line]
        update_metadata(path, {**changes, "cal_logs": logs})
    seconds = time.perf_counter() - began
    return Catalogued(path, catalogue_path(image), segments_path(image), done.sources, seconds)


def catalogue_fits(
    path: Path,
    found: FitsImage,
    psf: PsfField,
    parameters: SourceCatalogParameters,
    *,
    folder: Path | None = None,
    workers: int = 2,
) -> Catalogued:
    """Write catalogue and segmentation map (FITS) of any image.

    Without a WCS pixels are taken to be as large as those of the detectors, and there are
    no positions on the sky; without a zero point fluxes are in the unit of the image.
    """
    began = time.perf_counter()
    calibration = Calibration(found.to_sky or _flat, found.nanojanskys or 1.0)
    columns, segments = catalogue(
        found.image, psf, calibration, APERTURES, search_settings(parameters), workers=workers
    )
    sources = as_sources(columns, segments, parameters)
    image = path if folder is None else folder / path.name
    described = dict(BY_NAME)
    if found.to_sky is None:
        sources = _without(sources, [name for name in BY_NAME if BY_NAME[name].type == "float64"])
    if found.nanojanskys is None:
        sources = _without(sources, ["kron_abmag", "kron_abmag_err"])
        described |= {
            name: column._replace(unit=column.unit.replace("nJy", found.unit).strip())
            for name, column in BY_NAME.items()
            if "nJy" in column.unit
        }
    meta = {"image": {"filename": path.name}, "calibration_software_version": __version__}
    segments_file = segments_path(image).with_suffix(".fits")
    _write_segments(segments, segments_file)
    write_catalogue(sources, meta, catalogue_path(image), described)
    seconds = time.perf_counter() - began
    return Catalogued(path, catalogue_path(image), segments_file, sources, seconds)


def _flat(x: NDArray[np.float64], y: NDArray[np.float64]) -> Any:
    """A small plane of square pixels around the origin of the sky."""
    return x * PIXEL / 3600, y * PIXEL / 3600


def _without(sources: Sources, names: Sequence[str]) -> Sources:
    """Columns that have no meaning set to NaN."""
    columns = dict(sources.columns)
    for name in names:
        columns[name] = np.full_like(columns[name], np.nan)
    return replace(sources, columns=columns)


def _write_segments(segments: NDArray[np.uint32], path: Path) -> None:
    from astropy.io import fits  # noqa: PLC0415 - slow to import

    with replacing(path) as file:
        fits.PrimaryHDU(segments.astype(np.int32)).writeto(file)
