"""A HiPS from mosaics, from files to a folder that a viewer opens."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from astropy.io import fits

from roman_dms.errors import UsageError
from roman_dms.formats.sources import FilePath
from roman_dms.formats.writing import replacing
from roman_dms.mosaics.hips import tiles
from roman_dms.mosaics.hips.colour import Palette, Stretch, palette_for, stretch_for
from roman_dms.mosaics.steps.hips import building, metadata, pictures
from roman_dms.mosaics.steps.hips.building import Numbers
from roman_dms.mosaics.steps.hips.files import (
    PAGE,
    PROPERTIES,
    SOURCES,
    Folder,
    write_image,
    write_picture,
)
from roman_dms.mosaics.steps.hips.metadata import Properties
from roman_dms.mosaics.steps.hips.page import page_of
from roman_dms.mosaics.steps.hips.sources import (
    Plan,
    Source,
    check_alike,
    digest,
    merged,
    read_source,
    read_sources,
    write_sources,
)

PictureFormat = Literal["png", "jpg"]
Watch = Callable[[str, int, int], None]
"""Told what is made, how many tiles of it are done and how many there are."""


def _unwatched(_what: str, _done: int, _of: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class Request:
    """What a HiPS is to be like."""

    order: int | None = None
    """Deepest order; by default the first that is no coarser than the mosaics, or that of the
    HiPS that is added to."""
    add: bool = False
    """Whether to put mosaics into a HiPS that is finished."""
    overwrite: bool = False
    """Whether to begin it again."""
    any_element: bool = False
    """Whether to mix filters."""
    pictures: tuple[PictureFormat, ...] = ("png",)
    cuts: tuple[float, float] | None = None
    """Surface brightness of black and white [MJy/sr]; by default from the data."""
    title: str = ""
    workers: int = 0
    """Threads; 0 for all cores."""


def make_hips(
    files: Sequence[FilePath], path: Path, request: Request, watch: Watch = _unwatched
) -> Properties:
    """Make a HiPS of one band, or add mosaics to it.

    A run that was killed goes on where it was when it is started again.

    Returns
    -------
    dict
        The properties that were written.

    Raises
    ------
    UsageError
        Without mosaics, for different filters, an order out of range, a folder with other things.
    FileError, FormatError
        If a mosaic or a tile is missing or damaged, or the folder cannot be written.
    """
    new = [read_source(file) for file in files]
    folder = Folder(path)
    check_names(new, path)
    if request.order is not None:
        tiles.check_order(request.order)
    if not request.any_element:
        check_alike([*(read_sources(path / SOURCES) if request.add else []), *new])
    folder.prepare(add=request.add, overwrite=request.overwrite)
    sources = merged(read_sources(path / SOURCES), new)
    if not request.any_element:
        check_alike(sources)
    order = _order(folder, sources, request.order)
    write_sources(sources, path / SOURCES)
    with ThreadPoolExecutor(request.workers or os.cpu_count() or 1) as pool:
        changed = build_band(folder, sources, order, pool, watch)
        old = metadata.read_properties(path / PROPERTIES)
        stretch, seen = _stretch(folder, order, request.cuts, old)
        known = {_SOFT: _text(stretch), "hips_tile_format": _formats(request.pictures, "fits")}
        if not known.items() <= old.items():  # pictures of all tiles are to be looked at
            changed = {level: folder.tiles(level) for level in range(order + 1)}
        draw(folder, pictures.Grey(folder, stretch), changed, request.pictures, pool, watch)
    properties = _finish(folder, sources, order, request, old)
    properties |= known | {
        "hips_pixel_cut": f"{stretch.black:.6g} {stretch.white:.6g}",
        "hips_data_range": seen,
        "hips_bunit": "MJy/sr",
    }
    write_properties(folder, properties)
    write_sources([dataclasses.replace(one, finished=True) for one in sources], path / SOURCES)
    return properties


_SOFT, _PALETTE = "roman_stretch", "roman_palette"
"""Our own properties: how pictures were drawn, so that others that are added look like them."""


def _formats(suffixes: Sequence[PictureFormat], *others: str) -> str:
    """Formats of tiles as properties name them."""
    return " ".join([*({"png": "png", "jpg": "jpeg"}[suffix] for suffix in suffixes), *others])


def _text(drawn: Stretch | Palette) -> str:
    """Numbers of a stretch or a palette as a property has them."""
    return " ".join(repr(float(value)) for value in np.hstack(dataclasses.astuple(drawn)))


def check_names(sources: Sequence[Source], path: Path) -> None:
    """Refuse no mosaics at all, and different ones under one name.

    Raises
    ------
    UsageError
        In either case.
    """
    names: dict[str, Source] = {}
    for source in sources:
        if names.setdefault(source.name, source).content != source.content:
            raise UsageError(
                f"Two mosaics are called {source.name}.", "a name each, of its own content"
            )
    if not sources and not (path / SOURCES).exists():
        raise UsageError("No mosaics were named.", "L3 files", "'rdms hips --help' has examples")


def _order(folder: Folder, sources: Sequence[Source], wanted: int | None) -> int:
    """The deepest order, that of the tiles that are there if there are any."""
    kept = [int(part.name[6:]) for part in folder.path.glob("Norder*")]
    before = max(kept, default=None)
    if before is None:
        finest = min(source.plane.scale for source in sources)
        return tiles.order_for(finest) if wanted is None else wanted
    if wanted is not None and wanted != before:
        raise UsageError(
            f"The HiPS in {folder.path} has the order {before}, not {wanted}.",
            "the same order",
            "leave --order out, or make another HiPS",
        )
    return before


def build_band(
    folder: Folder, sources: Sequence[Source], order: int, pool: ThreadPoolExecutor, watch: Watch
) -> dict[int, Numbers]:
    """FITS tiles of all orders, those that unfinished mosaics touch, which are returned."""
    plan = Plan(sources, order)
    changed = plan.touched({source.name for source in sources if not source.finished})
    (folder.path / f"Norder{order}").mkdir(exist_ok=True)  # says which order is the deepest
    building.build_deepest(folder, plan, changed, pool, _counting(watch, "tiles", changed.size))
    every = {order: changed}
    for lower in range(order - 1, -1, -1):
        every[lower] = tiles.parents(every[lower + 1])
    count = sum(numbers.size for numbers in every.values()) - changed.size
    advance = _counting(watch, "lower orders", count)
    for lower in range(order - 1, -1, -1):
        building.build_parents(folder, lower, every[lower], pool, advance)
    return every


def _counting(watch: Watch, what: str, count: int) -> building.Advance:
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        watch(what, done, count)

    watch(what, 0, count)
    return advance


def _stretch(
    folder: Folder, order: int, cuts: tuple[float, float] | None, old: Mapping[str, str]
) -> tuple[Stretch, str]:
    """How pictures are drawn, as before if there are any, and the range of the data."""
    values = pictures.sample(folder, order)
    seen = f"{values.min():.6g} {values.max():.6g}" if values.size else "0 1"
    stretch = stretch_for(values)
    if cuts:
        black, white = cuts
        return Stretch(black, white, min(stretch.soft, abs(white - black) or 1.0)), seen
    if _SOFT in old:
        stretch = Stretch(*map(float, old[_SOFT].split()))
    return stretch, seen


def draw(
    folder: Folder, drawing: pictures.Drawing, wanted: Mapping[int, Numbers],
    formats: Sequence[PictureFormat], pool: ThreadPoolExecutor, watch: Watch,
) -> None:  # fmt: skip
    """Pictures of some tiles by their orders, those that are not there, and of the whole sky."""
    every = [(order, tile) for order, numbers in wanted.items() for tile in numbers.tolist()]
    advance = _counting(watch, "pictures", len(every) * len(formats))
    for suffix in formats:

        def make(place: tuple[int, int]) -> None:
            pictures.write_tile_picture(folder, drawing, suffix, *place)  # noqa: B023
            advance(1)

        list(pool.map(make, every))
        path = folder.path / f"Norder{tiles.ALLSKY_ORDER}" / f"Allsky.{suffix}"
        write_picture(path, drawing.allsky(), "Allsky")


def _finish(
    folder: Folder, sources: Sequence[Source], order: int, request: Request, old: Properties
) -> Properties:
    """The small files of a band but for the properties, which are returned."""
    path = folder.path / f"Norder{tiles.ALLSKY_ORDER}" / "Allsky.fits"
    write_image(path, fits.Header(), building.allsky(folder))
    fraction = metadata.write_moc(folder, order, folder.tiles(order))
    elements = " ".join(sorted({source.element for source in sources}))
    title = request.title or old.get("obs_title") or f"Roman WFI {elements}"
    properties = metadata.described(sources, order, title, fraction)
    for key in ("hips_creation_date", "creator_did"):
        properties[key] = old.get(key, properties[key])
    return properties


def write_properties(folder: Folder, properties: Mapping[str, str]) -> None:
    """The page that shows the HiPS, and the last file, which says that it is there."""
    with replacing(folder.path / PAGE) as file:
        file.write(page_of(properties).encode())
    with replacing(folder.path / PROPERTIES) as file:
        file.write(metadata.properties_text(properties).encode())


@dataclass(frozen=True)
class Colours:
    """Mosaics of three bands."""

    red: Sequence[FilePath]
    green: Sequence[FilePath]
    blue: Sequence[FilePath]
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on the bands."""


def make_colour_hips(
    colours: Colours, path: Path, request: Request, watch: Watch = _unwatched
) -> Properties:
    """Make a HiPS in colour; those of its bands lie in it, in ``red``, ``green``, ``blue``.

    Raises
    ------
    UsageError, FileError, FormatError
        As ``make_hips``, and if the bands are not of one order.
    """
    bands = {"red": colours.red, "green": colours.green, "blue": colours.blue}
    sources = {name: [read_source(file) for file in files] for name, files in bands.items()}
    for name, some in sources.items():
        if not some:
            raise UsageError(f"No mosaics were named for {name}.", "mosaics for all three colours")
    every = [source for some in sources.values() for source in some]
    order = request.order or tiles.order_for(min(source.plane.scale for source in every))
    tiles.check_order(order)
    folder = Folder(path)
    folder.prepare(add=request.add, overwrite=request.overwrite)
    write_sources([], path / SOURCES)
    own = dataclasses.replace(
        request, order=None if request.add else order, overwrite=False, pictures=(), title="",
        cuts=None,
    )  # fmt: skip
    for name, files in bands.items():
        part = dataclasses.replace(own, add=(path / name / PROPERTIES).exists())
        make_hips(files, path / name, part, lambda what, n, of: watch(f"{name}: {what}", n, of))  # noqa: B023
    return _colour(folder, request, colours.balance, watch)


def _colour(
    folder: Folder, request: Request, balance: tuple[float, float, float], watch: Watch
) -> Properties:
    """Colour tiles out of the bands."""
    bands = [Folder(folder.path / name) for name in ("red", "green", "blue")]
    described = [metadata.read_properties(band.path / PROPERTIES) for band in bands]
    orders = {int(properties["hips_order"]) for properties in described}
    if len(orders) > 1:
        raise UsageError(f"The bands have the orders {sorted(orders)}.", "one order for all three")
    order = orders.pop()
    old = metadata.read_properties(folder.path / PROPERTIES)
    palette = palette_for([pictures.sample(band, order) for band in bands], balance)
    if _PALETTE in old:
        numbers = list(map(float, old[_PALETTE].split()))
        palette = Palette((*numbers[:3],), (*numbers[3:6],), numbers[6])  # type: ignore[arg-type]
    drawing = pictures.Colour(bands, palette)
    formats = request.pictures or ("png",)
    with ThreadPoolExecutor(request.workers or os.cpu_count() or 1) as pool:
        wanted = {level: drawing.tiles(level) for level in range(order + 1)}
        draw(folder, drawing, wanted, formats, pool, watch)
    sources = [one for band in bands for one in read_sources(band.path / SOURCES)]
    fraction = metadata.write_moc(folder, order, drawing.tiles(order))
    elements = " ".join(sorted({source.element for source in sources}, reverse=True))
    title = request.title or f"Roman WFI {elements}"
    properties = metadata.described(sources, order, title, fraction)
    del properties["hips_pixel_bitpix"]
    properties |= {
        "creator_did": f"ivo://roman-dms/P/{digest('colour', title)}",
        "dataproduct_subtype": "color",
        "hips_tile_format": _formats(formats),
        _PALETTE: _text(palette),
    }
    write_properties(folder, properties)
    return properties
