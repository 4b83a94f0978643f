"""A map of sky cells and of the images on them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.formats.writing import replacing
from roman_dms.sky.tangent import gnomonic, unit_vectors
from roman_dms.sky.tessellation import SkyCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.float64]

_NAMED = 150
"""Cells that still get their names; more would be a blot."""

_COLOURS = ("#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#17becf", "#bcbd22")
"""One for each projection region, in turn."""


def draw_sky_cells(
    cells: Sequence[SkyCell],
    path: str | os.PathLike[str],
    *,
    footprints: Sequence[Values] = (),
    title: str = "",
) -> None:
    """Draw cells with their borders as a PNG, north up and east to the left.

    Cells of the same projection region have the same colour.

    Parameters
    ----------
    cells
        At least one.
    footprints
        Corners of images, each (n, 2): right ascension and declination [deg].

    Raises
    ------
    UsageError
        For no cells, or cells all over the sky.
    FileError
        Where the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    if not cells:
        raise UsageError("There is no sky cell to draw.", "one cell or more")
    corners = np.stack([cell.corners for cell in cells])
    ra, dec = _middle(corners)
    outlines = _projected(corners, ra, dec)
    figure = Figure(figsize=(8, 8), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    _draw_cells(axes, cells, outlines)
    _draw_footprints(axes, [_projected(corner, ra, dec) for corner in footprints])
    axes.autoscale()
    axes.set_aspect("equal")
    axes.invert_xaxis()
    axes.set_xlabel("to the east [deg]")
    axes.set_ylabel("to the north [deg]")
    axes.set_title(title or f"{len(cells)} sky cells around {ra:.4f}, {dec:+.4f} deg")
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png")


def _draw_cells(axes: Axes, cells: Sequence[SkyCell], outlines: Values) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415

    planes = list(dict.fromkeys((cell.plane.ra, cell.plane.dec) for cell in cells))
    colours = {plane: _COLOURS[n % len(_COLOURS)] for n, plane in enumerate(planes)}
    colour = [colours[cell.plane.ra, cell.plane.dec] for cell in cells]
    faint = [f"{one}14" for one in colour]
    axes.add_collection(
        PolyCollection(list(outlines), facecolor=faint, edgecolor=colour, linewidth=0.6)
    )
    if len(cells) <= _NAMED:
        size = float(np.clip(40 / np.sqrt(len(cells)), 3, 9))
        for cell, outline, one in zip(cells, outlines, colour, strict=True):
            x, y = outline.mean(axis=0)
            axes.text(x, y, cell.name or "", size=size, color=one, ha="center", va="center")


def _draw_footprints(axes: Axes, outlines: Sequence[Values]) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415

    axes.add_collection(
        PolyCollection(outlines, facecolor="#d6272818", edgecolor="#d62728", linewidth=1.0)
    )


def _middle(corners: Values) -> tuple[float, float]:
    """Mean direction of corners, (..., 2), on the sky [deg]."""
    x, y, z = unit_vectors(corners[..., 0], corners[..., 1]).reshape(-1, 3).mean(axis=0)
    return float(np.rad2deg(np.arctan2(y, x)) % 360), float(
        np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    )


def _projected(places: Values, ra: float, dec: float) -> Values:
    """(..., 2): offsets of places to the east and north of a point [deg]."""
    east, north, depth = gnomonic(places[..., 0], places[..., 1], ra, dec)
    if not (depth > 0).all():
        raise UsageError(
            "The cells to draw lie all over the sky.", "an area smaller than half of the sky"
        )
    return np.rad2deg(np.stack([east, north], axis=-1))
