"""The L2 images that a mosaic is made of: opened, checked, their pixels still in their files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import MetadataError, RdmsError, UsageError
from roman_dms.formats.exposures import RATE, check_array, metadata_of, require, tree_of
from roman_dms.formats.read_noise import ReadNoise
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import open_tagged
from roman_dms.instrument.exposure_types import exposure_type
from roman_dms.mosaics.geometry import ToImage, Values
from roman_dms.products.arrays import PixelArray
from roman_dms.products.metadata import Metadata
from roman_dms.sky.pixel_map import PixelMap, pixel_map
from roman_dms.sky.tangent import TangentPlane

SIDE = 8
"""Points along a side of a footprint."""

AROUND = 700
"""How far around an image its WCS is followed: blocks that it only touches [pixel]."""


@dataclass(frozen=True)
class Member:
    """An L2 image that may contribute to mosaics."""

    path: str
    """Its file."""

    meta: Metadata

    arrays: dict[str, PixelArray]
    """``data``, ``dq``, ``err`` and variances, in the file."""

    mapping: PixelMap
    """From the sky to its pixels."""

    @property
    def name(self) -> str:
        """Name of its file, without folders."""
        return self.path.rpartition("/")[2]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.arrays["data"].shape
        return rows, columns

    @property
    def brightness(self) -> float:
        """Surface brightness of a count rate of one in a pixel of nominal area [MJy s / DN sr]."""
        return float(self.meta["photometry.conversion_megajanskys"])

    @property
    def pixel_area(self) -> float:
        """That nominal area [sr]."""
        return float(self.meta["photometry.pixel_area"])

    @property
    def exposure_time(self) -> float:
        """Effective exposure time [s]."""
        effective = self.meta.get("exposure.effective_exposure_time")
        return float(effective or self.meta["exposure.exposure_time"])

    @property
    def components(self) -> tuple[str, ...]:
        """Names of its variances."""
        return tuple(name for name in self.arrays if name.startswith("var_"))

    @cached_property
    def footprint(self) -> NDArray[np.float64]:
        """(4 SIDE, 2): right ascension and declination of its outer edge [deg].

        Its sides bend by several pixels, so that corners alone would not do.
        """
        rows, columns = self.shape
        along, still = np.arange(SIDE) / SIDE, np.zeros(SIDE)
        x = np.concatenate([still, along, still + 1, 1 - along]) * columns - 0.5
        y = np.concatenate([along, still + 1, 1 - along, still]) * rows - 0.5
        ra, dec = self.meta["wcs"](x, y, with_bounding_box=False)
        return np.stack([np.mod(ra, 360), dec], axis=1)

    def pixels_of(self, plane: TangentPlane) -> ToImage:
        """The way from pixels of a plane to pixels of this image."""

        def to_image(x: Values, y: Values) -> tuple[Values, Values]:
            ra, dec = plane.sky(x, y)
            found = self.mapping(np.ravel(ra), np.ravel(dec))
            return found[0].reshape(np.shape(x)), found[1].reshape(np.shape(x))

        return to_image

    def areas(self, x: Values, y: Values) -> Values:
        """Solid angle of its pixels at places on it [sr]."""
        wcs, half = self.meta["wcs"], 0.5
        steps = ((half, 0), (-half, 0), (0, half), (0, -half))
        east, west, north, south = (
            _directions(*wcs(x + dx, y + dy, with_bounding_box=False)) for dx, dy in steps
        )
        return np.linalg.norm(np.cross(east - west, north - south), axis=-1)


@dataclass(frozen=True)
class Missing:
    """A file that was to contribute and cannot."""

    name: str
    error: RdmsError


def open_member(path: FilePath) -> Member:
    """Open an L2 image for mosaics.

    Raises
    ------
    FileError, FormatError
        If the file cannot be read, or is no L2 image.
    MetadataError
        If it has no WCS or no photometric calibration.
    UsageError
        If it is a spectrum.
    """
    file = open_tagged(path)
    tree = tree_of(file, RATE)
    meta = metadata_of(tree, file.name)
    arrays = _arrays(tree, file.name)
    _check(meta, file.name)
    shape = arrays["data"].shape
    mapping = pixel_map(meta["wcs"], (shape[0], shape[1]), AROUND)
    return Member(file.name, meta, arrays, mapping)


def open_members(paths: Sequence[FilePath], workers: int = 2) -> list[Member | Missing]:
    """Open many; what cannot be opened says why."""

    def attempt(path: FilePath) -> Member | Missing:
        try:
            return open_member(path)
        except RdmsError as error:
            return Missing(str(path).rpartition("/")[2], error)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(attempt, paths))


def _arrays(tree: dict[str, Any], name: str) -> dict[str, PixelArray]:
    present = [key for key in ("var_rnoise", "var_flat") if key in tree]
    arrays: dict[str, PixelArray] = {}
    for key in ("data", "dq", "err", "var_poisson", *present):
        require(tree, key, name)
        arrays[key] = tree[key]
        kind = {"data": "f4", "dq": "u4"}.get(key, "f2")
        old = kind == "f2" and getattr(tree[key], "dtype", None) == np.float32
        check_array(tree[key], key, "f4" if old else kind, 2, name)
    shapes = {key: tuple(array.shape) for key, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise MetadataError(f"The arrays of {name} have the shapes {shapes}.", "one shape")
    arrays.setdefault("var_rnoise", ReadNoise(arrays))
    return arrays


def _check(meta: Metadata, name: str) -> None:
    if not exposure_type(meta.exposure_type).is_imaging:
        raise UsageError(
            f"{name} is an exposure of the type {meta.exposure_type}.",
            "images: dispersed light has no place in a mosaic",
        )
    if meta.get("wcs") is None:
        raise MetadataError(
            f"{name} has no WCS.", "an image with a WCS", "run 'rdms calibrate' on its L1 file"
        )
    for key in ("photometry.conversion_megajanskys", "photometry.pixel_area"):
        value = meta.get(key)
        if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
            raise MetadataError(
                f"meta.{key} of {name} is {value!r}.",
                "a positive number",
                "run the step 'photom' on it: 'rdms calibrate'",
            )


def _directions(ra: Any, dec: Any) -> NDArray[np.float64]:
    """(..., 3) unit vectors."""
    lon, lat = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
