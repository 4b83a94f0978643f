"""Metadata of a mosaic to which an exposure was added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import Table
from astropy.time import Time

from roman_dms.mosaics.steps.associations import KINDS
from roman_dms.mosaics.steps.members import Member
from roman_dms.mosaics.steps.metadata import background_table, mosaic_metadata, table_of_rows
from roman_dms.products.metadata import Metadata
from roman_dms.sky.tessellation import SkyCell

SHARED = ("observation", "program")
"""Branches that hold what all images say."""


def extended_metadata(
    meta: Metadata, new: Member, cell: SkyCell, offset: float, sky: str
) -> Metadata:
    """Metadata of a mosaic with an image more; statistics are left to the caller.

    Parameters
    ----------
    meta
        Those of the mosaic.
    new
        The image.
    cell
        Pixels of the mosaic.
    offset
        What was subtracted from the image [MJy / sr].
    sky
        How that was found, as in RAD's table ``background``.
    """
    release, kind = str(meta["data_release_id"]), str(meta["product_type"])
    alone = mosaic_metadata([new], cell, association="", product_type=kind, release=release)
    count = int(meta["resample.pointings"])
    shared = {name: _shared(meta[name], alone[name]) for name in SHARED}
    tables = dict(alone["individual_image_meta"])
    tables["background"] = background_table([offset], sky)
    return meta.updated(
        {
            **shared,
            "coadd_info": {**meta["coadd_info"], **_times(meta, alone, count)},
            "individual_image_meta": _rows_added(meta["individual_image_meta"], tables, count),
            "origin": meta["origin"] if meta["origin"] == alone["origin"] else "STSCI/SOC",
            "product_type": _kind(kind, shared["observation"]),
            "resample.members": [*meta["resample.members"], new.name],
            "resample.pointings": count + 1,
        }
    )


def _shared(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What both say, ``None`` where they differ."""
    return {key: value if value == new.get(key) else None for key, value in before.items()}


def _times(meta: Metadata, alone: Metadata, count: int) -> dict[str, Time]:
    """First, last and mean time of all exposures."""
    first, last, mean = (
        (meta[f"coadd_info.time_{which}"], alone[f"coadd_info.time_{which}"])
        for which in ("first", "last", "mean")
    )
    middle = mean[0] + (mean[1] - mean[0]) / (count + 1)
    times = {"time_first": min(first), "time_last": max(last), "time_mean": middle}
    return {key: Time(time, format="isot") for key, time in times.items()}


def _kind(product_type: str, observation: Mapping[str, Any]) -> str:
    """The product's type, with the smallest group that all its images are of."""
    label, _, rest = product_type.partition("_")
    kind, _, suffix = rest.partition("_")
    if kind not in KINDS:
        return product_type
    if observation.get("exposure_grouping") is None and kind == "visit":
        kind = "pass"
    in_pass = all(observation.get(key) is not None for key in ("program", "execution_plan", "pass"))
    if kind == "pass" and not in_pass:
        kind = "full"
    return f"{label}_{kind}_{suffix}"


def _rows_added(
    before: Mapping[str, Table], new: Mapping[str, Table], count: int
) -> dict[str, Table]:
    """Each table with the rows of the new one; what one does not tell stays open."""
    nothing: list[dict[str, Any]] = [{}]
    return {
        name: table_of_rows(
            [
                *(_rows(before[name]) if name in before else nothing * count),
                *(_rows(new[name]) if name in new else nothing),
            ]
        )
        for name in {**before, **new}
    }


def _rows(table: Table) -> list[dict[str, Any]]:
    columns = {name: np.asarray(table[name]).tolist() for name in table.colnames}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
