"""Empirical PSFs from L2 images and catalogues of stars."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import CalibrationError, MetadataError, UsageError
from roman_dms.formats.exposures import read_rate_image
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.instrument.quality import Pixel
from roman_dms.instrument.throughput import PIXEL_SCALE
from roman_dms.products.exposure import RateImage
from roman_dms.psf.build import psf_grid
from roman_dms.psf.empirical.build import EmpiricalPsf, Settings, empirical_psf
from roman_dms.psf.empirical.exposure import Exposure
from roman_dms.psf.empirical.gathering import StarList
from roman_dms.psf.grid import PsfGrid
from roman_dms.sky.pixel_map import tangent_plane

Values = NDArray[np.float64]

UNUSABLE = Pixel.DO_NOT_USE | Pixel.SATURATED | Pixel.DEAD | Pixel.HOT | Pixel.NON_SCIENCE
"""Flags of pixels that say nothing about the PSF."""

PIXEL = np.radians(PIXEL_SCALE / 3600)
"""Unit of the plane that the exposures share [radian]."""


def build_empirical(
    images: Sequence[str | os.PathLike[str] | RateImage],
    *,
    stars: Table | None = None,
    nodes: tuple[int, int] = (9, 9),
    oversample: int = 4,
    wavelength: float | None = None,
    optical: PsfGrid | None = None,
    settings: Settings | None = None,
) -> EmpiricalPsf:
    """Build effective PSFs from the stars in L2 images of one detector and filter.

    Parameters
    ----------
    images
        Files or products, best 4 to 8, dithered by parts of a pixel.
    stars
        Catalogue of stars with columns ``ra`` and ``dec`` [deg], at the epoch of the images,
        and if known ``wavelength``, the mean of their detected photons [micron].  Only these
        are used; without, every bright source as narrow as a star.
    nodes
        Columns and rows of nodes of the grid.
    oversample
        Samples a pixel.
    wavelength
        Mean wavelength of the photons that the PSF is for [micron]; the mean of the stars
        if they have one, otherwise the middle of the optical model's components.
    optical
        The optical model, if not the nominal one of the detector and filter.
    settings
        How to build it.

    Raises
    ------
    UsageError
        For images of several detectors or filters, and spectra.
    CalibrationError
        If there are too few stars.
    FileError, FormatError, MetadataError
        For images that cannot be read or lack what is needed.
    """
    products = [_read(image) for image in images]
    detector, element = _one_of(products)
    if optical is None:
        optical = psf_grid(detector, element, oversample=oversample)
    if (optical.detector, optical.element) != (detector, element):
        raise UsageError(
            f"The optical model is that of {optical.detector} in {optical.element}.",
            f"{detector} in {element}, as the images",
        )
    centre = _centre(products[0])
    exposures = [exposure_of(product, centre) for product in products]
    catalogue = None if stars is None else _star_list(stars, centre)
    psf = empirical_psf(
        exposures,
        optical,
        catalogue=catalogue,
        nodes=nodes,
        wavelength=wavelength,
        settings=settings,
    )
    dates = tuple(str(product.meta.get("exposure.start_time", "")) for product in products)
    return replace(psf, dates=dates)


def exposure_of(image: RateImage, centre: tuple[float, float]) -> Exposure:
    """What the building of a PSF needs of an L2 image.

    Parameters
    ----------
    image
        With its WCS.
    centre
        Right ascension and declination of the tangent point of the common plane [deg].
    """
    wcs = _wcs(image)

    def to_frame(x: Values, y: Values) -> tuple[Values, Values]:
        ra, dec = wcs(x, y, with_bounding_box=False)
        xi, eta = tangent_plane(ra, dec, centre)
        return xi / PIXEL, eta / PIXEL

    variance = image.err**2
    usable = np.isfinite(image.data) & np.isfinite(variance) & (variance > 0)
    usable &= (image.dq & np.uint32(UNUSABLE)) == 0
    return Exposure(
        name=str(image.meta.get("filename", "image")),
        data=np.where(usable, image.data, np.float32(0)),
        variance=variance,
        usable=usable,
        saturated=(image.dq & np.uint32(Pixel.SATURATED)) != 0,
        to_frame=to_frame,
    )


def _read(image: str | os.PathLike[str] | RateImage) -> RateImage:
    return image if isinstance(image, RateImage) else read_rate_image(image)


def _one_of(products: Sequence[RateImage]) -> tuple[str, str]:
    """Detector and element of the images."""
    if not products:
        raise UsageError("No images were given.", "one L2 image or more, best dithered ones")
    kinds = {(product.meta.detector, product.meta.optical_element) for product in products}
    if len(kinds) != 1:
        raise UsageError(
            f"The images are of {sorted(' in '.join(kind) for kind in kinds)}.",
            "images of one detector and filter",
            "build a PSF for each by itself",
        )
    detector, element = kinds.pop()
    kind = optical_element(element)
    if kind.is_dispersed or kind.use == "blocked":
        raise CalibrationError(
            f"The images were taken with {element}.", "images through a filter, with point sources"
        )
    return detector, element


def _wcs(image: RateImage) -> Any:
    wcs = image.meta.get("wcs")
    if wcs is None:
        raise MetadataError(
            f"{image.meta.get('filename', 'An image')} has no WCS.",
            "a WCS that all images share a sky by",
            "run the step assign_wcs ('rdms calibrate')",
        )
    return wcs


def _centre(image: RateImage) -> tuple[float, float]:
    rows, columns = image.data.shape
    ra, dec = _wcs(image)((columns - 1) / 2, (rows - 1) / 2, with_bounding_box=False)
    return float(ra), float(dec)


def _star_list(stars: Table, centre: tuple[float, float]) -> StarList:
    for name in ("ra", "dec"):
        if name not in stars.colnames:
            raise UsageError(
                f"The catalogue of stars has no column {name!r}.", "columns 'ra' and 'dec' in deg"
            )
    xi, eta = tangent_plane(np.asarray(stars["ra"], float), np.asarray(stars["dec"], float), centre)
    places = np.stack([xi, eta], axis=1) / PIXEL
    near = np.isfinite(places).all(axis=1)
    waves = np.asarray(stars["wavelength"], float) if "wavelength" in stars.colnames else None
    return StarList(places[near], None if waves is None else waves[near])
