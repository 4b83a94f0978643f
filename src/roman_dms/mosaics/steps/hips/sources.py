"""The mosaics that a HiPS is made of, and which of its tiles each one touches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.mosaics import MOSAIC
from roman_dms.formats.sources import FilePath
from roman_dms.formats.trees import TaggedFile, open_tagged
from roman_dms.formats.writing import replacing
from roman_dms.mosaics.hips.sampling import binned
from roman_dms.mosaics.hips.tiles import Projection, Values, pixel_scale, tiles_within
from roman_dms.sky.tangent import TangentPlane

Image = NDArray[np.float32]

_VERSION = "1"
"""Of what becomes of mosaics; tiles by another one are made again."""


@dataclass(frozen=True)
class Source:
    """A mosaic as a HiPS remembers it."""

    name: str
    """Of the file, without its folder."""
    path: str
    content: str
    """Digest of its metadata and of the checksums of its arrays."""
    element: str
    """Optical element."""
    plane: TangentPlane
    shape: tuple[int, int]
    """(rows, columns)."""
    times: tuple[float, float] | None = None
    """MJD of the first and the last exposure."""
    finished: bool = False
    """Whether all its tiles were written."""

    def corners(self) -> tuple[Values, Values]:
        """Right ascension and declination of the corners [deg]."""
        rows, columns = self.shape
        x = np.array([0, columns, columns, 0]) - 0.5
        y = np.array([0, 0, rows, rows]) - 0.5
        return self.plane.sky(x, y)

    def tiles(self, order: int) -> NDArray[np.int64]:
        """Tiles of an order that it touches."""
        return tiles_within(order, *self.corners())

    def binning(self, order: int) -> int:
        """Pixels on a side of the squares that are no larger than those of an order."""
        return 1 << max(int(np.floor(np.log2(pixel_scale(order) / self.plane.scale))), 0)

    def projection(self, order: int) -> Projection:
        """From positions to pixels of what ``read`` gives."""
        factor = self.binning(order)

        def project(ra: Values, dec: Values) -> tuple[Values, Values]:
            x, y = self.plane.pixels(ra, dec)
            return (x + 0.5) / factor - 0.5, (y + 0.5) / factor - 0.5

        return project

    def read(self, order: int) -> tuple[Image, Image]:
        """Its image, NaN where it has nothing, and its weight, as an order needs them.

        Raises
        ------
        FileError
            If the file is gone, or no longer what it was.
        """
        try:
            file = open_tagged(self.path)
        except FileError as error:
            raise FileError(
                f"The mosaic {self.path} shares tiles with what is added: {error.found}",
                "all mosaics where they were when the HiPS was made",
                "put it back, or name it again at its new place with --add",
            ) from error
        if _content(file) != self.content:
            raise FileError(
                f"The mosaic {self.path} has changed since it was added.",
                remedy="name it again with --add",
            )
        image, weight = (np.asarray(file.live(file.roman[key])) for key in ("data", "weight"))
        empty = ~(np.isfinite(image) & (weight > 0))
        image[empty], weight[empty] = np.nan, 0
        factor = self.binning(order)
        return (image, weight) if factor == 1 else binned(image, weight, factor)


def read_source(path: FilePath) -> Source:
    """What a HiPS has to know of a mosaic; its pixels stay in the file.

    Raises
    ------
    FileError
        If it cannot be read.
    FormatError
        If it is no mosaic, or one that lies on no tangent plane.
    """
    file = open_tagged(path)
    if file.schema != MOSAIC:
        raise FormatError(f"The file {file.name} holds a {file.schema}.", f"a {MOSAIC} (L3)")
    meta = file.live(file.roman.get("meta", {}), foreign=False)
    arrays = [file.roman.get(key) for key in ("data", "weight")]
    if any(not isinstance(array, Mapping) for array in arrays):
        raise FormatError(f"The mosaic {file.name} lacks 'data' or 'weight'.", "both arrays")
    shapes = {tuple(file.live(array).shape) for array in arrays}
    shape = shapes.pop()
    if shapes or len(shape) != 2:
        raise FormatError(f"'data' and 'weight' of {file.name} differ in shape.", "images alike")
    plane = TangentPlane.of_wcsinfo(meta.get("wcsinfo", {}))
    element = str(meta.get("instrument", {}).get("optical_element", ""))
    whole = Path(str(path)).resolve()
    return Source(
        whole.name, str(whole), _content(file), element, plane, (shape[0], shape[1]), _times(meta)
    )


def _content(file: TaggedFile) -> str:
    digest = hashlib.sha1(file.container.header, usedforsecurity=False)
    for block in file.container.blocks:
        digest.update(block.checksum)
    return digest.hexdigest()


def _times(meta: Mapping[str, Any]) -> tuple[float, float] | None:
    info = meta.get("coadd_info", {})
    first, last = info.get("time_first"), info.get("time_last")
    mjd = [getattr(time, "mjd", None) for time in (first, last)]
    return None if None in mjd else (float(mjd[0]), float(mjd[1]))  # type: ignore[arg-type]


def check_alike(sources: Sequence[Source]) -> None:
    """Refuse mosaics of different filters.

    Raises
    ------
    UsageError
        If there are any.
    """
    elements = sorted({source.element for source in sources})
    if len(elements) > 1:
        raise UsageError(
            f"The mosaics are of {len(elements)} filters: {', '.join(elements)}.",
            "one filter",
            "make one HiPS a filter, a colour one with --red, --green, --blue, or say --any",
        )


class Plan:
    """Which mosaics each tile of the deepest order is made of."""

    def __init__(self, sources: Iterable[Source], order: int) -> None:
        self.sources = sorted(sources, key=lambda source: source.name)
        self.order = order
        touched = [source.tiles(order) for source in self.sources]
        numbers = np.repeat(np.arange(len(touched)), [tiles.size for tiles in touched])
        tiles = np.concatenate(touched) if touched else np.empty(0, np.int64)
        by_tile = np.argsort(tiles, kind="stable")
        self._tiles, self._numbers = tiles[by_tile], numbers[by_tile]

    def touched(self, names: set[str]) -> NDArray[np.int64]:
        """Tiles of some of the mosaics, in order."""
        wanted = np.array([source.name in names for source in self.sources], bool)
        return np.unique(self._tiles[wanted[self._numbers]])

    def of(self, tile: int) -> list[int]:
        """Numbers of the mosaics that a tile is made of."""
        first, last = np.searchsorted(self._tiles, [tile, tile + 1])
        return self._numbers[first:last].tolist()

    def content(self, tile: int) -> str:
        """Digest of all that a tile is made of."""
        return digest(_VERSION, self.order, *(self.sources[n].content for n in self.of(tile)))


def digest(*parts: object) -> str:
    """A short name for all of the parts."""
    text = "|".join(map(str, parts))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:16]


def write_sources(sources: Iterable[Source], path: Path) -> None:
    """Write the list of the mosaics."""
    with replacing(path) as file:
        file.write(json.dumps([asdict(source) for source in sources], indent=1).encode())


def read_sources(path: Path) -> list[Source]:
    """The list of the mosaics; empty where there is none.

    Raises
    ------
    FormatError
        If the list is damaged.
    """
    if not path.exists():
        return []
    try:
        return [_source(record) for record in json.loads(path.read_bytes())]
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(
            f"The list of mosaics {path} is damaged: {error}.",
            "what 'rdms hips' wrote",
            "make the HiPS again with --overwrite",
        ) from error


def _source(record: dict[str, Any]) -> Source:
    plane = record["plane"]
    (a, b), (c, d) = plane.pop("matrix")
    rows, columns = record["shape"]
    times = record["times"] and tuple(record["times"])
    whole = TangentPlane(**plane, matrix=((a, b), (c, d)))
    return Source(**record | {"plane": whole, "shape": (rows, columns), "times": times})


def merged(old: Iterable[Source], new: Iterable[Source]) -> list[Source]:
    """Both, by name; what is as it was stays finished."""
    known = {source.name: source for source in old}
    for source in new:
        before = known.get(source.name)
        same = before is not None and before.content == source.content
        known[source.name] = replace(source, finished=bool(same and before and before.finished))
    return list(known.values())
