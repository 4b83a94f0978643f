"""Metadata of a mosaic, from those of the images in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time

from roman_dms import __version__
from roman_dms.mosaics.steps.members import Member
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic_metadata import wcsinfo_of
from roman_dms.sky.tessellation import SkyCell

BASIC = (
    "calibration_software_name", "calibration_software_version", "filename", "file_date",
    "model_type", "origin", "prd_version", "product_type", "sdf_software_version", "telescope",
)  # fmt: skip
"""Single keywords of an L2 image, the table ``basic`` of a mosaic."""

TABLES = (
    "cal_step", "coordinates", "ephemeris", "exposure", "guide_star", "instrument",
    "observation", "photometry", "pointing", "program", "rcs", "ref_file", "source_catalog",
    "velocity_aberration", "visit", "wcsinfo",
)  # fmt: skip
"""Branches of an L2 image that a mosaic keeps as tables, a row an image."""

OBSERVATION = ("program", "execution_plan", "pass", "segment", "observation", "visit", "exposure")
PROGRAM = ("title", "investigator_name", "category", "subcategory", "science_category")


def mosaic_metadata(
    members: Sequence[Member], cell: SkyCell, *, association: str, product_type: str, release: str
) -> Metadata:
    """Metadata of a mosaic, but for what its making decides (resampling, statistics).

    Parameters
    ----------
    members
        The images in it, in the order of the bits of its context.
    cell
        Its pixels.
    association
        Name of the association, or what stands for it.
    product_type
        For instance ``p_visit_coadd``.
    release
        Label of the data release, ``p`` for prompt products.
    """
    starts = Time([_start(member) for member in members])
    ends = [member.meta["exposure.end_time"] for member in members]
    elements = {member.meta.optical_element for member in members}
    observation = {key: _shared(members, f"observation.{key}") for key in OBSERVATION}
    return Metadata(
        {
            "calibration_software_name": "roman_dms",
            "calibration_software_version": __version__,
            "data_release_id": release,
            "product_type": product_type,
            "filename": "",
            "file_date": Time(Time.now(), format="isot"),
            "model_type": "MosaicModel",
            "origin": _shared(members, "origin") or "STSCI/SOC",
            "telescope": "ROMAN",
            "cal_logs": [],
            "association": {"name": association},
            "cal_step": {},
            "coadd_info": {
                "time_first": _isot(min(starts)),
                "time_last": _isot(max(ends)),
                "time_mean": _isot(starts.mean()),
            },
            "coordinates": {"reference_frame": "ICRS"},
            "individual_image_meta": _tables(members),
            "instrument": {
                "name": "WFI",
                "optical_element": elements.pop() if len(elements) == 1 else None,
            },
            "observation": observation | {"exposure_grouping": _grouping(observation)},
            "program": {key: _shared(members, f"program.{key}") for key in PROGRAM},
            "wcs": cell.plane.wcs(cell.shape),
            "wcsinfo": wcsinfo_of(cell),
        }
    )


def background_table(offsets: Sequence[float], method: str) -> Table:
    """What was subtracted from each image, as RAD's table ``background``."""
    return Table(
        {
            "level": np.asarray(offsets, float),
            "method": [method] * len(offsets),
            "subtracted": [method != "none"] * len(offsets),
        }
    )


def _start(member: Member) -> Any:
    return member.meta["exposure.start_time"]


def _isot(time: Time) -> Time:
    return Time(time, format="isot")


def _shared(members: Sequence[Member], key: str) -> Any:
    """What all images say, ``None`` where they differ."""
    values = [member.meta.get(key) for member in members]
    return values[0] if all(value == values[0] for value in values) else None


def _grouping(observation: Mapping[str, Any]) -> str | None:
    """The visit, as romancal writes it; ``None`` for images of several."""
    keys = ("execution_plan", "pass", "segment", "observation", "visit")
    if any(not isinstance(observation[key], int) for key in keys):
        return None
    plan, *rest = (observation[key] for key in keys)
    return f"v{plan:02d}" + "".join(f"{number:03d}" for number in rest)


def _tables(members: Sequence[Member]) -> dict[str, Table]:
    """RAD's ``individual_image_meta``."""
    branches = {
        name: [member.meta.get(name) or {} for member in members]
        for name in TABLES
        if any(isinstance(member.meta.get(name), Mapping) for member in members)
    }
    basic = [{key: member.meta.get(key) for key in BASIC} for member in members]
    return {name: table_of_rows(rows) for name, rows in {"basic": basic, **branches}.items()}


def table_of_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row an image, of what each says; what one does not say is NaN or ``None``."""
    names = dict.fromkeys(name for row in rows for name in row)
    return Table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: Sequence[Any]) -> list[Any]:
    """Numbers as numbers, NaN where one is missing; everything else as text."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known) and len(known) == len(values):
        return list(values)
    if known and all(type(value) in {int, float} for value in known):
        return [np.nan if value is None else value for value in values]
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    return str(value.isot) if isinstance(value, Time) else str(value)
