"""Places of detectors that were learned from exposures: file, provenance, use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roman_dms import __version__
from roman_dms.astrometry.learning import LearnedPlacement, learned
from roman_dms.astrometry.placement import Placement
from roman_dms.astrometry.plane import ARCSEC
from roman_dms.astrometry.priors import TERMS, KnownPlace, Priors
from roman_dms.astrometry.steps.exposure_files import DetectorFile
from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.formats.tables import read_table, write_table
from roman_dms.instrument.detectors import NAMES

if TYPE_CHECKING:
    from astropy.table import Table

KIND, VERSION, SUFFIX = "placement of the detectors of Roman's WFI", 1, ".ecsv"
"""By which a file is known."""
_TO_TERMS = np.array([1e-3, 1e-3, ARCSEC, 1.0, 1.0, 1.0])
"""What the units of the file, mas and arcsec, are in those of the terms."""
_UNITS = ("mas", "mas", "arcsec", "", "", "")
_UNKNOWN = {"", "N/A", "?"}
"""Names of reference files that name none."""


@dataclass(frozen=True)
class PlacedExposure:
    """What an aligned exposure says of the places of its detectors."""

    name: str
    """Visit and number."""
    middle: str
    """Time, ISO 8601, UTC."""
    element: str
    """Optical element."""
    source: str
    """Catalogue of reference stars."""
    distortion: Mapping[str, str]
    """By detector: the reference file that its pointing WCS was made with."""
    placement: Placement
    """As solved."""

    @classmethod
    def of(
        cls, files: Sequence[DetectorFile], placement: Placement, failed: Iterable[str], source: str
    ) -> PlacedExposure:
        """Of the files of an exposure; detectors that failed alone say nothing."""
        first = files[0]
        kept = np.array([name not in set(failed) for name in placement.names])
        return cls(
            f"{first.exposure[0]}_{first.exposure[1]:04d}",
            str(first.meta["exposure.mid_time"].isot),
            first.meta.optical_element,
            source,
            {file.detector: distortion_of(file) for file in files},
            replace(
                placement,
                information=placement.information * kept[:, np.newaxis, np.newaxis],
                evidence=placement.evidence * kept[:, np.newaxis],
            ),
        )


@dataclass(frozen=True)
class CalibratedPlacement:
    """Learned places, and what they were learned from."""

    learned: LearnedPlacement
    elements: tuple[str, ...]
    """Optical elements of the exposures."""
    distortion: Mapping[str, str]
    """By detector: name of the reference file; empty where it is not known."""
    provenance: Mapping[str, Any]
    """Exposures, dates, reference stars, software."""

    @classmethod
    def of(cls, exposures: Sequence[PlacedExposure]) -> CalibratedPlacement:
        """Learn from exposures.

        Raises
        ------
        UsageError
            For fewer than three exposures that agree.
        MetadataError
            For a detector whose exposures have different distortions.
        """
        distortion = _one_distortion(exposures)
        found = learned([one.placement for one in exposures])
        gone = {
            one.name: list(names)
            for one, names in zip(exposures, found.left_out, strict=True)
            if names
        }
        times = sorted(one.middle for one in exposures)
        provenance = {
            "software": f"roman_dms {__version__}",
            "first": times[0],
            "last": times[-1],
            "reference_stars": sorted({one.source for one in exposures}),
            "exposures": [one.name for one in exposures],
            "left_out": gone,
        }
        elements = tuple(sorted({one.element for one in exposures}))
        return cls(found, elements, distortion, provenance)

    def priors(
        self, files: Sequence[DetectorFile], otherwise: Priors
    ) -> tuple[Priors, tuple[str, ...]]:
        """What is known before an exposure, and what should be said of it.

        Raises
        ------
        UsageError
            If it places none of the detectors.
        MetadataError
            If it was learned with another distortion.
        """
        self._require_same_distortion(files)
        missing = [file.detector for file in files if file.detector not in self.learned.places]
        if len(missing) == len(files):
            raise UsageError(
                f"The placement has no place of {', '.join(missing)}.",
                f"detectors among {', '.join(self.learned.places)}",
                "learn the placement from exposures with these detectors",
            )
        notes = []
        if missing:
            notes.append(
                f"The placement has no place of {', '.join(missing)}, taken as known to "
                f"{otherwise.shift:g} mas."
            )
        element = files[0].meta.optical_element
        if element not in self.elements:
            notes.append(
                f"The placement was learned with {', '.join(self.elements)}; this is {element}."
            )
        return self.learned.priors(otherwise), tuple(notes)

    def _require_same_distortion(self, files: Sequence[DetectorFile]) -> None:
        for file in files:
            here, there = distortion_of(file), self.distortion.get(file.detector, "")
            if here and there and here != there:
                raise MetadataError(
                    f"The pointing of {file.path.name} was made with the distortion {here}, and "
                    f"the placement was learned with {there}.",
                    "one distortion for both",
                    "learn the placement anew from exposures with this distortion",
                )


def distortion_of(file: DetectorFile) -> str:
    """Name of the distortion that a pointing WCS was made with; empty where it is not known."""
    name = str(file.meta.get("ref_file.distortion") or "")
    return "" if name in _UNKNOWN else Path(name).name


def _one_distortion(exposures: Sequence[PlacedExposure]) -> dict[str, str]:
    """By detector: the reference file that all exposures were made with."""
    found: dict[str, str] = {}
    for one in exposures:
        for detector, name in one.distortion.items():
            if name and found.setdefault(detector, name) != name:
                raise MetadataError(
                    f"The exposures of {detector} have the distortions {found[detector]} and "
                    f"{name}.",
                    "one distortion for all, which the places refer to",
                    "calibrate them with one context of reference data",
                )
    return found


def require_suffix(path: str | os.PathLike[str]) -> None:
    """Check the name of a file that is to be written.

    Raises
    ------
    UsageError
        For another suffix than ``.ecsv``.
    """
    if Path(path).suffix != SUFFIX:
        raise UsageError(f"A placement cannot be written to {path}.", f"a name ending in {SUFFIX}")


def write_placement(placement: CalibratedPlacement, path: str | os.PathLike[str]) -> None:
    """Write a placement as a table (ECSV): a row for each detector.

    Raises
    ------
    UsageError
        For another suffix.
    FileError
        If it cannot be written.
    """
    from astropy.table import Column, Table  # noqa: PLC0415 - slow to import
    from astropy.time import Time  # noqa: PLC0415

    require_suffix(path)
    found = placement.learned
    places = found.places.values()
    terms = np.stack([place.terms for place in places]) / _TO_TERMS
    units = _TO_TERMS * _TO_TERMS[:, np.newaxis]
    table = Table({"detector": list(found.places)})
    table["exposures"] = [found.exposures[name] for name in found.places]
    table["distortion"] = [placement.distortion.get(name, "") for name in found.places]
    for name, unit, values in zip(TERMS, _UNITS, terms.T, strict=True):
        table[name] = Column(values, unit=unit or None)
    table["covariance"] = Column(
        np.stack([place.covariance / units for place in places]),
        description="of the mean of the six terms, in their units",
    )
    table.meta = {
        "kind": KIND,
        "version": VERSION,
        "date": Time.now().isot,
        "elements": list(placement.elements),
        **placement.provenance,
        "common_scale": found.common_scale,
        "scatter": dict(zip(TERMS, (found.scatter / _TO_TERMS).tolist(), strict=True)),
    }
    write_table(table, Path(path))


def read_placement(path: str | os.PathLike[str]) -> CalibratedPlacement:
    """Read a placement.

    Raises
    ------
    UsageError, FileError
        If it cannot be read.
    FormatError
        If it is no placement of this instrument, or damaged.
    """
    table = read_table(path)
    if table.meta.get("kind") != KIND or table.meta.get("version") != VERSION:
        raise FormatError(
            f"The file {path} says that it is {table.meta.get('kind', 'of no kind')!r}, version "
            f"{table.meta.get('version', 'none')}.",
            f"{KIND!r}, version {VERSION}",
            "make one with 'rdms align --learn-placement'",
        )
    try:
        return _placement_of(table)
    except (UsageError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = error.found if isinstance(error, UsageError) else repr(error)
        raise FormatError(
            f"The placement {path} is damaged: {reason}",
            "a file as 'rdms align --learn-placement' writes it",
            "copy it again, or learn it anew",
        ) from error


def _placement_of(table: Table) -> CalibratedPlacement:
    names = [str(name) for name in table["detector"]]
    strange = sorted(set(names) - set(NAMES))
    if strange or len(set(names)) != len(names) or not names:
        raise ValueError(f"detectors {', '.join(strange or names)}")
    terms = np.stack([np.asarray(table[name], float) for name in TERMS], axis=1) * _TO_TERMS
    covariance = np.asarray(table["covariance"], float) * _TO_TERMS * _TO_TERMS[:, np.newaxis]
    meta = table.meta
    scatter = np.array([float(meta["scatter"][name]) for name in TERMS]) * _TO_TERMS
    common = float(meta["common_scale"])
    if not (np.isfinite(scatter).all() and np.all(scatter >= 0) and 0 <= common < np.inf):
        raise ValueError(f"scatter {meta['scatter']}, common scale {common}")
    found = LearnedPlacement(
        {name: KnownPlace(*row) for name, *row in zip(names, terms, covariance, strict=True)},
        scatter,
        common,
        dict(zip(names, np.asarray(table["exposures"], int).tolist(), strict=True)),
    )
    known = ("kind", "version", "date", "elements", "common_scale", "scatter")
    return CalibratedPlacement(
        found,
        tuple(str(one) for one in meta["elements"]),
        {name: str(file) for name, file in zip(names, table["distortion"], strict=True)},
        {key: value for key, value in meta.items() if key not in known},
    )
