"""The effective PSF at any place of a mosaic, from the mosaic alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from roman_dms.errors import MetadataError, UsageError
from roman_dms.formats.exposures import require, tree_of
from roman_dms.formats.mosaics import MOSAIC
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import open_tagged
from roman_dms.instrument.starlight import light_wavelength
from roman_dms.products.arrays import PixelArray, rows_of
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.psf.build import psf_grid
from roman_dms.psf.effective import EffectivePsf, PsfModel
from roman_dms.psf.library import PsfLibrary
from roman_dms.psf.mosaic import Contribution, mosaic_psf
from roman_dms.psf.steps.library import library_model
from roman_dms.psf.steps.reference_files import read_model
from roman_dms.psf.steps.reference_psfs import ReferencePsfs
from roman_dms.sky.image_places import place_on_image
from roman_dms.sky.tangent import TangentPlane

Source = str | Path | Sequence[str | Path] | ReferencePsfs | PsfLibrary | Mapping[str, PsfModel]
"""``reference``, ``optical``, ``library``, reference data, a library, epsf files of all detectors,
or PSFs by detector."""

OWN = "roman_dms"
"""Branch of a mosaic's file that RAD does not name."""

PLANE = 32
"""Exposures to a plane of the context."""

DROPS = ("square", "point")
"""Kernels of drizzle whose effect on the PSF is in closed form."""


@dataclass(frozen=True)
class MosaicExposures:
    """What a mosaic tells of its exposures."""

    name: str
    """Of the mosaic."""

    meta: Metadata

    context: PixelArray
    """(planes, rows, columns): bit n of plane k is set where exposure 32 k + n contributes."""

    images: Table
    """An image a row, in the order of the bits: ``detector``, ``weight``, ``place``."""

    pixfrac: float
    """Width of the drops [pixel of the detector]."""

    @classmethod
    def of(cls, mosaic: Mosaic | FilePath) -> MosaicExposures:
        """Of a mosaic, or its file, of which only what is needed is read.

        Raises
        ------
        FileError, FormatError
            If the file cannot be read, or holds no mosaic.
        MetadataError
            For a mosaic that does not tell, such as one of other software.
        UsageError
            For one made with a kernel whose PSF is not known.
        """
        if isinstance(mosaic, Mosaic):
            name, meta = str(mosaic.meta.get("filename") or "the mosaic"), mosaic.meta
            context: PixelArray = mosaic.context
            own = mosaic.extras.get(OWN)
        else:
            file = open_tagged(mosaic)
            tree = tree_of(file, MOSAIC)
            for key in ("meta", "context"):
                require(tree, key, file.name)
            name, meta, context = file.name, Metadata(tree["meta"]), tree["context"]
            own = tree.get(OWN)
        known = own if isinstance(own, Mapping) else {}
        for key in ("images", "recipe"):
            if key not in known:
                raise MetadataError(
                    f"{name} does not tell its {key} ({OWN}.{key}).",
                    "a mosaic made by 'rdms mosaic'",
                    "make it anew, or give its exposures to roman_dms.psf.steps.mosaic.on_mosaic",
                )
        return cls(name, meta, context, known["images"], _drops(known["recipe"], name))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.context.shape[-2:]
        return rows, columns

    def pixel(self, ra: float, dec: float) -> tuple[float, float]:
        """Column and row of a position; NaN far from the mosaic [deg]."""
        x, y = TangentPlane.of_wcsinfo(self.meta["wcsinfo"]).pixels(ra, dec)
        return float(x), float(y)

    def numbers(self, x: float, y: float) -> list[int]:
        """Which images contribute to the pixel at a place.

        Raises
        ------
        UsageError
            For a place outside the mosaic, or where there is none.
        """
        rows, columns = self.shape
        if not (-0.5 <= x < columns - 0.5 and -0.5 <= y < rows - 0.5):
            raise UsageError(
                f"The place x = {x:.1f}, y = {y:.1f} is not on {self.name}.",
                f"x from -0.5 to {columns - 0.5}, y from -0.5 to {rows - 0.5}",
            )
        row, column = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
        bits = rows_of(self.context, row, row + 1)[:, 0, column]
        found = [n for n in range(len(self.images)) if bits[n // PLANE] >> np.uint32(n % PLANE) & 1]
        if not found:
            raise UsageError(
                f"No exposure of {self.name} contributes at x = {x:.1f}, y = {y:.1f}.",
                "a place with data",
            )
        return found

    def weight(self, number: int) -> float:
        """What a pixel of an image counts in the mosaic."""
        kind = str(self.meta["resample.weight_type"])
        if kind == "ivm":
            return float(self.images["weight"][number])
        if kind == "uniform":
            return 1.0
        times = self.meta["individual_image_meta.exposure"]
        effective = float(times["effective_exposure_time"][number])
        known = np.isfinite(effective) and effective > 0
        return effective if known else float(times["exposure_time"][number])


def _drops(recipe: Sequence[Mapping[str, Any]], name: str) -> float:
    """Width of the drops by the recipe of a mosaic."""
    steps = {str(entry["name"]): entry for entry in recipe}
    resample = steps.get("resample", {})
    kernel = str(resample.get("kernel"))
    if kernel not in DROPS:
        raise UsageError(
            f"{name} was made with the kernel {kernel}.",
            f"the kernel {' or '.join(DROPS)}, whose drops have a PSF in closed form",
            "make it anew with --set resample.kernel='square', or measure the PSF on its stars",
        )
    return float(resample["pixfrac"]) if kernel == "square" else 0.0


def psf_of_mosaic(
    mosaic: Mosaic | FilePath | MosaicExposures,
    ra: float | None = None,
    dec: float | None = None,
    *,
    x: float | None = None,
    y: float | None = None,
    source: Source = "reference",
    spectrum: Any = None,
    wavelength: float | None = None,
    temperature: float | None = None,
    jitter: float | None = None,
    **settings: Any,
) -> EffectivePsf:
    """The image of a star of unit light at a place of a mosaic, with its errors.

    Parameters
    ----------
    mosaic
        The mosaic, its file, or what it tells of its exposures.
    ra, dec
        The place, ICRS [deg].
    x, y
        Or its column and row [pixel].
    source
        Effective PSFs of the detectors; by default those of the reference data.  The optical
        model lacks the capacitance between pixels that images have.
    spectrum, wavelength, temperature
        The light, see :func:`~roman_dms.psf.effective.effective_psf`.
    jitter
        Pointing jitter of all exposures, standard deviation an axis [arcsec]; as in ``source``
        by default.
    settings
        ``oversample``, ``size``, ``phase``: see :func:`~roman_dms.psf.mosaic.mosaic_psf`.

    Raises
    ------
    UsageError
        For a place without data, PSFs of other detectors, or values that cannot be meant.
    MetadataError
        For a mosaic that does not tell its exposures.
    ReferenceDataError
        Where PSFs are to come from reference data, and there are none.

    Examples
    --------
    >>> star = psf_of_mosaic("r00001_p_full_270p65x69y50_f158_coadd.asdf", 270.01, 65.99)
    ... # doctest: +SKIP
    """
    known = mosaic if isinstance(mosaic, MosaicExposures) else MosaicExposures.of(mosaic)
    x, y = _place(known, ra, dec, x, y)
    numbers = known.numbers(x, y)
    detectors = [str(known.images["detector"][number]) for number in numbers]
    element = known.meta.optical_element
    places = [place_on_image(known.images["place"][n], known.shape, x, y) for n in numbers]
    time = str(known.meta["coadd_info.time_first"])
    by_detector = {d: p[:2] for d, p in zip(detectors, places, strict=True)}
    models = _models(source, by_detector, element, time)
    contributions = [
        Contribution(models[detector], column, row, matrix, known.weight(number), jitter)
        for number, detector, (column, row, matrix) in zip(numbers, detectors, places, strict=True)
    ]
    mean = light_wavelength(
        detectors[0], element, wavelength=wavelength, temperature=temperature, spectrum=spectrum
    )
    return mosaic_psf(contributions, x=x, y=y, wavelength=mean, pixfrac=known.pixfrac, **settings)


def _place(
    known: MosaicExposures, ra: float | None, dec: float | None, x: float | None, y: float | None
) -> tuple[float, float]:
    if ra is not None and dec is not None and x is None and y is None:
        return known.pixel(ra, dec)
    if x is not None and y is not None and ra is None and dec is None:
        return float(x), float(y)
    raise UsageError("No place was given, or two.", "right ascension and declination, or x and y")


def _models(
    source: Source, places: Mapping[str, tuple[float, float]], element: str, time: str
) -> Mapping[str, PsfModel]:
    """PSFs of each detector."""
    if isinstance(source, Mapping):
        models = dict(source)
    elif source == "reference" or isinstance(source, ReferencePsfs):
        references = source if isinstance(source, ReferencePsfs) else ReferencePsfs()
        models = {one: references.model(one, element, time) for one in places}
    elif source == "optical":
        models = {one: PsfModel(psf_grid(one, element)) for one in places}
    elif source == "library" or isinstance(source, PsfLibrary):
        library = source if isinstance(source, PsfLibrary) else PsfLibrary()
        models = {
            one: library_model(library, one, element, *place)[0] for one, place in places.items()
        }
    else:
        paths = [source] if isinstance(source, str | Path) else source
        read = [read_model(path) for path in paths]
        models = {one.grid.detector: one for one in read}
    for detector in places:
        found = models[detector].grid if detector in models else None
        if found is None or found.element != element:
            raise UsageError(
                f"No PSFs of {detector} in {element} were given.",
                f"those of all detectors that contribute: {', '.join(sorted(places))}",
            )
    return models
