"""Sky cells in files: the ``skycells`` reference file of a context, or any such table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError, ReferenceDataError
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.writing import write_tree
from roman_dms.references.context import Selection
from roman_dms.references.kinds import START_TIME
from roman_dms.sky.tessellation import SkyCells
from roman_dms.sky.tessellation.table import TabledSkyCells, tables_of

_TAG = "asdf://stsci.edu/datamodels/roman/tags/reference_files/skycells-2.0.0"


def sky_cells_of(selection: Selection) -> TabledSkyCells:
    """The cells of the ``skycells`` reference file of a context.

    Raises
    ------
    ReferenceDataError
        Where the context has none.
    """
    path = selection.select({START_TIME: "2027-01-01 00:00:00"}, ["skycells"])["skycells"]
    if path is None:
        raise ReferenceDataError(
            f"The context {selection.name} has no table of sky cells.",
            "a reference file of the kind 'skycells'",
            "leave out the context: the tessellation is known in closed form",
        )
    return read_sky_cells(path)


def read_sky_cells(path: Path) -> TabledSkyCells:
    """The cells of a file in RAD's ``skycells`` format.

    Raises
    ------
    FileError
        For a file that cannot be read.
    FormatError
        For one that holds no table of sky cells.
    """
    tree = open_tagged(path).live()
    try:
        meta = tree["meta"]
        size, border = int(meta["nxy_skycell"]), int(meta["skycell_border_pixels"])
        scale = float(meta["pixel_scale"])
        regions, cells = np.asarray(tree["projection_regions"]), np.asarray(tree["skycells"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{path.name} holds no table of sky cells: {error}.",
            "projection regions and sky cells, as RAD's skycells",
        ) from error
    return TabledSkyCells(regions, cells, size=size, border=border, scale=scale, source=path.name)


def write_sky_cells(cells: SkyCells, regions: Sequence[int], path: str | os.PathLike[str]) -> int:
    """Write the cells of some regions of a tessellation in RAD's ``skycells`` format.

    Returns
    -------
    int
        How many cells they have.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    from astropy.time import Time  # noqa: PLC0415 - slow to import

    region_rows, cell_rows = tables_of(cells, regions)
    meta = {
        "reftype": "SKYCELLS",
        "pedigree": "GROUND",
        "description": f"The sky cells of {len(regions)} projection regions.",
        "author": "Roman DMS",
        "useafter": Time("2020-01-01T00:00:00"),
        "telescope": "ROMAN",
        "origin": "Roman DMS",
        "instrument": {"name": "WFI"},
        "nxy_skycell": cells.size,
        "skycell_border_pixels": cells.border,
        "pixel_scale": cells.scale,
    }
    tree = {"meta": meta, "projection_regions": region_rows, "skycells": cell_rows}
    write_tree(_TAG, tree, path)
    return len(cell_rows)


def footprint_of(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """(n, 2): corners of an image as its file states them in ``s_region`` [deg].

    Raises
    ------
    FileError
        For a file that cannot be read.
    MetadataError
        For one without a polygon.
    """
    file = open_tagged(path)
    region = str(file.roman.get("meta", {}).get("wcsinfo", {}).get("s_region", ""))
    words = region.upper().replace("ICRS", "").split()[1:]
    try:
        corners = np.array([float(word) for word in words]).reshape(-1, 2)
    except ValueError:
        corners = np.zeros((0, 2))
    if len(corners) >= 3:
        return corners
    raise MetadataError(
        f"{file.name} says nothing of its place on the sky: s_region is {region!r}.",
        "POLYGON ICRS and the corners of the image in degrees",
    )
