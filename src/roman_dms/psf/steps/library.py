"""The PSF library's files: effective PSFs put in and taken out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from roman_dms import __version__
from roman_dms.psf.effective import PsfModel
from roman_dms.psf.library import Choice, Entry, PsfLibrary
from roman_dms.psf.library.entries import Kind
from roman_dms.psf.steps.reference_files import read_model, write_epsf


def entry_for(model: PsfModel, kind: Kind, **known: Any) -> Entry:
    """The entry of effective PSFs; what they tell themselves is filled in.

    Parameters
    ----------
    known
        Other fields of :class:`~roman_dms.psf.library.Entry`.
    """
    grid = model.grid
    engineering = {"jitter": model.jitter, **known.pop("engineering", {})}
    return Entry(
        detector=grid.detector,
        element=grid.element,
        kind=kind,
        valid_from=known.pop("valid_from", "2020-01-01T00:00:00"),
        oversample=grid.oversample,
        nodes=(len(grid.nodes_x), len(grid.nodes_y)),
        extent=(
            float(grid.nodes_x[0]),
            float(grid.nodes_x[-1]),
            float(grid.nodes_y[0]),
            float(grid.nodes_y[-1]),
        ),
        wavelengths=tuple(float(wave) for wave in grid.wavelengths),
        engineering=engineering,
        software=known.pop("software", f"roman_dms {__version__}"),
        **known,
    )


def add_model(library: PsfLibrary, model: PsfModel, kind: Kind, **known: Any) -> Entry:
    """Write effective PSFs to a file and put it in the library."""
    entry = entry_for(model, kind, **known)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "psf.asdf"
        write_epsf(model, path, **about(entry))
        return library.add(path, entry)


def add_file(library: PsfLibrary, path: Path, kind: Kind, **known: Any) -> Entry:
    """Put a reference file, ours or the mission's, in the library as it is."""
    return library.add(path, entry_for(read_model(path), kind, **known))


def library_model(
    library: PsfLibrary,
    detector: str,
    element: str,
    x: float | None = None,
    y: float | None = None,
    *,
    time: str | None = None,
    engineering: Mapping[str, float] | None = None,
    kind: str | None = None,
    version: int | str = "latest",
) -> tuple[PsfModel, Choice]:
    """The effective PSFs that fit best, and why these; see `PsfLibrary.query`.

    Raises
    ------
    ReferenceDataError
        If there are none, or their file is missing or damaged.
    """
    choice = library.query(
        detector, element, x, y, time=time, engineering=engineering, kind=kind, version=version
    )
    model = read_model(library.file(choice.entry))
    origin = f"library entry {choice.entry.number}: {'; '.join(choice.why)}"
    return replace(model, origin=origin), choice


def about(entry: Entry) -> dict[str, str]:
    """What a reference file says of an entry's PSFs."""
    empirical = entry.kind == "empirical"
    return {
        "description": entry.description or f"Effective PSFs, {entry.kind}.",
        "useafter": entry.valid_from,
        "pedigree": "INFLIGHT" if empirical else "MODEL",
    }
