"""From the files of an exposure to its solution; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.alignment import align
from roman_dms.astrometry.plane import ARCSEC, FocalPlane, directions
from roman_dms.astrometry.priors import Priors, Search
from roman_dms.astrometry.reference_stars import ReferenceStars
from roman_dms.astrometry.solution import Correction, Solution
from roman_dms.astrometry.stars import Detections, Reference
from roman_dms.astrometry.steps.detected_stars import (
    NOTHING,
    DetectedStars,
    Selection,
    detected_stars,
)
from roman_dms.astrometry.steps.exposure_files import (
    DetectorFile,
    centre_of_field,
    require_one_exposure,
)
from roman_dms.astrometry.steps.gaia import ReferenceSource
from roman_dms.astrometry.steps.placements import CalibratedPlacement, PlacedExposure
from roman_dms.errors import FileError
from roman_dms.sky.aligned_wcs import TangentCorrection, attitude_matrix
from roman_dms.sky.observatory import observatory_position

Values = NDArray[np.float64]

COMPLETE, FAILED, SKIPPED = "COMPLETE", "FAILED", "SKIPPED"
"""States of an alignment, RAD's ``meta.cal_step.tweakreg``."""

_MOTION = 0.02
"""How far beyond the detectors reference stars are looked for, beside the search
radius: stars move, and the catalogue's epoch is another [deg]."""
_NODES = 9
"""Points along each axis of a detector at which a correction is taken over."""


@dataclass(frozen=True)
class Settings:
    """How an exposure is aligned."""

    selection: Selection = field(default_factory=Selection)
    priors: Priors = field(default_factory=Priors)
    search: Search = field(default_factory=Search)
    reference_epoch: float | None = None
    """Julian year for a catalogue of reference stars that does not state it."""
    placement: CalibratedPlacement | None = None
    """Where earlier exposures put the detectors; ``priors`` hold for those that it lacks."""

    def expected(self, files: Sequence[DetectorFile]) -> tuple[Priors, tuple[str, ...]]:
        """What is known of the detectors of an exposure, and what should be said of it."""
        if self.placement is None:
            return self.priors, ()
        return self.placement.priors(files, self.priors)


@dataclass(frozen=True)
class Outcome:
    """What an alignment found, for one exposure."""

    files: Sequence[DetectorFile]
    """In the order of the detectors."""
    state: str
    """COMPLETE, FAILED or SKIPPED."""
    reason: str
    """A sentence, with numbers."""
    source: str = ""
    """Name of the catalogue of reference stars."""
    stars: Mapping[str, DetectedStars] = field(default_factory=dict)
    """By detector: sources that were good enough."""
    detections: Mapping[str, Detections] = field(default_factory=dict)
    """The same in the plane of the alignment."""
    solution: Solution | None = None
    corrections: Mapping[str, TangentCorrection] = field(default_factory=dict)
    """By detector, in the plane of its own reference point."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """By detector: why it alone keeps its pointing where the others are aligned."""
    notes: tuple[str, ...] = ()
    """What else should be known, a sentence each."""

    def state_of(self, detector: str) -> str:
        """COMPLETE, FAILED or SKIPPED, of one detector."""
        return FAILED if detector in self.failed else self.state

    def reason_of(self, detector: str) -> str:
        """A sentence, with numbers, for one detector."""
        return self.failed.get(detector, self.reason)

    @property
    def placed(self) -> PlacedExposure | None:
        """What it says of the places of its detectors, where it is aligned."""
        if self.state != COMPLETE or self.solution is None or self.solution.placement is None:
            return None
        return PlacedExposure.of(self.files, self.solution.placement, self.failed, self.source)


def solve_exposure(
    files: Sequence[DetectorFile], source: ReferenceSource, settings: Settings
) -> Outcome:
    """Align the detectors of one exposure.

    Parameters
    ----------
    files
        The headers of its files; detectors may be missing.
    source
        Where reference stars come from.
    settings
        How.

    Raises
    ------
    UsageError, MetadataError
        For files that do not belong together, lack what is needed or do not go with
        the placement.
    FileError
        Where no file has a catalogue of sources.
    RdmsError
        Where the reference stars cannot be read.
    """
    require_one_exposure(files)
    files = sorted(files, key=lambda file: file.detector)
    if files[0].reason_to_skip:
        return Outcome(files, SKIPPED, f"Not aligned: {files[0].reason_to_skip}.")
    stars = {file.detector: _stars(file, settings.selection) for file in files}
    _require_catalogues(files)
    plane, attitude = FocalPlane(*centre_of_field()), attitude_matrix(files[0].wcs)
    detections = {
        file.detector: _detections(file, stars[file.detector], plane, attitude) for file in files
    }
    priors, told = settings.expected(files)
    reference, notes = _reference(files, source, settings, plane, attitude)
    notes = (*told, *notes)
    solution = align(detections, reference, priors=priors, search=settings.search)
    failed = _unmatched(solution)
    corrections = {
        file.detector: own_correction(file, solution.correction[file.detector], plane, attitude)
        for file in files
        if solution.aligned and file.detector not in failed
    }
    lacking = [file.detector for file in files if file.catalogue is None]
    if lacking:
        notes = (*notes, f"{', '.join(lacking)} have no catalogue; the others place them.")
    state = COMPLETE if solution.aligned else FAILED
    return Outcome(
        files, state, solution.reason, source.name, stars, detections, solution, corrections,
        failed, notes,
    )  # fmt: skip


def _unmatched(solution: Solution) -> dict[str, str]:
    """By detector: why it is not aligned though the others are.

    The others could place it, but hardly where its file is one of another pointing.
    """
    if not solution.aligned:
        return {}
    return {
        name: f"{name} has many stars and matches {solution.stars[name]} reference stars, where "
        "the other detectors match theirs: a file of another pointing?"
        for name in solution.unmatched
    }


def own_correction(
    file: DetectorFile, correction: Correction, plane: FocalPlane, attitude: Values
) -> TangentCorrection:
    """A correction in the plane that touches at the detector's own reference point.

    There the mission's tools expect it.  A linear map of one plane is one of the
    other to 0.002 mas for each arcsec that the pointing is wrong, at the corner
    of a detector; the nearest linear map is taken.
    """
    wcsinfo = {key: float(file.meta[f"wcsinfo.{key}"]) for key in ("v2_ref", "v3_ref", "roll_ref")}
    own, own_attitude = FocalPlane(wcsinfo["v2_ref"], wcsinfo["v3_ref"]), attitude_matrix(file.wcs)
    ra, dec = _sky_of_grid(file)
    points = own.of_sky(ra, dec, own_attitude)
    corrected = correction.applied(plane.of_sky(ra, dec, attitude))
    v2, v3 = plane.to_telescope(corrected)
    x, y, z = attitude @ directions(ARCSEC * v2, ARCSEC * v3)[0].T
    moved = own.of_sky(np.rad2deg(np.arctan2(y, x)), np.rad2deg(np.arcsin(z)), own_attitude)
    design = np.column_stack([points, np.ones(len(points))])
    fitted = np.asarray(np.linalg.lstsq(design, moved, rcond=None)[0], np.float64)
    return TangentCorrection(**wcsinfo, matrix=fitted[:2].T, shift=fitted[2])


def _sky_of_grid(file: DetectorFile) -> tuple[Values, Values]:
    """Right ascension and declination of points that cover a detector, by the pointing [deg]."""
    rows, columns = file.shape
    x, y = np.meshgrid(np.linspace(0, columns - 1, _NODES), np.linspace(0, rows - 1, _NODES))
    ra, dec = file.wcs(x.ravel(), y.ravel(), with_bounding_box=False)
    return ra, dec


def _stars(file: DetectorFile, selection: Selection) -> DetectedStars:
    return detected_stars(file.catalogue, selection) if file.catalogue else NOTHING


def _require_catalogues(files: Sequence[DetectorFile]) -> None:
    if all(file.catalogue is None for file in files):
        raise FileError(
            f"There is no catalogue of sources beside {files[0].path}"
            f"{' and the other files' if len(files) > 1 else ''}.",
            "a file _cat.parquet beside each _cal.asdf",
            "make it with 'rdms catalog'",
        )


def _detections(
    file: DetectorFile, stars: DetectedStars, plane: FocalPlane, attitude: Values
) -> Detections:
    """Stars of a detector in the plane of the alignment."""
    x, y = file.corners
    outline = _in_plane(file, x, y, plane, attitude)
    points = _in_plane(file, stars.x, stars.y, plane, attitude)
    edges = np.hypot(*(np.roll(outline, -1, axis=0) - outline).T)
    scale = edges.sum() / (2 * sum(file.shape))
    return Detections(
        stars.x, stars.y, points[:, 0], points[:, 1], stars.err * scale, stars.flux, outline
    )


def _in_plane(
    file: DetectorFile, x: Values, y: Values, plane: FocalPlane, attitude: Values
) -> Values:
    """(n, 2): points of the plane [arcsec] of pixels, by the pointing."""
    ra, dec = file.wcs(x, y, with_bounding_box=False)
    return plane.of_sky(ra, dec, attitude)


def _reference(
    files: Sequence[DetectorFile],
    source: ReferenceSource,
    settings: Settings,
    plane: FocalPlane,
    attitude: Values,
) -> tuple[Reference, tuple[str, ...]]:
    """Reference stars around the detectors as they are seen, and what to say of them."""
    found = source.within(*_cone(files, settings.search.radius))
    stars = ReferenceStars.of(found, ref_epoch=settings.reference_epoch)
    mjd = float(files[0].meta["exposure.mid_time"].mjd)
    epoch = 2000.0 + (mjd - 51544.5) / 365.25
    places, covariance = stars.at(epoch, observatory_position(mjd))
    ra, dec = places.T
    points = plane.of_sky(ra, dec, attitude)
    turned = plane.covariance_of_sky(ra, dec, attitude, covariance)
    reference = Reference(points[:, 0], points[:, 1], turned, stars.magnitude, stars.ruwe)
    return reference, stars.notes


def _cone(files: Sequence[DetectorFile], margin: float) -> tuple[float, float, float]:
    """Centre and radius of a circle around all detectors and a margin [deg; margin arcsec]."""
    corners = np.concatenate(
        [np.stack(file.wcs(*file.corners, with_bounding_box=False), 1) for file in files]
    )
    vectors = directions(*np.deg2rad(corners.T))[0]
    middle = vectors.mean(axis=0)
    middle /= np.linalg.norm(middle)
    chord = float(np.linalg.norm(vectors - middle, axis=1).max())
    radius = np.rad2deg(2 * np.arcsin(chord / 2)) + margin / 3600 + _MOTION
    ra, dec = np.rad2deg(np.arctan2(middle[1], middle[0])) % 360, np.rad2deg(np.arcsin(middle[2]))
    return float(ra), float(dec), float(radius)
