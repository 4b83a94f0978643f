"""Which files a baseline has, and the writing of them.

Dispersed exposures need little of their own: dark, linearity and the rest serve all
elements, and neither the mission nor this package flat-fields spectra or has an
empirical PSF of them.  A grism or prism gets the one file that is selected by element
besides, the distortion, which is that of the filters: the position of the undeviated
wavelength, without the disperser's own distortion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import detector
from roman_dms.instrument.optical_elements import DISPERSERS, FILTERS
from roman_dms.references.bootstrap import (
    capacitance,
    noise,
    optics,
    pixels,
    response,
    skycells,
    tables,
)
from roman_dms.references.bootstrap.frame import Frame
from roman_dms.references.bootstrap.measurement import origin
from roman_dms.references.kinds import kind_of
from roman_dms.references.submission import build_context

Progress = Callable[[str], None]

EffectivePsf = Callable[[str, str, tuple[int, int], NDArray[np.float32]], dict[str, Any]]
"""Takes detector, element, the corner of the part that is kept and the kernel (3, 3) of the
interpixel capacitance; gives the tree of a file."""

MINIATURE: dict[str, Any] = {
    "detectors": ("WFI01",),
    "filters": ("F158",),
    "size": 1024,
    "seed": 0,
    "window": (1536, 1536),
}
"""Arguments of :func:`bootstrap` that go with the miniature exposure in ``tests/data``."""

USEAFTER = "2020-01-01T00:00:00"
"""Date from which the baseline holds."""

EXPOSURE_TYPES = (
    "WFI_IMAGE", "WFI_SPECTRAL", "WFI_IM_DARK", "WFI_SP_DARK", "WFI_FLAT", "WFI_LOLO", "WFI_WFSC",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How the files of one kind are made."""

    kind: str
    make: Callable[..., dict[str, Any]]
    """Takes a frame, and an optical element where there is a file for each; gives a tree."""
    one_for: Literal["all", "detector", "element", "filter"] = "detector"
    """``element``: each filter, grism and prism; ``filter``: these alone."""


RECIPES = (
    Recipe("mask", pixels.mask),
    Recipe("saturation", pixels.saturation),
    Recipe("gain", pixels.gain),
    Recipe("readnoise", pixels.readnoise),
    Recipe("dark", pixels.dark),
    Recipe("flat", pixels.flat, "filter"),
    Recipe("linearity", response.linearity),
    Recipe("inverselinearity", response.inverselinearity),
    Recipe("integralnonlinearity", response.integralnonlinearity),
    Recipe("ipc", capacitance.ipc),
    Recipe("refpix", noise.refpix),
    Recipe("darkdecaysignal", noise.darkdecaysignal, "all"),
    Recipe("photom", optics.photom),
    Recipe("area", optics.area),
    Recipe("distortion", optics.distortion, "element"),
    Recipe("epsf", optics.epsf, "filter"),
    Recipe("apcorr", optics.apcorr),
    Recipe("matable", tables.matable, "all"),
    Recipe("detectorstatus", tables.detectorstatus, "all"),
    Recipe("skycells", skycells.skycells, "all"),
    Recipe("pars-rampfitstep", tables.rampfit_parameters, "all"),
)
"""One recipe a kind."""


def bootstrap(
    store: Path | str,
    detectors: Sequence[str],
    filters: Sequence[str],
    size: int = 4096,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    window: tuple[int, int] | None = None,
    measured: int | None = None,
    effective_psf: EffectivePsf | None = None,
) -> str:
    """Make a baseline of reference files in a store, and a context of them.

    Parameters
    ----------
    store
        Folder of the store; made where there is none.
    detectors
        Names, ``WFI01`` to ``WFI18``.
    filters
        Optical elements, ``F062`` to ``F213``, ``GRISM`` and ``PRISM``.
    size
        Rows and columns of the detectors [pixel].
    seed
        The same seed gives the same values, whatever else is made.
    progress
        Called with the name of each file when it is written.
    window
        (x0, y0): cut the detectors from real ones of 4096 pixels, at this corner.
    measured
        Make the files as a programme of calibration would have measured the
        detectors that ``seed`` stands for, with errors drawn from this seed
        (:mod:`~roman_dms.references.bootstrap.measurement`); None gives the truth.
    effective_psf
        Makes the effective PSFs; a coarse stand-in is made without it.

    Returns
    -------
    str
        Name of the context, now the operational one.

    Raises
    ------
    UsageError
        For a detector, element, size or window that cannot be.
    """
    frames = [replace(_frame(name, size, seed, window), measured=measured) for name in detectors]
    _check_elements(filters)
    if not frames:
        raise UsageError("No detector was named.", "one or more of WFI01 to WFI18")
    folder = Path(store) / "references" / "roman"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for recipe, frame, element in _plan(frames, filters, _recipes(effective_psf)):
        path = _next_path(folder, recipe.kind)
        _write(recipe, frame, element, path)
        written.append(path)
        if progress:
            progress(path.name)
    errors = "" if measured is None else f", with errors of measurement, seed {measured}"
    return build_context(store, written, f"Synthetic baseline, seed {seed}{errors}")


def _frame(name: str, size: int, seed: int, window: tuple[int, int] | None) -> Frame:
    if window is None:
        return Frame(detector(name, (size, size)), seed)
    return Frame(detector(name), seed, window, detector(name, (size, size)).rows)


def _check_elements(elements: Sequence[str]) -> None:
    known = FILTERS + DISPERSERS
    for element in elements:
        if element not in known:
            raise UsageError(
                f"There is no filter {element!r}, nor a disperser.", "one of " + ", ".join(known)
            )


def _recipes(effective_psf: EffectivePsf | None) -> tuple[Recipe, ...]:
    """The recipes, with that of the effective PSFs as it is wanted."""
    if effective_psf is None:
        return RECIPES

    def epsf(frame: Frame, element: str) -> dict[str, Any]:
        kernel = capacitance.ipc(frame)["data"]
        return effective_psf(frame.detector.name, element, frame.corner, kernel)

    return tuple(replace(one, make=epsf) if one.kind == "epsf" else one for one in RECIPES)


def _plan(
    frames: list[Frame], elements: Sequence[str], recipes: Sequence[Recipe]
) -> Iterator[tuple[Recipe, Frame, str]]:
    """What is to be made, all kinds of a detector together, since they share its bad pixels."""
    yield from ((recipe, frames[0], "") for recipe in recipes if recipe.one_for == "all")
    for frame in frames:
        for recipe in recipes:
            if recipe.one_for == "detector":
                yield recipe, frame, ""
            elif recipe.one_for != "all":
                yield from (
                    (recipe, frame, element)
                    for element in elements
                    if recipe.one_for == "element" or element in FILTERS
                )


def _next_path(folder: Path, kind: str) -> Path:
    """The first free name of a kind."""
    pattern = re.compile(rf"roman_wfi_{kind}_(\d{{4}})\.asdf")
    taken = [int(found[1]) for path in folder.iterdir() if (found := pattern.fullmatch(path.name))]
    return folder / f"roman_wfi_{kind}_{max(taken, default=0) + 1:04d}.asdf"


def _write(recipe: Recipe, frame: Frame, element: str, path: Path) -> None:
    from astropy.time import Time  # noqa: PLC0415

    from roman_dms.formats import write_tree  # noqa: PLC0415 - asdf is slow to import
    from roman_dms.formats.writing import write_plain  # noqa: PLC0415

    tree = recipe.make(frame, element) if element else recipe.make(frame)
    meta = _metadata(recipe, frame, element) | tree.pop("meta", {})
    if kind_of(recipe.kind).is_parameters:
        write_plain({"meta": meta, **tree}, path)  # as stpipe reads it; no product of RAD
    else:
        meta["useafter"] = Time(meta["useafter"])
        write_tree(_tag(recipe.kind), {"meta": meta, **tree}, path)


def _tag(kind: str) -> str:
    schema = kind_of(kind).schema
    return f"asdf://stsci.edu/datamodels/roman/tags/reference_files/{schema}-2.0.0"


def _metadata(recipe: Recipe, frame: Frame, element: str) -> dict[str, Any]:
    kind = kind_of(recipe.kind)
    everyone = recipe.one_for == "all"
    instrument = {"name": "WFI", "detector": "NOT_CONFIGURED" if everyone else frame.detector.name}
    meta: dict[str, Any] = {
        "reftype": kind.name if kind.is_parameters else kind.name.upper(),
        "pedigree": "SIMULATION",
        "description": f"{kind.description} {origin(frame, kind.name)}",
        "author": "Roman DMS",
        "useafter": USEAFTER,
        "telescope": "ROMAN",
        "origin": "Roman DMS",
        "instrument": instrument,
    }
    if element:
        instrument["optical_element"] = element
    if recipe.kind in ("dark", "area", "ipc"):
        instrument["optical_element"] = "NOT_CONFIGURED"
    if recipe.kind in ("dark", "readnoise"):
        meta["exposure"] = {"type": "WFI_IMAGE", "p_exptype": "|".join(EXPOSURE_TYPES) + "|"}
    return meta
