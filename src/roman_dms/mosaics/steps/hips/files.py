"""The files of a HiPS: where tiles lie, what they say of themselves."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.mosaics.hips.tiles import WIDTH, tile_wcs

Image = NDArray[np.float32]

PAGE = "index.html"
PROPERTIES = "properties"
SOURCES = "sources.json"
_RECORD = "MADEOF"
"""Keyword, or text, that says what a tile was made of."""
_BLOCK = 2880


@dataclass(frozen=True)
class Folder:
    """A HiPS on the disk."""

    path: Path

    def tile(self, order: int, number: int, suffix: str = "fits") -> Path:
        """Where a tile lies."""
        folder = self.path / f"Norder{order}" / f"Dir{number // 10000 * 10000}"
        return folder / f"Npix{number}.{suffix}"

    def coverage(self, order: int, number: int) -> Path:
        """Where the share of the area of each pixel lies that is covered.

        A tile has such a file only if it is not all or nothing.
        """
        return Folder(self.path / "coverage").tile(order, number)

    def tiles(self, order: int, suffix: str = "fits") -> NDArray[np.int64]:
        """Numbers of the tiles that are there, in order."""
        found = (self.path / f"Norder{order}").glob(f"Dir*/Npix*.{suffix}")
        return np.array(sorted(int(path.stem[4:]) for path in found), np.int64)

    @property
    def is_started(self) -> bool:
        """Whether we began to make a HiPS here."""
        return (self.path / SOURCES).exists()

    @property
    def is_finished(self) -> bool:
        """Whether it can be looked at."""
        return (self.path / PROPERTIES).exists()

    def prepare(self, *, add: bool, overwrite: bool) -> None:
        """Make the folder, or see that what is in it may be touched.

        Raises
        ------
        UsageError
            If it holds anything else than a HiPS of ours that was not finished, or one that is to
            be added to or overwritten.
        """
        if add and overwrite:
            raise UsageError("Both --add and --overwrite were given.", "one of them")
        if add and not self.is_started:
            raise UsageError(
                f"The folder {self.path} holds no HiPS to add to.",
                "one that 'rdms hips' made",
                "leave --add out to make one",
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            occupied = any(self.path.iterdir())
        except OSError as error:
            raise FileError(f"The folder {self.path} cannot be made: {error}.") from error
        if occupied and not self.is_started:
            raise UsageError(
                f"The folder {self.path} is not empty.", "a new folder, or an empty one"
            )
        if occupied and self.is_finished and not (add or overwrite):
            raise UsageError(
                f"There is a HiPS in {self.path}.",
                "a new folder",
                "--add puts more mosaics in, --overwrite begins again",
            )
        if overwrite:
            self._empty()

    def _empty(self) -> None:
        (self.path / PROPERTIES).unlink(missing_ok=True)
        for part in (*self.path.glob("Norder*"), *(self.path / name for name in _FOLDERS)):
            shutil.rmtree(part, ignore_errors=True)
        for name in ("Moc.fits", PAGE, SOURCES):
            (self.path / name).unlink(missing_ok=True)


_FOLDERS = ("coverage", "red", "green", "blue")


@contextlib.contextmanager
def placing(path: Path) -> Iterator[BinaryIO]:
    """A file beside ``path`` that takes its place when it is complete.

    Tiles are many and can be made again: unlike ``replacing`` this does not wait for the disk, and
    what a kill leaves behind has one name, that the next run writes over.
    """
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise FileError(
            f"The tile {path} cannot be written: {error.strerror or error}.",
            "a folder that can be written to, with enough space",
            "make space and run again: what was written stays",
        ) from error


def write_tile(path: Path, image: Image, order: int, number: int, made_of: str) -> None:
    """Write a FITS tile."""
    header = fits.Header()
    header["ORDER"] = (order, "order of the tile")
    header["NPIX"] = (number, "number of the tile, nested")
    header[_RECORD] = (made_of, "digest of what it was made of")
    header["BUNIT"] = "MJy/sr"
    for key, value in tile_wcs(order, number).items():
        header[key] = value
    write_image(path, header, image)


def write_image(path: Path, header: fits.Header, image: Image) -> None:
    """Write an image as the only part of a FITS file."""
    shape = {"NAXIS1": image.shape[1], "NAXIS2": image.shape[0]}
    whole = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2} | shape)
    whole.extend(header)
    content = image.astype(">f4").tobytes()
    with placing(path) as file:
        file.write(whole.tostring().encode())
        file.write(content)
        file.write(bytes(-len(content) % _BLOCK))


_PIXELS = 4 * WIDTH * WIDTH
_TILE = _BLOCK + _PIXELS + -_PIXELS % _BLOCK
"""Size of a FITS tile, whose header fills one block [byte]."""


def read_tile(path: Path) -> Image:
    """The pixels of a FITS tile.

    Raises
    ------
    FileError, FormatError
        If the tile cannot be read, or is none of ours.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"The tile {path} cannot be read: {error}.") from error
    if len(content) != _TILE or _keyword(content[:_BLOCK]) is None:
        raise FormatError(
            f"The tile {path} is damaged, or not one that 'rdms hips' made.",
            f"a FITS image of {WIDTH} x {WIDTH} pixels, float32",
            "delete it and make the HiPS again with --overwrite",
        )
    pixels = np.frombuffer(content, ">f4", WIDTH * WIDTH, _BLOCK)
    return pixels.reshape(WIDTH, WIDTH).astype(np.float32)


def made_of(path: Path) -> str | None:
    """What a FITS tile was made of; None where there is none that is whole."""
    try:
        with path.open("rb") as file:
            return _keyword(file.read(_BLOCK)) if os.fstat(file.fileno()).st_size == _TILE else None
    except FileNotFoundError:
        return None


def _keyword(header: bytes) -> str | None:
    start = header.find(_RECORD.encode())
    return header[start:].split(b"'")[1].decode().strip() if start >= 0 else None


def write_picture(path: Path, pixels: NDArray[np.uint8], made_of: str, quality: int = 90) -> None:
    """Write a picture, PNG or JPEG, of an image whose first row is its lowest.

    Parameters
    ----------
    pixels
        (rows, columns, 2 or 4): grey or red, green and blue, and opacity, which a JPEG shows on
        black.
    quality
        Of a JPEG, up to 100.
    """
    upright = np.ascontiguousarray(pixels[::-1])
    with placing(path) as file:
        if path.suffix == ".png":
            record = PngInfo()
            record.add_text(_RECORD, made_of)
            picture = Picture.fromarray(upright)
            picture.save(file, format="png", compress_level=1, pnginfo=record)
        else:
            shown = np.where(upright[..., -1:] > 0, upright[..., :-1], 0).astype(np.uint8)
            picture = Picture.fromarray(shown[..., 0] if shown.shape[-1] == 1 else shown)
            picture.save(file, format="jpeg", quality=quality, comment=made_of.encode())


def picture_made_of(path: Path) -> str | None:
    """What a picture was made of; None where there is none that is whole."""
    try:
        with Picture.open(path) as picture:
            if picture.format == "PNG":
                return picture.info.get(_RECORD)
            comment = picture.info.get("comment", b"")
            return comment.decode() if isinstance(comment, bytes) else str(comment)
    except (FileNotFoundError, UnidentifiedImageError):
        return None
