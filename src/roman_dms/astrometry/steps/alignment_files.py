"""What an alignment writes: headers of images and maps, catalogues' positions, WCS products.

Each file is replaced whole, and what is written depends on the solution alone,
never on what an earlier alignment wrote: one that was interrupted is run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gwcs
import numpy as np
from astropy.modeling.models import Shift
from numpy.typing import NDArray

from roman_dms import __version__
from roman_dms.astrometry.steps.exposure_files import DetectorFile
from roman_dms.astrometry.steps.exposure_solution import COMPLETE, FAILED, SKIPPED, Outcome
from roman_dms.formats.catalogues import segments_path
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.writing import replacing, write_tree
from roman_dms.instrument.detectors import Detector
from roman_dms.products.metadata import Metadata
from roman_dms.sky.aligned_wcs import aligned_wcs
from roman_dms.sky.wcs import s_region

Values = NDArray[np.float64]

WCS_PRODUCT = "wfi_wcs"
MARK = ": align: "
"""By which the lines of an alignment are known in ``meta.cal_logs``."""

_SKY = (
    ("x_psf", "y_psf", "ra_psf", "dec_psf"),
    ("x_centroid_win", "y_centroid_win", "ra_centroid_win", "dec_centroid_win"),
    ("x_centroid", "y_centroid", "ra_centroid", "dec_centroid"),
)
"""Columns of pixels, and those of the sky that follow from them."""
_BEST = ("ra", "dec")
"""Columns that repeat one of the positions above."""

_OF_WCS_PRODUCT = (
    "calibration_software_name", "calibration_software_version", "product_type", "file_date",
    "origin", "prd_version", "sdf_software_version", "telescope", "coordinates", "ephemeris",
    "exposure", "instrument", "observation", "pointing", "program", "velocity_aberration", "visit",
    "wcsinfo",
)  # fmt: skip
"""What a WCS product takes over from the metadata of its image."""


def write_outcome(outcome: Outcome, *, workers: int = 2) -> None:
    """Write an outcome into the files of its exposure.

    Images that were not to be aligned are marked so; the catalogue and the WCS
    product of an image are complete before its header says that it is aligned.

    Raises
    ------
    ValidationError, FileError
        As of :func:`~roman_dms.formats.metadata_update.update_metadata`.  Files
        that come later are then as they were.
    """
    write = _mark_skipped if outcome.state == SKIPPED else _write_detector
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(write, outcome, file) for file in outcome.files]:
            done.result()


def wcs_path(image: Path) -> Path:
    """Where the WCS product of an image lies.

    >>> wcs_path(Path("l2/r1_wfi01_f158_cal.asdf")).name
    'r1_wfi01_f158_wcs.asdf'
    """
    return image.with_name(f"{image.stem.removesuffix('_cal')}_wcs.asdf")


def fit_results(outcome: Outcome, detector: str) -> dict[str, Any]:
    """``meta.wcs_fit_results``: the mission's keys, then what we add.

    Lengths are in arcsec, in the plane that touches the sphere of V2, V3 at the
    reference point of the detector; those that end in ``_mas`` are in mas.  ``rmse``
    is weighted by the expected errors, ``mae`` the median of the misses.
    """
    solution = outcome.solution
    assert solution is not None
    own = {
        "n_detector": len(outcome.files) - len(outcome.failed),
        "reference_catalog": outcome.source,
        "reason": outcome.reason_of(detector),
        "software": f"roman_dms {__version__}",
    }
    if outcome.state_of(detector) == FAILED:
        return {"status": FAILED, "nmatches": 0, **own}
    correction = outcome.corrections[detector]
    (a, b), (c, d) = correction.matrix.tolist()
    results = {
        "status": "SUCCESS",
        "fitgeom": "general",
        "shift": correction.shift.tolist(),
        "matrix": [[a, b], [c, d]],
        "rot": correction.rotation / 3600,
        "scale": [float(np.hypot(a, c)), float(np.hypot(b, d)), correction.scale],
        "skew": float(np.rad2deg((b + c) / correction.scale)),
        "center": [0.0, 0.0],
        "nmatches": solution.stars[detector],
        **_scatter(outcome, detector),
        "nmatches_exposure": sum(solution.stars[name] for name in outcome.corrections),
        "predicted_rms_mas": solution.predicted_rms[detector],
        "floor_mas": float(solution.floor),
        "chi2": float(solution.chi2),
    }
    return {**results, **own}


def misses(outcome: Outcome, detector: str) -> Values:
    """(n, 2): places of reference stars less those of the detections that were used [mas]."""
    residuals = outcome.solution.residuals if outcome.solution else None
    if residuals is None:
        return np.empty((0, 2))
    used = (residuals.detector == detector) & (residuals.weight > 0.5)
    return residuals.miss[used]


def scatter(outcome: Outcome, detector: str) -> float:
    """Rms miss along one axis, weighted by the expected errors [mas]; NaN without stars.

    Stars without a known motion, which are off by tens of mas, hardly count in it.
    """
    residuals = outcome.solution.residuals if outcome.solution else None
    if residuals is None:
        return float("nan")
    used = (residuals.detector == detector) & (residuals.weight > 0.5)
    weight = residuals.sigma[used] ** -2
    if not weight.size:
        return float("nan")
    squares = np.mean(residuals.miss[used] ** 2, axis=1)
    return float(np.sqrt(np.sum(weight * squares) / weight.sum()))


def _scatter(outcome: Outcome, detector: str) -> dict[str, float]:
    """Of the lengths of the misses [arcsec]; nothing where there are none."""
    miss = misses(outcome, detector)
    if not len(miss):
        return {}
    return {
        "rmse": 1e-3 * np.sqrt(2) * scatter(outcome, detector),
        "mae": float(1e-3 * np.median(np.hypot(*miss.T))),
    }


def _write_detector(outcome: Outcome, file: DetectorFile) -> None:
    wcs, state = file.wcs, outcome.state_of(file.detector)
    if state == COMPLETE:
        wcs = aligned_wcs(wcs, outcome.corrections[file.detector], f"FIT-LVL2-{_label(outcome)}")
    changes = {
        "wcs": wcs,
        "wcsinfo.s_region": s_region(wcs),
        "cal_step.tweakreg": state,
        "wcs_fit_results": fit_results(outcome, file.detector),
        "cal_logs": _logs(file, outcome),
    }
    if file.catalogue is not None:
        changes["source_catalog.tweakreg_catalog_name"] = file.catalogue.name
        update_catalogue(file.catalogue, wcs)
    _update_segments(segments_path(file.path), wcs)
    write_wcs_product(file, file.meta.updated(changes), wcs)
    update_metadata(file.path, changes)


def _label(outcome: Outcome) -> str:
    """Name of the reference stars as WCS names have it."""
    return "".join(letter if letter.isalnum() else "_" for letter in outcome.source.upper())


def _mark_skipped(outcome: Outcome, file: DetectorFile) -> None:
    """Say that an image was not to be aligned, unless it says so already."""
    if file.meta.get("cal_step.tweakreg") not in {SKIPPED, "N/A"}:
        changes = {"cal_step.tweakreg": SKIPPED, "cal_logs": _logs(file, outcome)}
        update_metadata(file.path, changes)


def _logs(file: DetectorFile, outcome: Outcome) -> list[str]:
    """The log with what is to be said of this alignment in place of earlier ones."""
    head = f"roman_dms {__version__}{MARK}"
    what = f"{outcome.state_of(file.detector)}: {outcome.reason_of(file.detector)}"
    told: Iterable[str] = (what, *outcome.notes)
    earlier = [line for line in file.meta.get("cal_logs") or [] if MARK not in line]
    return [*earlier, *(f"{head}{line}" for line in told)]


def write_wcs_product(file: DetectorFile, meta: Metadata, wcs: gwcs.WCS) -> None:
    """Write the WCS of an image, and that of its raw exposure, to a file of their own.

    Raises
    ------
    ValidationError, FileError
        If it would violate RAD, or cannot be written.
    """
    path = wcs_path(file.path)
    tree = {key: value for key, value in meta.tree().items() if key in _OF_WCS_PRODUCT}
    own = {"filename": path.name, "model_type": "WfiWcsModel"}
    results = meta["wcs_fit_results"]
    write_tree(
        WCS_PRODUCT,
        {
            "meta": {**tree, **own, "wcs_fit_results": results},
            "wcs_l2": wcs,
            "wcs_l1": raw_wcs(wcs, file.shape),
        },
        path,
    )


def raw_wcs(wcs: gwcs.WCS, shape: tuple[int, int]) -> gwcs.WCS:
    """The WCS of the raw array, which has a border of reference pixels around.

    Parameters
    ----------
    wcs, shape
        Of the image: (rows, columns) without the border.
    """
    border = Detector("WFI01").border
    raw = gwcs.WCS([(step.frame, step.transform) for step in wcs.pipeline], name=wcs.name)
    raw.insert_transform("detector", Shift(-border) & Shift(-border), after=True)
    rows, columns = (side + 2 * border for side in shape)
    raw.bounding_box = ((-0.5, columns - 0.5), (-0.5, rows - 0.5))
    return raw


def update_catalogue(path: Path, wcs: gwcs.WCS) -> None:
    """Compute the positions on the sky of a catalogue anew from its pixels.

    All other columns, their units and the header stay; ``ra`` and ``dec`` follow
    the position that they repeat.

    Raises
    ------
    FileError
        If it cannot be written; it is then as it was.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first needed
    from pyarrow import parquet  # noqa: PLC0415

    table = parquet.read_table(path, memory_map=False)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    for name, values in _sky_columns(columns, wcs).items():
        place = table.schema.get_field_index(name)
        array = pa.array(values, type=table.schema.field(place).type)
        table = table.set_column(place, table.schema.field(place), array)
    header = dict(table.schema.metadata or {})
    if b"roman.meta.wcsinfo.s_region" in header:
        header[b"roman.meta.wcsinfo.s_region"] = s_region(wcs).encode()
    with replacing(path.resolve()) as target:
        parquet.write_table(table.replace_schema_metadata(header), target, compression="zstd")


def _update_segments(path: Path, wcs: gwcs.WCS) -> None:
    """Correct the footprint that a segmentation map states, where there is one."""
    if path.is_file() and "s_region" in open_tagged(path).roman["meta"].get("wcsinfo", {}):
        update_metadata(path, {"wcsinfo.s_region": s_region(wcs)})


def _sky_columns(columns: Mapping[str, NDArray[Any]], wcs: gwcs.WCS) -> dict[str, Values]:
    """The columns of the sky, by the pixels of each source."""
    new: dict[str, Values] = {}
    there = [names for names in _SKY if all(name in columns for name in names)]
    for x, y, ra, dec in there:
        pixels = (columns[x].astype(float), columns[y].astype(float))
        new[ra], new[dec] = (np.asarray(v) for v in wcs(*pixels, with_bounding_box=False))
    if there and all(name in columns for name in _BEST):
        choice = _repeated(columns, [names[2:] for names in there])
        rows = np.arange(len(choice))
        for axis, name in enumerate(_BEST):
            new[name] = np.stack([new[names[2 + axis]] for names in there])[choice, rows]
    return new


def _repeated(columns: Mapping[str, NDArray[Any]], pairs: list[tuple[str, ...]]) -> NDArray[Any]:
    """(n): which pair of columns ``ra`` and ``dec`` repeat in each row."""
    shrink = np.cos(np.deg2rad(columns["dec"]))
    gaps = [
        np.hypot((columns[ra] - columns["ra"]) * shrink, columns[dec] - columns["dec"])
        for ra, dec in pairs
    ]
    return np.argmin(np.nan_to_num(np.stack(gaps), nan=np.inf), axis=0)
