"""Scenes in files: Parquet, ECSV or FITS."""

from __future__ import annotations

import os
from pathlib import Path

from roman_dms.errors import FormatError, UsageError
from roman_dms.formats.tables import read_table, write_table
from roman_dms.formats.writing import replacing
from roman_dms.simulation.scenes.picture import draw_picture
from roman_dms.simulation.scenes.scene import Scene


def read_scene(path: str | os.PathLike[str]) -> Scene:
    """Read a scene: one of ours, of romanisim, or of anyone who has the columns.

    Raises
    ------
    FileError
        Where the file is missing or truncated.
    FormatError
        Where it is no table, or no scene; row and column are named.
    """
    table = read_table(path)
    try:
        return Scene(table)
    except FormatError as error:
        raise FormatError(f"{path}: {error.found}", error.expected, error.remedy) from error


def write_scene(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Write a scene with its units, descriptions and metadata.

    Raises
    ------
    FileError
        Where the file cannot be written.
    """
    write_table(scene.table, path)


def write_preview(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Draw a scene as a PNG.

    Raises
    ------
    UsageError
        For an empty scene.
    FileError
        Where the file cannot be written.
    """
    if not len(scene):
        raise UsageError("An empty scene has no picture.", "a scene with sources")
    with replacing(Path(path)) as file:
        draw_picture(scene, file)
