"""The files of one exposure: what an alignment needs of them, without their pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gwcs
import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError, UsageError
from roman_dms.formats.catalogues import catalogue_path
from roman_dms.formats.exposures import RATE
from roman_dms.formats.trees import open_tagged
from roman_dms.instrument.apertures import aperture
from roman_dms.instrument.exposure_types import exposure_type
from roman_dms.instrument.optical_elements import optical_element
from roman_dms.products.metadata import Metadata
from roman_dms.sky.aligned_wcs import attitude_matrix, pointing_wcs

LARGEST_DISAGREEMENT = 2.0
"""Angle between the attitudes that two files of one exposure may state [arcsec].

Velocity aberration, which each file takes out around its own reference point,
makes up to 0.3 arcsec.
"""

BULGE = "GBTD"
"""The bulge survey in ``meta.program.subcategory``, which is catalogued elsewhere."""


@dataclass(frozen=True)
class DetectorFile:
    """An L2 file, its header read."""

    path: Path
    meta: Metadata
    wcs: gwcs.WCS
    """By the pointing alone."""
    catalogue: Path | None
    """The catalogue beside it; ``None`` where there is none."""

    @property
    def detector(self) -> str:
        """``WFI01`` to ``WFI18``."""
        return self.meta.detector

    @property
    def exposure(self) -> tuple[str, int]:
        """Visit and number of the exposure in it."""
        return str(self.meta["observation.visit_id"]), int(self.meta["observation.exposure"])

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the science frame."""
        (left, right), (low, high) = self.wcs.bounding_box.bounding_box(order="F")
        return round(high - low), round(right - left)

    @property
    def corners(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels (x, y) of the outer corners, in order around the detector."""
        rows, columns = self.shape
        x = np.array([-0.5, columns - 0.5, columns - 0.5, -0.5])
        return x, np.array([-0.5, -0.5, rows - 0.5, rows - 0.5])

    @property
    def is_aligned(self) -> bool:
        """Whether an alignment of it ended well."""
        return self.meta.get("cal_step.tweakreg") == "COMPLETE"

    @property
    def reason_to_skip(self) -> str:
        """Why it is not aligned; empty where it can be."""
        element = self.meta.optical_element
        if not exposure_type(self.meta.exposure_type).is_catalogued:
            return f"exposures of the type {self.meta.exposure_type} have no catalogue of sources"
        if not optical_element(element).is_imaging:
            return f"an exposure with the {element.lower()} has no catalogue of sources"
        if str(self.meta.get("program.subcategory", "")).upper() == BULGE:
            return "exposures of the bulge survey are handed over without a catalogue"
        return ""


def read_file(path: str | os.PathLike[str]) -> DetectorFile:
    """Read the header of an L2 file.

    Raises
    ------
    FileError, FormatError
        If it cannot be read, is no L2 file or its WCS has no frame of V2, V3.
    MetadataError
        If it has no WCS.
    """
    path = Path(path)
    file = open_tagged(path)
    if file.schema != RATE:
        raise FormatError(
            f"The file {path} has the schema {file.schema!r}.",
            f"an L2 file ({RATE}, _cal.asdf)",
            "calibrate the exposure first",
        )
    header = file.roman["meta"]
    if header.get("wcs") is None:
        raise MetadataError(
            f"The file {path} has no WCS, meta.wcs.",
            "an L2 file with the WCS of its pointing",
            "calibrate the exposure with the step assign_wcs",
        )
    meta = Metadata(file.live(header, foreign=False))
    named = meta.get("source_catalog.tweakreg_catalog_name")
    places = [path.parent / Path(named).name] if isinstance(named, str) else []
    found = (place for place in (*places, catalogue_path(path)) if place.is_file())
    return DetectorFile(path, meta, pointing_wcs(file.live(header["wcs"])), next(found, None))


def by_exposure(files: Iterable[DetectorFile]) -> list[list[DetectorFile]]:
    """Files of each exposure, detectors in order."""
    groups: dict[tuple[str, int], list[DetectorFile]] = {}
    for file in files:
        groups.setdefault(file.exposure, []).append(file)
    return [sorted(group, key=lambda file: file.detector) for _, group in sorted(groups.items())]


def require_one_exposure(files: Sequence[DetectorFile]) -> None:
    """Check that files belong together.

    Raises
    ------
    UsageError
        For no file, files of several exposures, or two of one detector.
    MetadataError
        For files whose headers disagree where the telescope looked or through what.
    """
    exposures = sorted({file.exposure for file in files})
    if len(exposures) != 1:
        names = ", ".join(f"{visit} exposure {number}" for visit, number in exposures)
        raise UsageError(
            f"The files belong to {len(exposures)} exposures: {names or 'none'}.",
            "the detectors of one exposure",
            "align one exposure at a time",
        )
    detectors = [file.detector for file in files]
    twice = sorted({name for name in detectors if detectors.count(name) > 1})
    if twice:
        raise UsageError(
            f"There is more than one file of {', '.join(twice)}.", "one file of each detector"
        )
    elements = sorted({file.meta.optical_element for file in files})
    if len(elements) != 1:
        raise MetadataError(
            f"Files of one exposure were taken through {', '.join(elements)}.",
            "one optical element",
            "check meta.observation and meta.instrument of the files",
        )
    _require_one_pointing(files)


def _require_one_pointing(files: Sequence[DetectorFile]) -> None:
    first = attitude_matrix(files[0].wcs)
    for file in files[1:]:
        turn = np.linalg.norm(attitude_matrix(file.wcs) - first) / np.sqrt(2)
        angle = float(np.rad2deg(turn)) * 3600
        if angle > LARGEST_DISAGREEMENT:
            raise MetadataError(
                f"{file.path.name} states a pointing {angle:.1f} arcsec away from that of "
                f"{files[0].path.name}.",
                f"files of one exposure that agree to {LARGEST_DISAGREEMENT:g} arcsec",
                "align the exposures one by one, or correct the pointing in the files",
            )


def centre_of_field() -> tuple[float, float]:
    """V2 and V3 of the middle of the focal plane [arcsec]."""
    middle = aperture("WFI_CEN")
    return middle.v2_ref, middle.v3_ref
