"""Pictures of products for a first look."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.formats.writing import replacing
from roman_dms.instrument.quality import Pixel
from roman_dms.products.arrays import pixel_fields
from roman_dms.products.exposure import Ramp, RateImage, RawExposure
from roman_dms.products.metadata import Metadata
from roman_dms.products.mosaic import Mosaic
from roman_dms.products.reference import Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FilePath = str | os.PathLike[str]
Product = RawExposure | Ramp | RateImage | Mosaic | Reference

_LONGEST_SIDE = 1024
"""Pixels of the picture; a detector is averaged down to it."""
_BACKGROUND = "#101418"
_INK = "#e8eaed"


@dataclass(frozen=True)
class Panel:
    """One image of a picture."""

    image: NDArray[np.float32]
    """Averaged down; NaN where no pixel was good."""
    scale: int
    """Pixels of the detector to a pixel of the picture."""
    title: str
    unit: str


def write_preview(product: Product, path: FilePath) -> None:
    """Draw one product as a PNG.

    Raises
    ------
    UsageError
        If the product has no image.
    FileError
        If the picture cannot be written.
    """
    _draw([panel_of(product)], _heading(product.meta), path)


def compare_preview(raw: RawExposure, rate: RateImage, path: FilePath) -> None:
    """Draw the raw and the calibrated exposure side by side as a PNG.

    Raises
    ------
    FileError
        If the picture cannot be written.
    """
    _draw([panel_of(raw), panel_of(rate)], _heading(rate.meta), path)


def panel_of(product: Product) -> Panel:
    """The image that stands for a product."""
    if isinstance(product, RawExposure):
        resultants = len(product.meta.read_pattern)
        image, scale = averaged(_last_plane(product.data))
        return Panel(image, scale, f"Raw: resultant {resultants} of {resultants}", "DN")
    if isinstance(product, RateImage):
        good = (product.dq & Pixel.DO_NOT_USE) == 0
        image, scale = averaged(product.data, good)
        return Panel(image, scale, "Calibrated: count rate", "DN / s")
    if isinstance(product, Mosaic):
        image, scale = averaged(product.data, product.weight > 0)
        return Panel(image, scale, "Mosaic: surface brightness", "MJy / sr")
    if isinstance(product, Ramp):
        image, scale = averaged(_last_plane(product.data))
        return Panel(image, scale, "Ramp: last resultant", "DN")
    for name, declaration in pixel_fields(product):
        image, scale = averaged(_last_plane(getattr(product, name)))
        return Panel(image, scale, f"{product.kind}: {declaration.description}", declaration.unit)
    raise UsageError(f"A reference file of the kind {product.kind} has no image to draw.")


def averaged(
    image: NDArray[Any], good: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], int]:
    """Mean of the good, finite pixels in squares, and the side of a square.

    A square without a good pixel is NaN.
    """
    side = -(-max(image.shape) // _LONGEST_SIDE)
    rows, columns = (size // side * side for size in image.shape)
    squares = image[:rows, :columns].reshape(rows // side, side, columns // side, side)
    usable = np.isfinite(squares)
    if good is not None:
        usable &= good[:rows, :columns].reshape(squares.shape)
    count = usable.sum(axis=(1, 3), dtype=np.float32)
    total = np.where(usable, squares, 0).sum(axis=(1, 3), dtype=np.float32)
    empty = count == 0
    mean = total / np.maximum(count, 1)
    return np.where(empty, np.float32(np.nan), mean), side


def limits(image: NDArray[np.float32]) -> tuple[float, float, float]:
    """Black, white and softening of an asinh stretch: sky and noise, not the extremes."""
    values = image[np.isfinite(image)]
    if values.size == 0:
        return 0.0, 1.0, 1.0
    low, middle, high, top = np.percentile(values, [15.87, 50, 84.13, 99.7])
    noise = max((high - low) / 2, 1e-6 * max(abs(middle), 1e-30))
    return middle - 3 * noise, max(top, middle + 5 * noise), 2 * noise


def _last_plane(array: Any) -> NDArray[Any]:
    """The last image of a cube, or the image itself, band by band from its file."""
    height = array.shape[-2]
    bands = range(0, height, 512)
    rows: Callable[[int, int], NDArray[Any]] = (
        array.rows if hasattr(array, "rows") else lambda a, b: array[..., a:b, :]
    )
    parts = [rows(start, min(start + 512, height)) for start in bands]
    return np.concatenate([part.reshape(-1, *part.shape[-2:])[-1] for part in parts])


def _heading(meta: Metadata) -> str:
    parts = [
        meta.get("instrument.detector", meta.get("wcsinfo.skycell_name")),
        meta.get("instrument.optical_element"),
        str(meta.get("exposure.type", "")).replace("_", " "),
        getattr(meta.get("exposure.start_time"), "isot", "")[:19].replace("T", " "),
    ]
    return "   ".join(str(part) for part in parts if part)


def _draw(panels: list[Panel], heading: str, path: FilePath) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6.6 * len(panels), 5.9), dpi=110, facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)
    figure.suptitle(heading, color=_INK, fontsize=13, fontweight="bold", y=0.975)
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    figure.subplots_adjust(left=0.075, right=0.93, bottom=0.065, top=0.875, wspace=0.32)
    for axes, panel in zip(all_axes, panels, strict=True):
        _draw_panel(figure, axes, panel)
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png", facecolor=_BACKGROUND)


def _draw_panel(figure: Figure, axes: Axes, panel: Panel) -> None:
    from matplotlib.colors import FuncNorm  # noqa: PLC0415

    black, white, soft = limits(panel.image)
    norm = FuncNorm(
        (lambda x: np.arcsinh((x - black) / soft), lambda y: black + soft * np.sinh(y)),
        vmin=black,
        vmax=white,
    )
    rows, columns = (size * panel.scale for size in panel.image.shape)
    shown = axes.imshow(
        panel.image,
        norm=norm,
        cmap="inferno",
        origin="lower",
        extent=(-0.5, columns - 0.5, -0.5, rows - 0.5),
    )
    axes.set_facecolor("#2a4858")  # squares without a good pixel
    axes.set_title(panel.title, color=_INK, fontsize=11)
    axes.tick_params(colors=_INK, labelsize=8)
    for spine in axes.spines.values():
        spine.set_color(_INK)
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label(panel.unit, color=_INK, fontsize=9)
    ticks = black + soft * np.sinh(np.linspace(0, np.arcsinh((white - black) / soft), 6))
    bar.set_ticks(ticks.tolist(), labels=[f"{tick:.4g}" for tick in ticks])
    bar.ax.tick_params(colors=_INK, labelsize=8)
