"""Catalogues of sources in Parquet, and segmentation maps in ASDF.

The header of a catalogue holds the metadata of RAD's ``image_source_catalog`` twice, as the
mission writes them: flat (``roman.meta.exposure.type``) for those who read Parquet, and
units, descriptions and settings as YAML for those who read with astropy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.writing import replacing, write_tree
from roman_dms.products.metadata import Metadata
from roman_dms.products.source_columns import BY_NAME, Column
from roman_dms.products.sources import Sources

SEGMENTS = "segmentation_map"

_BASIC = (
    "calibration_software_name", "calibration_software_version", "product_type", "filename",
    "file_date", "model_type", "origin", "prd_version", "sdf_software_version", "telescope",
)  # fmt: skip
_BRANCHES = (
    "coordinates", "exposure", "instrument", "observation", "photometry", "pointing", "program",
    "ref_file", "visit", "wcsinfo",
)  # fmt: skip
"""What a catalogue takes over from the metadata of its image."""


def catalogue_path(image: str | os.PathLike[str]) -> Path:
    """Where the catalogue of an image lies.

    >>> catalogue_path("l2/r1_wfi01_f158_cal.asdf").name
    'r1_wfi01_f158_cat.parquet'
    """
    return _beside(image, "cat.parquet")


def segments_path(image: str | os.PathLike[str]) -> Path:
    """Where the segmentation map of an image lies.

    >>> segments_path("l2/r1_wfi01_f158_cal.asdf").name
    'r1_wfi01_f158_segm.asdf'
    """
    return _beside(image, "segm.asdf")


def _beside(image: str | os.PathLike[str], ending: str) -> Path:
    path = Path(image)
    return path.with_name(f"{path.stem.removesuffix('_cal')}_{ending}")


def write_sources(sources: Sources, meta: Metadata, image: str | os.PathLike[str]) -> None:
    """Write catalogue and segmentation map beside an image.

    Parameters
    ----------
    sources
        What was found.
    meta
        Metadata of the image, with its file's name and date.
    image
        Path of the image.

    Raises
    ------
    ValidationError
        If the metadata violate RAD; nothing is written then.
    FileError
        If a file cannot be written.
    """
    own = {"model_type": "SegmentationMapModel", "filename": segments_path(image).name}
    tree = catalogue_metadata(meta, own)
    write_tree(SEGMENTS, {"meta": tree, "data": sources.segments}, segments_path(image))
    own = {"model_type": "ImageSourceCatalogModel", "filename": catalogue_path(image).name}
    write_catalogue(sources, catalogue_metadata(meta, own), catalogue_path(image))


def catalogue_metadata(meta: Metadata, own: Mapping[str, Any]) -> dict[str, Any]:
    """What RAD's catalogues say of the image that they were made of."""
    tree = {key: value for key, value in meta.tree().items() if key in (*_BASIC, *_BRANCHES)}
    image = {"filename": meta["filename"], "file_date": meta["file_date"]}
    return {**tree, "image": image, **own}


def write_catalogue(
    sources: Sources,
    meta: Mapping[str, Any],
    path: Path,
    described: Mapping[str, Column] = BY_NAME,
) -> None:
    """Write a catalogue in Parquet.

    Parameters
    ----------
    sources
        What was found.
    meta
        Tree of metadata, kept under ``roman.meta``.
    path
        File to write.
    described
        Unit and meaning of the columns.

    Raises
    ------
    FileError
        If the file cannot be written; nothing is left behind then.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first needed
    from pyarrow import parquet  # noqa: PLC0415

    columns = sources.columns
    fields = [
        pa.field(name, pa.from_numpy_dtype(values.dtype), metadata=_unit(described[name]))
        for name, values in columns.items()
    ]
    header = {f"roman.meta.{key}": str(value) for key, value in _flat(meta)}
    header |= {f"source_catalog.{key}": str(value) for key, value in _flat(sources.settings)}
    header["table_meta_yaml"] = _astropy_header(sources, described)
    schema = pa.schema(fields, metadata=header)
    content = pa.Table.from_arrays([pa.array(array) for array in columns.values()], schema=schema)
    with replacing(path) as file:
        parquet.write_table(content, file, compression="zstd")


def read_catalogue_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The flat metadata of a catalogue: text by dotted key below ``roman.meta``.

    Raises
    ------
    FileError
        If the file is missing or cannot be read.
    FormatError
        If it is no catalogue.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    try:
        header = parquet.read_schema(path).metadata or {}
    except OSError as error:
        raise FileError(
            f"The catalogue {path} cannot be read: {error}.", "a file that can be read"
        ) from None
    except pa.ArrowInvalid as error:
        raise FormatError(f"{path} is no Parquet file: {error}.", "a _cat.parquet file") from None
    start = "roman.meta."
    named = {key.decode(): value.decode() for key, value in header.items()}
    return {key.removeprefix(start): value for key, value in named.items() if key.startswith(start)}


def _unit(column: Column) -> dict[str, str]:
    return {"unit": column.unit or "None"}


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a tree by dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _astropy_header(sources: Sources, described: Mapping[str, Column]) -> str:
    """What astropy reads: types, units, descriptions, settings."""
    from astropy.table import Table, meta  # noqa: PLC0415 - slow to import

    table = Table(dict(sources.columns), copy=False, meta=dict(sources.settings))
    for name in table.colnames:
        table[name].unit = described[name].unit or None
        table[name].description = described[name].description
    lines: list[str] = meta.get_yaml_from_table(table)
    return "\n".join(lines)
