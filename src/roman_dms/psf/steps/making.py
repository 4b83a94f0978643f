"""Effective PSFs to be made: of the optical model by name, of stars from images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roman_dms.errors import FileError, UsageError
from roman_dms.instrument.detectors import NAMES
from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.psf.build import psf_grid
from roman_dms.psf.colouring import with_colours
from roman_dms.psf.effective import EXACT_NODES, PsfModel
from roman_dms.psf.library.entries import Entry, Kind
from roman_dms.psf.library.library import hash_of
from roman_dms.psf.optics import JITTER
from roman_dms.psf.steps.library import about
from roman_dms.psf.steps.reference_files import file_grid, write_epsf

EMPIRICAL_NODES = 9
"""Columns and rows of places for PSFs from stars."""


@dataclass(frozen=True)
class Made:
    """Effective PSFs, and what the library should know of them."""

    model: PsfModel
    kind: Kind
    engineering: Mapping[str, float] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Effective PSFs that are to be made."""

    name: str
    make: Callable[[], Made]


def plan(
    what: Sequence[str],
    *,
    nodes: int | None = None,
    jitter: float | None = None,
    defocus: float = 0.0,
    stars: Path | None = None,
) -> list[Job]:
    """What names or images ask for.

    Parameters
    ----------
    what
        Detectors and filters, or the paths of L2 images.
    nodes
        Places along columns and along rows.
    jitter
        Pointing jitter: of the model, or what is known of the images' [arcsec].
    defocus
        Of the model [micron].
    stars
        Table of the stars in the images.

    Raises
    ------
    UsageError
        For a mixture of names and files, or names that are none.
    FileError
        For an image that is not there.
    """
    upper = [name.upper() for name in what]
    detectors = [name for name in upper if name in NAMES]
    elements = [name for name in upper if name in FILTERS]
    if len(detectors) + len(elements) == len(what):
        if not (detectors and elements):
            raise UsageError(
                f"{' '.join(what)} names no {'filter' if detectors else 'detector'}.",
                "detectors and filters, such as WFI01 F158",
            )
        if stars is not None:
            raise UsageError("A table of stars was given without images.", "L2 images")
        return [
            _optical(detector, element, nodes, JITTER if jitter is None else jitter, defocus)
            for detector in dict.fromkeys(detectors)
            for element in dict.fromkeys(elements)
        ]
    if detectors or elements or defocus:
        raise UsageError(
            f"{' '.join(what)}: names and files together, or a defocus of images.",
            "detectors and filters for the optical model, or L2 images of one of each",
        )
    missing = [name for name in what if not os.path.isfile(name)]  # noqa: PTH113 - names are text
    if missing:
        raise FileError(
            f"There is no file {missing[0]}, nor a detector or filter of that name.",
            "L2 images, or names such as WFI01 and F158",
        )
    return [_empirical([Path(name) for name in what], nodes, jitter, stars)]


def write_made(model: PsfModel, entry: Entry, folder: Path) -> Path:
    """Write a reference file into a folder; its path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {folder} cannot be made: {error.strerror}.") from None
    path = folder / f"roman_{entry.detector}_{entry.element}_{entry.kind}_epsf.asdf".lower()
    write_epsf(model, path, **about(entry))
    return path


def _optical(detector: str, element: str, nodes: int | None, jitter: float, defocus: float) -> Job:
    def make() -> Made:
        places = None if nodes is None else (nodes, nodes)
        grid = file_grid(detector, element, nodes=places, jitter=jitter, defocus=defocus)
        return Made(PsfModel(grid, jitter), "optical", {"defocus": defocus})

    return Job(f"{detector} {element}", make)


def _empirical(
    images: list[Path], nodes: int | None, jitter: float | None, stars: Path | None
) -> Job:
    def make() -> Made:
        from astropy.table import Table  # noqa: PLC0415 - slow to import

        from roman_dms.psf.steps.empirical import build_empirical  # noqa: PLC0415

        count = EMPIRICAL_NODES if nodes is None else nodes
        table = None if stars is None else Table.read(stars)
        found = build_empirical(images, stars=table, nodes=(count, count))
        optical = psf_grid(found.grid.detector, found.grid.element)
        model = PsfModel(
            with_colours(found.grid, optical),
            JITTER if jitter is None else jitter,
            found.errors,
            EXACT_NODES,
            "stars of " + ", ".join(found.exposures),
        )
        known = {
            "stars": found.stars,
            "inputs": {path.name: hash_of(path) for path in images},
            "quality": {
                "chi_squared": found.chi_squared,
                "position_rms": found.position_rms,
                "images": float(found.images),
                "degree": float(found.degree),
                "measured_wavelength": float(found.grid.wavelengths[0]),
            },
        }
        if found.dates and all(found.dates):
            known["valid_from"] = _day(min(found.dates))
        return Made(model, "empirical", {}, known)

    return Job(f"{len(images)} images", make)


def _day(date: str) -> str:
    """The beginning of the day of a date."""
    return f"{date[:10]}T00:00:00"
