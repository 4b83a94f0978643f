"""L3 as a typed product, from and to the tree of RAD's ``wfi_mosaic``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError
from roman_dms.formats.exposures import check_array, require, tree_of
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import TaggedFile, open_tagged
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic

MOSAIC = "wfi_mosaic"

_IMAGES = ("data", "err", "weight", "var_poisson", "var_rnoise")
_OPTIONAL = ("var_flat", "var_sky")


def read_mosaic(path: FilePath) -> Mosaic:
    """The L3 mosaic in a file, in memory.

    Raises
    ------
    FileError
        If the file cannot be read, is truncated or damaged.
    FormatError
        If it is no L3 file, or its arrays contradict each other.
    MetadataError
        If it has no metadata, or they name no optical element.
    """
    return mosaic_of(open_tagged(path))


def mosaic_of(file: TaggedFile) -> Mosaic:
    """The L3 mosaic in an opened file."""
    tree = tree_of(file, MOSAIC)
    meta = _metadata(tree, file.name)
    for key in (*_IMAGES, "context"):
        require(tree, key, file.name)
    present = [key for key in (*_IMAGES, *_OPTIONAL) if key in tree]
    images = {key: _array(tree, key, "f4", 2, file.name) for key in present}
    context = _array(tree, "context", "u4", 3, file.name)
    shape = images["data"].shape
    for key, array in {**images, "context": context}.items():
        if array.shape[-2:] != shape:
            raise FormatError(
                f"{key!r} of {file.name} has the shape {array.shape}.",
                f"(..., {shape[0]}, {shape[1]}), to go with 'data'",
            )
    return Mosaic(meta=meta, context=context, extras=tree, **images)


def tree_of_mosaic(mosaic: Mosaic) -> dict[str, Any]:
    """The tree of RAD's ``wfi_mosaic``."""
    tree: dict[str, Any] = {"meta": mosaic.meta.tree()}
    for key in ("data", "err", "context", "weight", "var_poisson", "var_rnoise", *_OPTIONAL):
        if (array := getattr(mosaic, key)) is not None:
            tree[key] = array
    return tree | dict(mosaic.extras)


def _metadata(tree: dict[str, Any], name: str) -> Metadata:
    meta = tree.pop("meta", None)
    if not isinstance(meta, Mapping):
        raise MetadataError(f"The file {name} has no metadata.", "a mapping 'meta'")
    metadata = Metadata(meta)
    element = metadata["instrument.optical_element"]
    if element is not None and not isinstance(element, str):
        raise MetadataError(f"meta.instrument.optical_element of {name} is {element!r}.", "text")
    return metadata


def _array(tree: dict[str, Any], key: str, kind: str, ndim: int, name: str) -> NDArray[Any]:
    array = tree.pop(key)
    check_array(array, key, kind, ndim, name)
    return np.asarray(array)
