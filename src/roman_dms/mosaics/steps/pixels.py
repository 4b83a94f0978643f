"""The pixels of the images of a mosaic, each file read once.

Of an image everything is taken in one reading: its mesh of sky levels, the weights that
follow from its sky, and the pixels that lie on the mosaics.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.quality import Pixel
from roman_dms.mosaics.blocks import MARGIN
from roman_dms.mosaics.flux import FluxScale
from roman_dms.mosaics.geometry import Area, BlockMap, block_maps, block_size, blocks_of
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.sky_levels import SkyMesh, sky_mesh
from roman_dms.mosaics.steps.members import Member
from roman_dms.mosaics.steps.staging import Pool
from roman_dms.mosaics.weights import UNKNOWN, SkyNoise, Weighting, sky_noise
from roman_dms.products.arrays import PixelArray, rows_of
from roman_dms.sky.tessellation import SkyCell

AROUND = 4
"""Pixels of an image that are looked at around those under an area."""

Ways = Mapping[Area, BlockMap]
"""The way to an image from each block of a cell that it touches."""


@dataclass(frozen=True)
class Loaded:
    """What is kept of an image."""

    window: Area
    """Where its pixels lie on the detector."""

    data: NDArray[np.float32]
    """Surface brightness, the sky within; 0 where unusable [MJy / sr]."""

    usable: NDArray[np.bool_]

    variances: Mapping[str, NDArray[Any]]
    """By component, as in the file [DN2 / s2]."""

    scale: FluxScale

    mesh: SkyMesh
    """Sky of the whole image [MJy / sr]."""

    noise: SkyNoise
    """Variance where there is only sky, and what light adds [MJy2 / sr2]."""

    @property
    def blind(self) -> bool:
        """Whether no pixel of the image is usable."""
        return bool((self.noise.mesh >= UNKNOWN).all())

    @property
    def level(self) -> float:
        """The sky: median of its mesh [MJy / sr]."""
        known = self.mesh.level[np.isfinite(self.mesh.level)]
        return float(np.median(known)) if known.size else 0.0

    def part(
        self,
        window: Area,
        centre: tuple[float, float],
        offset: float,
        weighting: Weighting,
        exposure_time: float,
    ) -> InputImage:
        """The pixels of a window, less an offset, with their weights.

        Variances are scaled as at a centre (x, y), which is the same for all windows of a block
        of a mosaic: results must not depend on where a mosaic ends.
        """
        rows, columns = self.window.slices(window)
        squared = np.float32(self.scale.at(*centre) ** 2)
        usable = self.usable[rows, columns]
        return InputImage(
            window,
            self.data[rows, columns] - np.float32(offset),
            weighting(self.noise, window, usable, exposure_time),
            {
                name: values[rows, columns].astype(np.float32) * squared
                for name, values in self.variances.items()
            },
        )


@dataclass
class Pixels:
    """Reads images when they are first asked for, and keeps what mosaics need of them."""

    bad: int = int(Pixel.DO_NOT_USE)
    """Flags of pixels that are not used."""

    own_areas: bool = True
    """Whether a count rate is that of a pixel's own area, or of a nominal one."""

    pool: Pool = field(default_factory=Pool)

    _loaded: dict[str, Loaded] = field(default_factory=dict)
    _ways: dict[tuple[str, SkyCell], Ways] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(
        self, members: Sequence[Member], cells: Iterable[SkyCell], workers: int = 2
    ) -> dict[str, Loaded]:
        """What is kept of images for mosaics of some cells, by name."""
        cells = list(cells)
        missing = [member for member in members if member.name not in self._loaded]
        with ThreadPoolExecutor(workers) as pool:
            for member, loaded in zip(
                missing, pool.map(lambda one: self._read(one, cells), missing), strict=True
            ):
                self._loaded[member.name] = loaded
        return {member.name: self._loaded[member.name] for member in members}

    def forget(self, names: Iterable[str]) -> None:
        """Give up what is kept of images that are done with."""
        for name in list(names):
            self._loaded.pop(name, None)
            for key in [key for key in self._ways if key[0] == name]:
                del self._ways[key]

    def ways(self, member: Member, cell: SkyCell) -> Ways:
        """The blocks of a cell that an image touches."""
        key = (member.name, cell)
        if key not in self._ways:
            self._ways[key] = _ways(member, cell)
        return self._ways[key]

    def _read(self, member: Member, cells: Sequence[SkyCell]) -> Loaded:
        rows, columns = member.shape
        scale = self._scale(member)
        rate, flags = (_whole(member.arrays[key]) for key in ("data", "dq"))
        data, usable = scale.apply(rate, flags, self.bad)
        del rate, flags
        variances = {name: _whole(member.arrays[name]) for name in member.components}
        middle = scale.at(columns / 2, rows / 2)
        mesh = sky_mesh(data, usable)
        noise = sky_noise(data, variances, usable, factor=middle**2)
        window = self._window(member, cells)
        at = Area(0, 0, columns, rows).slices(window)
        keep = self.pool.kept
        return Loaded(
            window,
            keep(data[at]),
            keep(usable[at]),
            {name: keep(values[at]) for name, values in variances.items()},
            scale,
            mesh,
            noise,
        )

    def _scale(self, member: Member) -> FluxScale:
        areas = None
        if self.own_areas:
            areas = member.areas(*FluxScale.places(member.shape))
        return FluxScale.of(member.brightness, member.pixel_area, areas)

    def _window(self, member: Member, cells: Sequence[SkyCell]) -> Area:
        """The smallest rectangle with all pixels that lie on the cells."""
        parts = [
            window
            for cell in cells
            for block, way in self.ways(member, cell).items()
            if (window := _seen(way, block, cell, member)) is not None
        ]
        if not parts:
            return Area(0, 0, 0, 0)
        x0, y0 = min(part.x0 for part in parts), min(part.y0 for part in parts)
        x1 = max(part.x0 + part.columns for part in parts)
        y1 = max(part.y0 + part.rows for part in parts)
        return Area(x0, y0, x1 - x0, y1 - y0)


def area_of(cell: SkyCell) -> Area:
    """The pixels of a cell on the grid of its region."""
    x0, y0 = cell.grid_origin
    rows, columns = cell.shape
    return Area(x0, y0, columns, rows)


def blocks_of_cell(cell: SkyCell) -> list[Area]:
    """The blocks that a cell touches."""
    return list(blocks_of(area_of(cell), block_size(cell.plane.scale)))


def _ways(member: Member, cell: SkyCell) -> Ways:
    blocks = blocks_of_cell(cell)
    maps = block_maps(member.pixels_of(cell.grid_plane), blocks, MARGIN)
    ways: dict[Area, BlockMap] = {}
    for block, way in zip(blocks, maps, strict=True):
        if way is not None and _seen(way, block, cell, member) is not None:
            way.check()
            ways[block] = way
    return ways


def _seen(way: BlockMap, block: Area, cell: SkyCell, member: Member) -> Area | None:
    """The pixels of an image around the part of a block that a cell has."""
    part = block.within(area_of(cell))
    return way.window(part.grown(MARGIN), member.shape, AROUND) if part else None


def _whole(array: PixelArray) -> NDArray[Any]:
    return rows_of(array, 0, array.shape[0])
