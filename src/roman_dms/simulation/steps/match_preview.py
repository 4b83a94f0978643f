"""A picture of a match: what was found, and how well its light was measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from roman_dms.formats.writing import replacing
from roman_dms.simulation.steps.matching import Matched

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"completeness": "#1f6feb", "purity": "#d1762b"}


def write_match_preview(matched: Matched, path: str | os.PathLike[str]) -> None:
    """Draw completeness, purity and errors of flux by magnitude as a PNG.

    Raises
    ------
    FileError
        Where the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 7), layout="constrained")
    FigureCanvasAgg(figure)
    shares, fluxes = figure.subplots(2, 1, sharex=True)
    _draw_shares(shares, matched)
    _draw_fluxes(fluxes, matched)
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png", dpi=110)


def _draw_shares(axes: Axes, matched: Matched) -> None:
    summary = matched.summary
    middle = (summary["bright"] + summary["faint"]) / 2
    for name, colour in COLOURS.items():
        share = np.asarray(summary[name])
        known = np.isfinite(share)
        ends = [share - summary[f"{name}_low"], summary[f"{name}_high"] - share]
        errors = np.maximum(np.asarray(ends)[:, known], 0)
        axes.errorbar(
            middle[known], share[known], errors, marker="o", capsize=2, color=colour, label=name
        )
    axes.set(ylim=(-0.03, 1.05), ylabel="share of the sources")
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_fluxes(axes: Axes, matched: Matched) -> None:
    summary = matched.summary
    middle = np.asarray(summary["bright"] + summary["faint"]) / 2
    bias, scatter = np.asarray(summary["flux_bias"]), np.asarray(summary["flux_scatter"])
    known = np.isfinite(bias)
    spread = np.where(np.isfinite(scatter), scatter, 0)
    axes.axhline(0, color="grey", lw=0.8)
    axes.errorbar(
        middle[known], bias[known], spread[known], marker="o", capsize=2, color="#2da44e",
        label="median and scatter",
    )  # fmt: skip
    axes.set(xlabel="AB magnitude", ylabel="flux found / injected - 1")
    axes.grid(alpha=0.3)
    axes.legend()
