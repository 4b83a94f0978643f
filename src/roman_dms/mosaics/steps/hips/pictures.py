"""Pictures of tiles: grey ones of a band, colour ones of three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from roman_dms.mosaics.hips.colour import Palette, Stretch, colour, grey
from roman_dms.mosaics.hips.tiles import WIDTH
from roman_dms.mosaics.steps.hips.building import Numbers, allsky
from roman_dms.mosaics.steps.hips.files import (
    Folder,
    made_of,
    picture_made_of,
    read_tile,
    write_picture,
)
from roman_dms.mosaics.steps.hips.sources import digest

Image = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_SAMPLED = 64
"""Tiles of the deepest order that tell what a survey looks like."""
_EVERY = 8
"""Every eighth row and column of them."""


def sample(folder: Folder, order: int) -> Image:
    """Pixels from all over a survey."""
    found = folder.tiles(order)
    chosen = found[:: max(-(-found.size // _SAMPLED), 1)].tolist()
    parts = [read_tile(folder.tile(order, tile))[::_EVERY, ::_EVERY].ravel() for tile in chosen]
    values = np.concatenate([np.empty(0, np.float32), *parts])
    return values[np.isfinite(values)]


class Drawing(Protocol):
    """How the picture of a tile is made."""

    def tiles(self, order: int) -> Numbers:
        """Numbers of the tiles of an order."""

    def content(self, order: int, tile: int) -> str | None:
        """What the picture is made of; None where there is nothing to draw."""

    def draw(self, order: int, tile: int) -> Pixels:
        """The picture, its first row the lowest."""

    def allsky(self) -> Pixels:
        """The picture of the whole sky."""


@dataclass(frozen=True)
class Grey:
    """One band."""

    folder: Folder
    stretch: Stretch

    def tiles(self, order: int) -> Numbers:
        """Numbers of the tiles of an order."""
        return self.folder.tiles(order)

    def content(self, order: int, tile: int) -> str | None:
        """What the picture is made of."""
        made = made_of(self.folder.tile(order, tile))
        return made and digest(made, self.stretch)

    def draw(self, order: int, tile: int) -> Pixels:
        """The picture of a tile."""
        return grey(read_tile(self.folder.tile(order, tile)), self.stretch)

    def allsky(self) -> Pixels:
        """The picture of the whole sky."""
        return grey(allsky(self.folder), self.stretch)


@dataclass(frozen=True)
class Colour:
    """Red, green and blue."""

    folders: Sequence[Folder]
    palette: Palette

    def tiles(self, order: int) -> Numbers:
        """Numbers of the tiles of an order, of any band."""
        return np.unique(np.concatenate([folder.tiles(order) for folder in self.folders]))

    def content(self, order: int, tile: int) -> str | None:
        """What the picture is made of."""
        made = [made_of(folder.tile(order, tile)) for folder in self.folders]
        return digest(*made, self.palette) if any(made) else None

    def draw(self, order: int, tile: int) -> Pixels:
        """The picture of a tile."""
        paths = [folder.tile(order, tile) for folder in self.folders]
        nothing = np.full((WIDTH, WIDTH), np.nan, np.float32)
        bands = [read_tile(path) if path.exists() else nothing for path in paths]
        return colour(bands, self.palette)

    def allsky(self) -> Pixels:
        """The picture of the whole sky."""
        return colour([allsky(folder) for folder in self.folders], self.palette)


def write_tile_picture(
    folder: Folder, drawing: Drawing, suffix: str, order: int, tile: int
) -> None:
    """Make the picture of a tile, unless it is there."""
    path, content = folder.tile(order, tile, suffix), drawing.content(order, tile)
    if content is None:
        path.unlink(missing_ok=True)
    elif picture_made_of(path) != content:
        write_picture(path, drawing.draw(order, tile), content)
