"""Pictures of PSFs for a first look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.formats.writing import replacing
from roman_dms.psf.effective import EffectivePsf
from roman_dms.psf.grid import PsfGrid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BACKGROUND = "#101418"
INK = "#e8eaed"

FAINTEST = 1e-5
"""What is drawn darkest, in parts of the brightest sample."""

MOST = 4
"""Stars in a picture, at most."""


def draw_psf(psf: EffectivePsf, path: Path) -> None:
    """Draw images of stars above, and what is not known of them below.

    Raises
    ------
    FileError
        If the picture cannot be written.
    """
    count = min(len(psf.images), MOST)
    figure, all_axes = _figure(2, count, f"{psf.origin[:90]}   {psf.wavelength:.3f} micron")
    reach = (psf.images.shape[-1] / 2) / psf.oversample
    for number in range(count):
        place = f"x = {psf.x[number]:.2f}, y = {psf.y[number]:.2f}"
        _draw(figure, all_axes[0, number], psf.images[number], reach, place)
        _draw(figure, all_axes[1, number], psf.error[number], reach, "standard error")
    _save(figure, path)


def draw_grid(grid: PsfGrid, path: Path) -> None:
    """Draw the effective PSF of the middle, and how those of the corners differ from it.

    Raises
    ------
    FileError
        If the picture cannot be written.
    """
    wave = float(np.mean(grid.wavelengths[[0, -1]]))
    edges_x, edges_y = grid.nodes_x[[0, -1]], grid.nodes_y[[0, -1]]
    middle = grid.at(float(edges_x.mean()), float(edges_y.mean()), wave)
    figure, all_axes = _figure(1, 3, f"{grid.detector} {grid.element}   {wave:.3f} micron")
    _draw(figure, all_axes[0, 0], middle, grid.reach, "middle of the detector")
    corners = [("lower left", edges_x[0], edges_y[0]), ("upper right", edges_x[1], edges_y[1])]
    for axes, (name, x, y) in zip(all_axes[0, 1:], corners, strict=True):
        difference = 100 * (grid.at(float(x), float(y), wave) - middle) / middle.max()
        top = max(float(np.abs(difference).max()), 1e-3)
        shown = _image(axes, difference, min(grid.reach, 4.0), grid.reach, f"{name} - middle [%]")
        shown.set_clim(-top, top)
        shown.set_cmap("RdBu_r")
        _bar(figure, axes, shown)
    _save(figure, path)


def draw_kernel(values: NDArray[np.floating], achieved: NDArray[np.floating], path: Path) -> None:
    """Draw a matching kernel, and the PSF that it makes.

    Parameters
    ----------
    values
        (k, k) the kernel on pixels.
    achieved
        (S, S) the PSF, oversampled, as wide as the kernel.

    Raises
    ------
    FileError
        If the picture cannot be written.
    """
    figure, all_axes = _figure(1, 2, "matching kernel")
    reach, top = values.shape[0] / 2, float(np.abs(values).max())
    shown = _image(all_axes[0, 0], values, min(reach, 8.0), reach, "kernel on pixels")
    shown.set_clim(-top, top)
    shown.set_cmap("RdBu_r")
    _bar(figure, all_axes[0, 0], shown)
    _draw(figure, all_axes[0, 1], achieved, reach, "PSF that it makes")
    _save(figure, path)


def _figure(rows: int, columns: int, heading: str) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    size = (max(4.4 * columns, 6.0), 4.1 * rows + 0.6)
    figure = Figure(figsize=size, dpi=110, facecolor=BACKGROUND, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(heading, color=INK, fontsize=11, fontweight="bold")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _draw(
    figure: Figure, axes: Axes, image: NDArray[np.floating], reach: float, title: str
) -> None:
    """An image on a logarithmic scale."""
    from matplotlib.colors import LogNorm  # noqa: PLC0415

    top = max(float(image.max()), 1e-12)
    shown = _image(axes, np.maximum(image, FAINTEST * top), reach, reach, title)
    shown.set_norm(LogNorm(FAINTEST * top, top))
    _bar(figure, axes, shown)


def _image(
    axes: Axes, image: NDArray[np.floating], shown_reach: float, reach: float, title: str
) -> Any:
    extent = (-reach, reach, -reach, reach)
    shown = axes.imshow(image, origin="lower", extent=extent, cmap="inferno")
    axes.set_xlim(-shown_reach, shown_reach)
    axes.set_ylim(-shown_reach, shown_reach)
    axes.set_title(title, color=INK, fontsize=10)
    axes.set_xlabel("pixels from the middle", color=INK, fontsize=8)
    axes.tick_params(colors=INK, labelsize=8)
    return shown


def _bar(figure: Figure, axes: Axes, shown: Any) -> None:
    bar = figure.colorbar(shown, ax=axes, fraction=0.046)
    bar.ax.tick_params(colors=INK, labelsize=8)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as file:
        figure.savefig(file, format="png", facecolor=BACKGROUND)
