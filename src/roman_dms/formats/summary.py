"""What a file is, at a glance."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.formats.catalogues import read_catalogue_metadata
from roman_dms.formats.rad import split_tag
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import TaggedFile, open_tagged
from roman_dms.products.arrays import rows_of
from roman_dms.products.metadata import Metadata

TITLES = {
    "wfi_science_raw": "L1: uncalibrated exposure of one detector",
    "ramp": "L1-L2: ramp between calibration steps",
    "wfi_image": "L2: calibrated count rate of one detector",
    "wfi_mosaic": "L3: mosaic",
    "segmentation_map": "L4: pixels of the sources of an L2 image",
}

_UNKNOWN = {None, "?", "", -999999, -999999.0}
"""What RAD's makers write where they do not know."""

_UNKNOWN_TEXT = {str(value) for value in _UNKNOWN}

_SAMPLED_ROWS = 64
"""Rows that statistics are taken from, spread over the image."""

FIELDS = {
    "detector": "instrument.detector",
    "optical element": "instrument.optical_element",
    "exposure type": "exposure.type",
    "start": "exposure.start_time",
    "end": "exposure.end_time",
    "exposure time [s]": "exposure.exposure_time",
    "read time [s]": "exposure.frame_time",
    "MA table": "exposure.ma_table_name",
    "MA table number": "exposure.ma_table_number",
    "resultants": "exposure.nresultants",
    "truncated": "exposure.truncated",
    "RA [deg]": "wcsinfo.ra_ref",
    "Dec [deg]": "wcsinfo.dec_ref",
    "roll [deg]": "wcsinfo.roll_ref",
    "sky cell": "wcsinfo.skycell_name",
    "centre RA [deg]": "wcsinfo.ra",
    "centre Dec [deg]": "wcsinfo.dec",
    "pixel [deg]": "wcsinfo.pixel_scale",
    "exposures": "resample.pointings",
    "first start": "coadd_info.time_first",
    "last end": "coadd_info.time_last",
    "time on sky [s]": "coadd_info.exposure_time",
    "program": "observation.program",
    "observation": "observation.observation_id",
    "reference kind": "reftype",
    "use after": "useafter",
    "pedigree": "pedigree",
    "author": "author",
    "description": "description",
    "made by": "calibration_software_name",
    "version": "calibration_software_version",
    "file date": "file_date",
}
"""Lines of the summary, and where they are in ``meta``."""


@dataclass(frozen=True)
class ArraySummary:
    """One array of a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    compression: str
    stored: int
    """Bytes in the file; 0 for an array in the header."""


@dataclass(frozen=True)
class Summary:
    """A file at a glance."""

    file: str
    product: str
    schema: str
    """With its version."""
    size: int
    """[byte]"""
    fields: Mapping[str, Any]
    read_pattern: str
    steps: Mapping[str, str]
    """State of each calibration step."""
    reference_files: Mapping[str, str]
    arrays: tuple[ArraySummary, ...]
    statistics: Mapping[str, float]
    """Of ``data``; for a cube, of its last plane."""


def summarise(path: FilePath, *, statistics: bool = True) -> Summary:
    """What a file is, at a glance; a WCS in it is not unpacked.

    Parameters
    ----------
    statistics
        Whether to look at pixels: a few rows of the image.

    Raises
    ------
    FileError, FormatError
        If it is no file of the mission, truncated or damaged.
    """
    if os.fspath(path).endswith(".parquet"):
        return _catalogue(path)
    file = open_tagged(path)
    tree = file.live(foreign=False)
    meta = Metadata(tree["meta"] if isinstance(tree.get("meta"), Mapping) else {})
    name, version = split_tag(file.tag)
    title = TITLES.get(name, name.removeprefix("reference_files/"))
    return Summary(
        file=os.fspath(path),
        product=f"reference file: {title}" if name.startswith("reference_files/") else title,
        schema=f"{name}-{version}",
        size=file.container.source.size,
        fields=_known({label: meta.get(key) for label, key in FIELDS.items()}),
        read_pattern=_brief(meta.get("exposure.read_pattern")),
        steps=_known(meta.get("cal_step")),
        reference_files=_reference_files(meta.get("ref_file")),
        arrays=tuple(_arrays(file, tree)),
        statistics=_statistics(tree) if statistics else {},
    )


def _catalogue(path: FilePath) -> Summary:
    """A catalogue at a glance; its columns are not read."""
    from pyarrow import parquet  # noqa: PLC0415 - loaded when first needed

    meta = read_catalogue_metadata(path)
    content = parquet.read_metadata(path)
    found = {label: meta.get(key) for label, key in FIELDS.items()}
    found |= {"image": meta.get("image.filename"), "sources": content.num_rows}
    known = {key: value for key, value in _known(found).items() if value not in _UNKNOWN_TEXT}
    return Summary(
        file=os.fspath(path),
        product="L4: catalogue of sources",
        schema=f"parquet, {content.num_columns} columns",
        size=Path(path).stat().st_size,
        fields=known,
        read_pattern="",
        steps={},
        reference_files={},
        arrays=(),
        statistics={},
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary in types that JSON has."""
    content = dict(vars(summary))
    content["arrays"] = [vars(array) | {"shape": list(array.shape)} for array in summary.arrays]
    return content


def _known(branch: Any) -> dict[str, Any]:
    """Values that were set, as text or numbers."""
    if not isinstance(branch, Mapping):
        return {}
    plain = {key: _plain(value) for key, value in branch.items()}
    return {key: value for key, value in plain.items() if value not in _UNKNOWN}


def _plain(value: Any) -> str | int | float | bool | None:
    if hasattr(value, "isot"):
        return str(value.isot)
    return value if isinstance(value, int | float | bool) or value is None else str(value)


def _brief(pattern: Any) -> str:
    """``1 | 2 | 3-4 | 5-9``."""
    if not isinstance(pattern, list):
        return ""
    resultants = [reads for reads in pattern if isinstance(reads, list) and reads]
    spans = (f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in resultants)
    return " | ".join(spans)


def _reference_files(branch: Any) -> dict[str, str]:
    found = _known({k: v for k, v in branch.items() if k != "crds"} if branch else None)
    crds = branch.get("crds") if isinstance(branch, Mapping) else None
    if isinstance(crds, Mapping) and crds.get("context") not in _UNKNOWN:
        found["context"] = str(crds["context"])
    return {key: str(value) for key, value in found.items() if value != "N/A"}


def _arrays(file: TaggedFile, tree: Mapping[str, Any]) -> list[ArraySummary]:
    found = []
    for name, array in tree.items():
        if not hasattr(array, "dtype") or not hasattr(array, "shape"):
            continue
        node = file.roman[name]
        source = node.get("source") if isinstance(node, Mapping) else None
        block = file.container.blocks[source] if isinstance(source, int) else None
        found.append(
            ArraySummary(
                name,
                tuple(array.shape),
                str(array.dtype),
                (block.compression or "none") if block else "in the header",
                block.used_size if block else 0,
            )
        )
    return found


def _statistics(tree: Mapping[str, Any]) -> dict[str, float]:
    array = tree.get("data")
    if array is None or getattr(array, "ndim", 0) < 2 or 0 in array.shape:
        return {}
    if array.dtype.kind not in "fiu":
        return {}
    height = array.shape[-2]
    starts = sorted({int(row) for row in np.linspace(0, height - 1, _SAMPLED_ROWS)})
    sample = np.concatenate([_last(rows_of(array, row, row + 1)).ravel() for row in starts])
    values = sample[np.isfinite(sample)].astype(np.float64)
    if values.size == 0:
        return {"finite": 0.0}
    low, middle, high = np.percentile(values, [15.87, 50, 84.13])
    return {
        "minimum": float(values.min()),
        "median": float(middle),
        "sigma": float(high - low) / 2,
        "maximum": float(values.max()),
        "finite": values.size / sample.size,
    }


def _last(rows: NDArray[Any]) -> NDArray[Any]:
    return rows.reshape(-1, *rows.shape[-2:])[-1]
