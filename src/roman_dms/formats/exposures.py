"""L1 and L2 as typed products, from and to the trees of RAD."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FormatError, MetadataError
from roman_dms.formats.float16 import AsFloat16
from roman_dms.formats.read_noise import ReadNoise
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import TaggedFile, open_tagged
from roman_dms.instrument.detectors import detector
from roman_dms.products.arrays import PixelArray, StoredArray
from roman_dms.products.exposure import Borders, RateImage, RawExposure
from roman_dms.products.metadata import Metadata

RAW = "wfi_science_raw"
RATE = "wfi_image"

_RAW_ARRAYS = {
    "data": ("u2", 3),
    "amp33": ("u2", 3),
    "resultantdq": ("u1", 3),
    "reference_read": ("u2", 2),
    "reference_amp33": ("u2", 2),
}
"""Type and number of axes of each array of an L1 file."""
_OLD_NAMES = {"reset_read": "reference_read", "reset_amp33": "reference_amp33"}
"""What RAD called them before version 1.3."""

_RATE_ARRAYS = {
    "data": "f4",
    "dq": "u4",
    "err": "f2",
    "var_poisson": "f2",
    "var_rnoise": "f2",
    "var_flat": "f2",
    "chisq": "f2",
    "dumo": "f2",
}
"""Type of each image of an L2 file."""
_SIDES = ("left", "right", "top", "bottom")
_BAND = 128
"""Rows that are read at a time."""
_BORDER = 4
"""Width of the frame of reference pixels, which L2 keeps beside its images."""


def read_raw_exposure(path: FilePath) -> RawExposure:
    """The L1 exposure in a file; its pixels are read from the file when asked for.

    Raises
    ------
    FileError
        If the file cannot be read, is truncated or damaged.
    FormatError
        If it is no L1 file, or its arrays contradict each other or the metadata.
    MetadataError
        If a keyword that the calibration needs is missing or unusable.
    """
    return raw_exposure_of(open_tagged(path))


def read_rate_image(path: FilePath) -> RateImage:
    """The L2 image in a file, in memory.

    ``var_rnoise``, which RAD leaves optional, is what remains of ``err`` squared
    where the file lacks it; ``chisq`` and ``dumo``, which old files lack, are NaN.

    Raises
    ------
    FileError, FormatError, MetadataError
        As of :func:`read_raw_exposure`.
    """
    return rate_image_of(open_tagged(path))


def raw_exposure_of(file: TaggedFile) -> RawExposure:
    """The L1 exposure in an opened file."""
    tree = tree_of(file, RAW)
    meta = metadata_of(tree, file.name)
    for old, new in _OLD_NAMES.items():
        if old in tree:
            tree[new] = tree.pop(old)
    arrays = {key: tree.pop(key) for key in _RAW_ARRAYS if key in tree}
    for key in ("data", "amp33"):
        require(arrays, key, file.name)
    for key, array in arrays.items():
        kind, ndim = _RAW_ARRAYS[key]
        check_array(array, key, kind, ndim, file.name)
    _check_ramp(arrays, meta, file.name)
    if "reference_amp33" in arrays:
        arrays["reference_amp33"] = np.asarray(arrays["reference_amp33"])
    exposure = RawExposure(meta=meta, extras=tree, **arrays)
    _ = exposure.detector  # raises for a name or a size that cannot be
    return exposure


def rate_image_of(file: TaggedFile) -> RateImage:
    """The L2 image in an opened file."""
    tree = tree_of(file, RATE)
    meta = metadata_of(tree, file.name)
    for key in ("data", "dq", "err", "var_poisson"):
        require(tree, key, file.name)
    images = _images(tree, file.name)
    shape = images["data"].shape
    borders = borders_of(tree, (shape[0] + 2 * _BORDER, shape[1] + 2 * _BORDER), file.name)
    amp33 = tree.pop("amp33", np.zeros((0, shape[0] + 2 * _BORDER, 128), np.uint16))
    check_array(amp33, "amp33", "u2", 3, file.name)
    products: dict[str, Any] = images
    jumps: Any = tree.get("jump_indices")
    if getattr(jumps, "dtype", None) == np.int16 and jumps.shape[1:] == (3,):
        products["jump_indices"] = np.asarray(tree.pop("jump_indices"))
    return RateImage(
        meta=meta,
        detector=detector(meta.detector, (shape[0] + 2 * _BORDER, shape[1] + 2 * _BORDER)),
        amp33=amp33,
        borders=borders,
        extras=tree,
        **products,
    )


def tree_of_raw(exposure: RawExposure) -> dict[str, Any]:
    """The tree of RAD's ``wfi_science_raw``."""
    tree: dict[str, Any] = {"meta": exposure.meta.tree()}
    for key in _RAW_ARRAYS:
        if (array := getattr(exposure, key)) is not None:
            tree[key] = array
    return tree | dict(exposure.extras)


def tree_of_rate(image: RateImage) -> dict[str, Any]:
    """The tree of RAD's ``wfi_image``; errors become float16 (see ``float16``)."""
    tree: dict[str, Any] = {"meta": image.meta.tree()}
    for key, kind in _RATE_ARRAYS.items():
        array = getattr(image, key)
        if array is not None:
            tree[key] = AsFloat16(array) if kind == "f2" else array
    tree["amp33"] = image.amp33
    tree |= tree_of_borders(image.borders)
    if image.jump_indices is not None:
        tree["jump_indices"] = image.jump_indices
    return tree | dict(image.extras)


def tree_of_borders(borders: Borders) -> dict[str, Any]:
    """The branches of RAD for the frame of reference pixels."""
    tree: dict[str, Any] = {}
    for side in _SIDES:
        tree[f"border_ref_pix_{side}"] = getattr(borders, side)
        tree[f"dq_border_ref_pix_{side}"] = getattr(borders, f"dq_{side}")
    return tree


def tree_of(file: TaggedFile, schema: str) -> dict[str, Any]:
    """The live tree of a file, which must have a schema."""
    if file.schema != schema:
        raise FormatError(
            f"The file {file.name} has the schema {file.schema!r}.",
            f"{schema!r}",
            f"look at it with 'rdms info {file.name}'",
        )
    tree: dict[str, Any] = file.live()
    return tree


def metadata_of(tree: dict[str, Any], name: str) -> Metadata:
    """The metadata, with what every step relies on checked."""
    meta = tree.pop("meta", None)
    if not isinstance(meta, Mapping):
        raise MetadataError(f"The file {name} has no metadata.", "a mapping 'meta'")
    metadata = Metadata(meta)
    for key in ("instrument.detector", "instrument.optical_element", "exposure.type"):
        if not isinstance(metadata[key], str):
            raise MetadataError(f"meta.{key} of {name} is {metadata[key]!r}.", "text")
    return metadata


def require(tree: Mapping[str, Any], key: str, name: str) -> None:
    """Raise a FormatError where a branch is missing."""
    if key not in tree:
        raise FormatError(
            f"The file {name} has no {key!r}.",
            "all arrays that its schema requires",
            f"check it with 'rdms validate {name}'",
        )


def check_array(array: Any, key: str, kind: str, ndim: int, name: str) -> None:
    """Raise a FormatError for what is no array of a type and number of axes."""
    if not isinstance(array, np.ndarray | StoredArray):
        raise FormatError(f"{key!r} of {name} is {type(array).__name__}.", "an array")
    if array.dtype != np.dtype(kind) or len(array.shape) != ndim:
        raise FormatError(
            f"{key!r} of {name} is {array.dtype} with {len(array.shape)} axes.",
            f"{np.dtype(kind)} with {ndim} axes",
        )


def _check_ramp(arrays: Mapping[str, PixelArray], meta: Metadata, name: str) -> None:
    """Shapes that agree with each other and with the read pattern."""
    count, rows, columns = arrays["data"].shape
    shapes = {
        "amp33": (count, rows, arrays["amp33"].shape[2]),
        "resultantdq": (count, rows, columns),
        "reference_read": (rows, columns),
    }
    for key, shape in shapes.items():
        if key in arrays and tuple(arrays[key].shape) != shape:
            raise FormatError(
                f"{key!r} of {name} has the shape {arrays[key].shape}.",
                f"{shape}, to go with 'data'",
            )
    try:
        pattern = meta.read_pattern
    except (TypeError, ValueError) as error:
        raise MetadataError(
            f"meta.exposure of {name} has the frame time {meta['exposure.frame_time']!r}.",
            "a positive number of seconds (about 3.16 for imaging)",
        ) from error
    announced = meta.get("exposure.nresultants", count)
    if len(pattern) != count or announced != count:
        raise MetadataError(
            f"{name} holds {count} resultants, its read pattern has {len(pattern)}, "
            f"meta.exposure.nresultants is {announced}.",
            "the same number everywhere",
        )


def _images(tree: dict[str, Any], name: str) -> dict[str, NDArray[Any]]:
    """The images of an L2 file, errors as float32."""
    images: dict[str, NDArray[Any]] = {}
    for key, kind in _RATE_ARRAYS.items():
        if key not in tree:
            continue
        array = tree.pop(key)
        in_memory = "f4" if kind == "f2" else kind
        old = getattr(array, "dtype", None) == np.dtype(in_memory)  # as before float16
        check_array(array, key, in_memory if old else kind, 2, name)
        images[key] = _loaded(array, np.dtype(in_memory))
    shape = images["data"].shape
    for key, array in images.items():
        if array.shape != shape:
            raise FormatError(f"{key!r} of {name} has the shape {array.shape}.", f"{shape}")
    if "var_rnoise" not in images:
        images["var_rnoise"] = np.asarray(ReadNoise(images))
    for key in ("chisq", "dumo"):
        images.setdefault(key, np.full(shape, np.nan, np.float32))
    return images


def _loaded(array: PixelArray, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An image in memory, widened band by band while it is in the cache."""
    if isinstance(array, np.ndarray):
        return array.astype(dtype, copy=False)
    image = np.empty(array.shape, dtype)
    bands = [(row, row + _BAND) for row in range(0, array.shape[0], _BAND)]

    def load(band: tuple[int, int]) -> None:
        image[slice(*band)] = array.rows(*band)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(load, bands))
    return image


def borders_of(tree: dict[str, Any], shape: tuple[int, int], name: str) -> Borders:
    """The frame of reference pixels of a detector of (rows, columns)."""
    parts: dict[str, NDArray[Any]] = {}
    rows, columns = shape
    for side in _SIDES:
        edge = (rows, _BORDER) if side in {"left", "right"} else (_BORDER, columns)
        data = tree.pop(f"border_ref_pix_{side}", np.zeros((0, *edge), np.float32))
        flags = tree.pop(f"dq_border_ref_pix_{side}", np.zeros(edge, np.uint32))
        check_array(data, f"border_ref_pix_{side}", "f4", 3, name)
        check_array(flags, f"dq_border_ref_pix_{side}", "u4", 2, name)
        if data.shape[1:] != edge or flags.shape != edge:
            raise FormatError(
                f"The {side} border of {name} is {data.shape[1:]}, its flags {flags.shape}.",
                f"{edge} reference pixels",
            )
        parts[side], parts[f"dq_{side}"] = np.asarray(data), np.asarray(flags)
    return Borders(**parts)
