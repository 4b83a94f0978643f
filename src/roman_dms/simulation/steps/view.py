"""What one detector sees: its geometry, and its nominal conversion to counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gwcs
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from roman_dms.errors import ReferenceDataError, UsageError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.optical_elements import DISPERSERS, FILTERS, optical_element
from roman_dms.instrument.throughput import PIXEL_AREA, electrons_per_jansky
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import Distortion, Mask, Photometry
from roman_dms.references.selected import SelectedReferences
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.pixel_map import PixelMap, pixel_map
from roman_dms.sky.wcs import Pointing, build_wcs

NODES = 33
"""Places along each axis at which the area of pixels is computed."""


@dataclass(frozen=True)
class View:
    """A detector that looks at the sky through an element."""

    detector: Detector
    wcs: gwcs.WCS
    mapping: PixelMap
    """Sky to pixels of the science array."""
    corner: tuple[float, float]
    """Where the first pixel lies in the science array of the whole detector (x, y)."""
    gain: float
    """Photoelectrons of the nominal throughput that make a DN of a calibrated image."""
    photometry: dict[str, Any]
    """Row of the photometric reference: ``photmjsr``, ``uncertainty``, ``pixelareasr``."""
    references: dict[str, str]
    """Name of each reference file that was used, by kind."""

    def pixel_areas(self) -> NDArray[np.float32]:
        """Area of each science pixel over the nominal area, (rows, columns)."""
        rows, columns = self.detector.science_shape
        y, x = np.linspace(0, rows - 1, NODES), np.linspace(0, columns - 1, NODES)
        grid_x, grid_y = (axis.ravel() for axis in np.meshgrid(x, y))
        ra, dec = self.wcs(grid_x, grid_y, with_bounding_box=False)
        pixels_per_arcsec = np.linalg.det(self.mapping.jacobian(ra, dec))
        steradian = np.radians(1 / 3600) ** 2 / np.abs(pixels_per_arcsec)
        spline = RectBivariateSpline(y, x, (steradian / PIXEL_AREA).reshape(NODES, NODES))
        return np.asarray(spline(np.arange(rows), np.arange(columns)), dtype=np.float32)


def view_of(meta: Metadata, references: SelectedReferences) -> View:
    """The view of the detector of an exposure, by its reference files.

    Raises
    ------
    UsageError
        For an element that lets no light pass.
    ReferenceDataError
        Where a reference file is missing.
    """
    if optical_element(meta.optical_element).use == "blocked":
        raise UsageError(
            f"The element {meta.optical_element} lets no light pass.",
            f"one of {', '.join((*FILTERS, *DISPERSERS))}",
        )
    found = references.load(meta, {"mask": Mask, "distortion": Distortion, "photom": Photometry})
    (mask_name, mask), (distortion_name, distortion), (photom_name, photom) = (
        _required(found, kind) for kind in ("mask", "distortion", "photom")
    )
    rows, columns = mask.dq.shape
    detector = Detector(meta.detector, rows, columns)
    model = distortion.coordinate_distortion_transform
    wcs = build_wcs(model, pointing_in(meta), detector.science_shape)
    row = photom.phot_table[meta.optical_element]
    return View(
        detector=detector,
        wcs=wcs,
        mapping=pixel_map(wcs, detector.science_shape),
        corner=_corner(model, meta.detector),
        gain=_gain(photom.phot_table, meta.detector),
        photometry=dict(row),
        references={"mask": mask_name, "distortion": distortion_name, "photom": photom_name},
    )


def pointing_in(meta: Metadata) -> Pointing:
    """Where the metadata say that the detector looks."""
    return Pointing(
        **{name: meta[f"wcsinfo.{name}"] for name in ("v2_ref", "v3_ref", "ra_ref", "dec_ref")},
        roll_ref=meta["wcsinfo.roll_ref"],
        velocity_scale=meta["velocity_aberration.scale_factor"],
    )


def _required(found: Mapping[str, tuple[str, Any] | None], kind: str) -> tuple[str, Any]:
    reference = found[kind]
    if reference is None:
        raise ReferenceDataError(
            f"The context declares reference files of the kind {kind!r} not applicable.",
            f"a {kind} file, without which nothing can be simulated",
            "choose a context that has one, or make a baseline: 'rdms references bootstrap'",
        )
    return reference


def _corner(distortion: Any, name: str) -> tuple[float, float]:
    """The first pixel of a window, from where its light comes from."""
    x, y = distortion_model(name).inverse(*distortion(0.0, 0.0))
    return round(float(x), 3), round(float(y), 3)


def _gain(table: Mapping[str, Any], detector: str) -> float:
    """The gain that the photometric calibration reckons with [electron / DN]."""
    for element in FILTERS:
        row = table.get(element) or {}
        if row.get("photmjsr"):
            area = float(row["pixelareasr"])
            return float(row["photmjsr"] * 1e6 * electrons_per_jansky(detector, element) * area)
    raise ReferenceDataError(
        "The photometric reference file has no imaging element with a conversion.",
        f"photmjsr of one of {', '.join(FILTERS)}",
        "submit a photom file, or make a baseline: 'rdms references bootstrap'",
    )
