"""Reference files as typed products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from roman_dms.errors import FormatError, MetadataError
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import TaggedFile, open_tagged
from roman_dms.products.arrays import StoredArray
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import (
    KINDS,
    Epsf,
    IntegralNonlinearity,
    Ipc,
    Photometry,
    Reference,
)

FOLDER = "reference_files/"
"""What the schemas of all reference files begin with."""

KIND_OF_SCHEMA = {"wfi_img_photom": "photom", "pixelarea": "area"}
"""Schemas that are not called like the kind that CRDS gives them."""


def read_reference(path: FilePath) -> Reference:
    """The product in a reference file; its pixels are read from the file when asked for.

    Raises
    ------
    FileError
        If the file cannot be read, is truncated or damaged.
    FormatError
        If it is no reference file of a kind that steps use, or its arrays are
        missing or of the wrong shape.
    MetadataError
        If its metadata are missing.
    """
    return reference_of(open_tagged(path))


def reference_of(file: TaggedFile) -> Reference:
    """The product in an opened reference file."""
    kind = kind_of(file)
    if kind not in KINDS:
        raise FormatError(
            f"The file {file.name} has the schema {file.schema!r}.",
            "a reference file of one of the kinds " + ", ".join(sorted(KINDS)),
        )
    tree = file.live()
    meta = tree.get("meta")
    if not isinstance(meta, Mapping):
        raise MetadataError(f"The file {file.name} has no metadata.", "a mapping 'meta'")
    if kind == IntegralNonlinearity.kind:
        return _integral_nonlinearity(Metadata(meta), tree, file.name)
    if kind == Epsf.kind:
        return _effective_psfs(Metadata(meta), tree, file.name)
    if kind == Ipc.kind:
        return _interpixel_capacitance(Metadata(meta), tree, file.name)
    if kind == Photometry.kind:
        return _photometry(Metadata(meta), tree, file.name)
    return _plain(KINDS[kind], Metadata(meta), tree, file.name)


def kind_of(file: TaggedFile) -> str:
    """The kind, as CRDS calls it, or ``""`` for what is no reference file."""
    if not file.schema.startswith(FOLDER):
        return ""
    name = file.schema.removeprefix(FOLDER)
    return KIND_OF_SCHEMA.get(name, name)


def _plain(cls: type[Reference], meta: Metadata, tree: Mapping[str, Any], name: str) -> Reference:
    """A product whose fields are the branches of the tree."""
    values: dict[str, Any] = {}
    shape: tuple[int, ...] | None = None
    for item in fields(cls):
        if item.name == "meta":
            continue
        values[item.name] = value = _branch(tree, item.name, name)
        if "pixels" in item.metadata:
            _check_pixels(value, item.name, shape, name)
            shape = value.shape[-2:]
        elif item.type == "PixelArray":
            _check_pixels(value, item.name, None, name)
    return cls(meta=meta, **values)


def _branch(tree: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in tree:
        raise FormatError(
            f"The file {name} has no {key!r}.",
            "all branches that its schema requires",
            f"check it with 'rdms validate {name}'",
        )
    return tree[key]


def _check_pixels(value: Any, key: str, shape: tuple[int, ...] | None, name: str) -> None:
    if not isinstance(value, np.ndarray | StoredArray) or len(value.shape) < 2:
        raise FormatError(f"{key!r} of {name} is {type(value).__name__}.", "an array of pixels")
    if value.dtype.kind not in "fiuc":
        raise FormatError(f"{key!r} of {name} has the type {value.dtype}.", "numbers")
    if shape is not None and tuple(value.shape[-2:]) != shape:
        raise FormatError(
            f"{key!r} of {name} has {value.shape[-2:]} pixels.", f"{shape}, as its other arrays"
        )


def _integral_nonlinearity(meta: Metadata, tree: Mapping[str, Any], name: str) -> Reference:
    """Stack the tables of the channels, by channel number in the science frame."""
    table = _branch(tree, "inl_table", name)
    value = np.asarray(_branch(tree, "value", name))
    try:
        channels = [np.asarray(table[key]["correction"]) for key in sorted(table)]
        corrections = np.stack(channels).astype(np.float64)
    except (TypeError, KeyError, ValueError) as error:
        raise FormatError(
            f"The tables of {name} cannot be stacked: {error}.",
            "a table of the same length for each science channel",
        ) from error
    if value.ndim != 1 or corrections.shape != (len(table), value.size):
        raise FormatError(
            f"The tables of {name} are {corrections.shape}, their values {value.shape}.",
            "as many corrections a channel as values",
        )
    return IntegralNonlinearity(meta=meta, value=value.astype(np.uint16), corrections=corrections)


def _interpixel_capacitance(meta: Metadata, tree: Mapping[str, Any], name: str) -> Reference:
    """A kernel with a centre, scaled to keep the charge."""
    kernel = np.asarray(_branch(tree, "data", name), dtype=np.float32)
    centred = kernel.ndim == 2 and all(size % 2 for size in kernel.shape)
    if not centred or not np.all(np.isfinite(kernel)) or kernel.sum() <= 0:
        raise FormatError(
            f"The kernel of {name} is {kernel.shape}, its sum {kernel.sum()}.",
            "finite numbers, an odd number of rows and columns, and a sum of 1",
        )
    return Ipc(meta=meta, data=kernel / kernel.sum())


def _effective_psfs(meta: Metadata, tree: Mapping[str, Any], name: str) -> Reference:
    psf = np.asarray(_branch(tree, "psf", name), dtype=np.float32)
    places = len(meta.get("pixel_x") or ())
    if psf.ndim != 5 or psf.shape[2] != places or places != len(meta.get("pixel_y") or ()):
        raise FormatError(
            f"The PSFs of {name} are {psf.shape}, at {places} places.",
            "(defocus, spectral type, place, row, column), with pixel_x and pixel_y of each place",
        )
    wide = tree.get("extended_psf")
    extended = None if wide is None else np.asarray(wide, dtype=np.float32)
    return Epsf(meta=meta, psf=psf, extended_psf=extended)


def _photometry(meta: Metadata, tree: Mapping[str, Any], name: str) -> Reference:
    table = _branch(tree, "phot_table", name)
    if not isinstance(table, Mapping) or not all(isinstance(v, Mapping) for v in table.values()):
        raise FormatError(f"'phot_table' of {name} is no table.", "a row for each optical element")
    return Photometry(meta=meta, phot_table=table)
