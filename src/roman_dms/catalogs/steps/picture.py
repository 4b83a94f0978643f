"""A picture of an image with its sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.catalogs.steps.files import Catalogued
from roman_dms.catalogs.steps.fits_images import read_fits_image
from roman_dms.formats.exposures import read_rate_image
from roman_dms.formats.preview import averaged
from roman_dms.formats.writing import replacing
from roman_dms.instrument.quality import Pixel

POINT, EXTENDED, DOUBTFUL = "#ffb347", "#5ec8f2", "#ff5d5d"
"""Colours of points, of extended sources and of those with warnings."""


def write_picture(done: Catalogued, path: Path) -> None:
    """Draw an image with its sources: the whole, and its middle at full scale.

    Raises
    ------
    FileError
        If the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    data, good = _pixels(done.image)
    figure = Figure(figsize=(16, 8.4), facecolor="#101418", layout="constrained")
    FigureCanvasAgg(figure)
    whole, middle = figure.subplots(1, 2)
    coarse, scale = averaged(data, good)
    _panel(whole, coarse, scale, (0, 0), done, f"{len(done.sources):,} sources")
    rows, columns = data.shape
    y0, x0 = (max(0, size // 2 - 200) for size in (rows, columns))
    part = slice(y0, y0 + 400), slice(x0, x0 + 400)
    cut = np.where(good[part], data[part], np.nan)
    _panel(middle, cut, 1, (x0, y0), done, "orange: points, blue: extended, red: warnings")
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)


def _pixels(image: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if image.suffix == ".asdf":
        rate = read_rate_image(image)
        return rate.data, (rate.dq & Pixel.DO_NOT_USE) == 0
    found = read_fits_image(image).image
    return found.data, ~found.unusable


def _panel(
    axes: Any,
    image: NDArray[np.float32],
    scale: int,
    corner: tuple[int, int],
    done: Catalogued,
    title: str,
) -> None:
    x0, y0 = corner
    height, width = (scale * size for size in image.shape)
    extent = (x0 - 0.5, x0 + width - 0.5, y0 - 0.5, y0 + height - 0.5)
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, [5, 99.5]) if finite.size else (0, 1)
    axes.imshow(image, origin="lower", cmap="gray", vmin=low, vmax=high, extent=extent)
    columns = done.sources.columns
    x, y = columns["x_centroid"], columns["y_centroid"]
    inside = (x > extent[0]) & (x < extent[1]) & (y > extent[2]) & (y < extent[3])
    colours = np.where(columns["is_extended"], EXTENDED, POINT)
    colours = np.where(columns["warning_flags"] != 0, DOUBTFUL, colours)
    size = 120 if scale == 1 else 8
    axes.scatter(
        x[inside], y[inside], s=size, facecolors="none", edgecolors=colours[inside], lw=0.8
    )
    axes.set_title(title, color="#e8eaed")
    axes.set_axis_off()
