"""Validation of PSFs with the stars of an L2 image that a catalogue names."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.tables import read_table
from roman_dms.instrument.quality import Pixel
from roman_dms.products.exposure import RateImage
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.validation.comparison import validate
from roman_dms.psf.validation.report import Validation
from roman_dms.psf.validation.stars import Stars, isolated
from roman_dms.sky.pixel_map import pixel_map

Values = NDArray[np.float64]

PLACES = (("x_psf", "y_psf"), ("x", "y"))
"""Columns of a catalogue that give places in the image [pixel], the first pair that is there."""

FLUXES = ("psf_flux", "flux", "rate")
"""Columns that give the light, in any unit."""

UNUSABLE = Pixel.DO_NOT_USE | Pixel.SATURATED | Pixel.DEAD | Pixel.HOT | Pixel.NON_SCIENCE
"""Flags of pixels that say nothing about the PSF."""

HALF = 12
"""Half width of the images of stars [pixel]."""

CORE = 2
"""Pixels on each side of a star's own that must all be usable."""


def validate_image(
    psf: PsfGrid,
    image: str | os.PathLike[str] | RateImage,
    stars: str | os.PathLike[str] | Table,
    *,
    wavelength: float | None = None,
    colour: str | None = None,
    flux_unit: float | None = None,
    significance: float = 100.0,
    most: int = 2000,
    neighbours: float = 0.01,
    half: int = HALF,
    workers: int = 2,
) -> Validation:
    """How well a PSF describes the stars of an L2 image.

    Stars are isolated, unsaturated and bright; each has a constant sky of its own.

    Parameters
    ----------
    psf
        Effective PSFs of the image's detector and element.
    image
        File or product.
    stars
        Catalogue of all sources, faint ones too: they decide who is isolated.  Columns
        ``x_psf``, ``y_psf`` or ``x``, ``y`` [pixel], or ``ra``, ``dec`` [deg]; ``psf_flux``,
        ``flux`` or ``rate``; and if sources are not all stars ``type`` (``PSF`` for a star).
    wavelength
        Mean wavelength of the light of the stars [micron].
    colour
        Column by which the error of the light is told, too.
    flux_unit
        Light of the image [DN / s] in a unit of the catalogue's, if that is to be judged; by
        default light is judged by the largest circle.
    significance
        Least light of a star, in units of the noise of its brightest nine pixels.
    most
        Stars at most, the brightest.
    neighbours
        Light of all neighbours together, of the star's own, that is borne.
    half
        Half width of the images of stars [pixel].
    workers
        Threads.

    Raises
    ------
    UsageError
        For a PSF of another detector or element, and where fewer than three stars remain.
    FileError, FormatError, MetadataError
        For files that cannot be read, or lack what is needed.
    """
    product = image if isinstance(image, RateImage) else read_rate_image(image)
    _same(psf, product)
    table = stars if isinstance(stars, Table) else read_table(stars)
    x, y = _positions(table, product)
    flux = _column(table, FLUXES, "light")
    usable = np.isfinite(x) & np.isfinite(y) & np.isfinite(flux)
    x, y, flux, table = x[usable], y[usable], flux[usable], table[usable]
    chosen = isolated(x, y, flux, radius=2.0 * half, share=neighbours)
    if "type" in table.colnames:
        chosen &= np.asarray(table["type"]) == "PSF"
    cut = _cut(product, x[chosen], y[chosen], flux[chosen], _colours(table, colour, chosen), half)
    bright = _bright(cut, significance, most)
    if len(bright) == 0:
        raise UsageError(
            f"Of {len(table)} sources {chosen.sum()} are isolated stars, and none of them is"
            f" unsaturated, whole and brighter than {significance:g} times its noise.",
            "isolated bright stars in the image",
            "lower the significance, or allow more light of neighbours",
        )
    found = _some(cut, bright, flux_unit)
    return validate(psf, found, wavelength=wavelength, sky=True, workers=workers)


def _same(psf: PsfGrid, image: RateImage) -> None:
    """Raise if PSF and image do not belong together."""
    detector, element = image.meta.detector, image.meta.optical_element
    if (psf.detector, psf.element) != (detector, element):
        raise UsageError(
            f"The PSF is of {psf.detector} in {psf.element}, the image of {detector} in {element}.",
            "a PSF of the image's detector and element",
        )


def _positions(table: Table, image: RateImage) -> tuple[Values, Values]:
    """Places of the sources [pixel]."""
    for pair in PLACES:
        if set(pair) <= set(table.colnames):
            return np.asarray(table[pair[0]], float), np.asarray(table[pair[1]], float)
    if not {"ra", "dec"} <= set(table.colnames):
        raise FormatError(
            f"The catalogue has the columns {', '.join(table.colnames)}.",
            "x_psf and y_psf, x and y, or ra and dec",
        )
    wcs = image.meta.get("wcs")
    if wcs is None:
        raise MetadataError(
            "The image has no WCS.",
            "one, as the catalogue gives the sky",
            "run the step assign_wcs ('rdms calibrate')",
        )
    ra, dec = (np.asarray(table[name], float) for name in ("ra", "dec"))
    return pixel_map(wcs, image.data.shape)(ra, dec)


def _column(table: Table, names: Sequence[str], what: str) -> Values:
    for name in names:
        if name in table.colnames:
            return np.asarray(table[name], float)
    raise FormatError(
        f"The catalogue has the columns {', '.join(table.colnames)}.",
        f"{what} in one of {', '.join(names)}",
    )


def _colours(table: Table, name: str | None, chosen: NDArray[np.bool_]) -> Values | None:
    return None if name is None else _column(table, (name,), "colour")[chosen]


def _cut(
    image: RateImage, x: Values, y: Values, flux: Values, colour: Values | None, half: int
) -> Stars:
    """Stars out of the image, its median taken away."""
    lost = (image.dq & np.uint32(UNUSABLE)) != 0
    few = image.data[::8, ::8]
    few = few[np.isfinite(few) & ~lost[::8, ::8]]
    # Each star gets a sky of its own; this is for those that a first guess needs.
    sky = np.median(few) if few.size else np.float32(0)
    return Stars.cut(
        image.data - sky, image.err, x, y, half=half, unusable=lost, flux=flux, colour=colour
    )


def _bright(stars: Stars, significance: float, most: int) -> NDArray[np.intp]:
    """Which stars are whole in the middle and bright enough, the brightest first."""
    half = stars.images.shape[-1] // 2
    core = np.s_[:, half - CORE : half + CORE + 1, half - CORE : half + CORE + 1]
    nine = np.s_[:, half - 1 : half + 2, half - 1 : half + 2]
    whole = np.isfinite(stars.errors[core]).all(axis=(1, 2))
    light = stars.images[nine].sum(axis=(1, 2), dtype=float)
    with np.errstate(invalid="ignore"):
        noise = np.sqrt((stars.errors[nine].astype(float) ** 2).sum(axis=(1, 2)))
        found = np.where(whole, light / noise, 0.0)
    order = np.argsort(-found, kind="stable")[:most]
    return order[found[order] >= significance]


def _some(stars: Stars, which: NDArray[np.intp], flux_unit: float | None) -> Stars:
    """Some of the stars; their light in the unit of the image, or none."""
    known = stars.flux is not None and flux_unit is not None
    return Stars(
        stars.images[which],
        stars.errors[which],
        stars.x[which],
        stars.y[which],
        stars.flux[which] * flux_unit if known else None,  # type: ignore[index, operator]
        None if stars.colour is None else stars.colour[which],
    )
