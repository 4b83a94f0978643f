"""Read and write any product: the tag of a file says what it is."""

from __future__ import annotations

import os
from pathlib import Path

from roman_dms.errors import FormatError
from roman_dms.formats.catalogues import catalogue_path, write_sources
from roman_dms.formats.exposures import (
    RATE,
    RAW,
    rate_image_of,
    raw_exposure_of,
    read_rate_image,
    read_raw_exposure,
    tree_of_rate,
    tree_of_raw,
)
from roman_dms.formats.mosaics import MOSAIC, mosaic_of, read_mosaic, tree_of_mosaic
from roman_dms.formats.ramps import RAMP, ramp_of, tree_of_ramp
from roman_dms.formats.reference_files import FOLDER, read_reference, reference_of
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.writing import Compression, write_tree
from roman_dms.products.exposure import Ramp, RateImage, RawExposure
from roman_dms.products.mosaic import Mosaic
from roman_dms.products.reference import Reference

__all__ = [
    "read_mosaic",
    "read_product",
    "read_rate_image",
    "read_raw_exposure",
    "read_reference",
    "write_product",
    "write_tree",
]

Product = RawExposure | Ramp | RateImage | Mosaic | Reference


def read_product(path: FilePath) -> Product:
    """The product in a file: an L1 exposure, a ramp, an L2 image, a mosaic or a reference.

    Raises
    ------
    FileError, FormatError, MetadataError
        As of the reader of each kind.
    """
    file = open_tagged(path)
    if file.schema == RAW:
        return raw_exposure_of(file)
    if file.schema == RATE:
        return rate_image_of(file)
    if file.schema == RAMP:
        return ramp_of(file)
    if file.schema == MOSAIC:
        return mosaic_of(file)
    if file.schema.startswith(FOLDER):
        return reference_of(file)
    raise FormatError(
        f"The file {file.name} has the schema {file.schema!r}.",
        "an L1 exposure, a ramp, an L2 image, an L3 mosaic or a reference file",
    )


def write_product(
    product: RawExposure | Ramp | RateImage | Mosaic,
    path: str | os.PathLike[str],
    *,
    compression: Compression = "lz4",
    keep_date: bool = False,
) -> None:
    """Write an L1 exposure, a ramp, an L2 image or an L3 mosaic.

    ``meta.filename`` and ``meta.file_date`` are set here; all other metadata are
    the caller's.  The sources of an image go into files beside it, which are complete
    before the image appears under its name.

    Parameters
    ----------
    product, path
        What to write, and where.
    compression
        Of the arrays.
    keep_date
        Leave ``meta.file_date`` as it is, so that the same product gives the same file.

    Raises
    ------
    ValidationError
        If the product violates RAD; nothing is written then.
    FileError
        If the file cannot be written; nothing is left behind then.
    """
    from astropy.time import Time  # noqa: PLC0415 - not for readers

    now = Time(Time.now(), format="isot")
    dated = {} if keep_date else {"file_date": now}
    meta = product.meta.updated({"filename": Path(path).name, **dated})
    if isinstance(product, RateImage):
        if product.sources is not None:
            named = {"source_catalog.tweakreg_catalog_name": catalogue_path(path).name}
            meta = meta.updated(named)
            write_sources(product.sources, meta, path)
        tree, schema = tree_of_rate(product), RATE
    elif isinstance(product, Ramp):
        tree, schema = tree_of_ramp(product), RAMP
    elif isinstance(product, Mosaic):
        tree, schema = tree_of_mosaic(product), MOSAIC
    else:
        tree, schema = tree_of_raw(product), RAW
    write_tree(schema, tree | {"meta": meta.tree()}, path, compression=compression)
