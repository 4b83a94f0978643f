"""A picture of an alignment: what remains between detections and reference stars."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.astrometry.steps.alignment_files import misses
from roman_dms.astrometry.steps.exposure_solution import Outcome
from roman_dms.errors import UsageError
from roman_dms.formats.writing import replacing

_ARROW = 60.0
"""Length of the arrow of a typical residual [arcsec of the focal plane]."""
_MOST = 4000
"""Arrows that are drawn; more would only be a blot."""


def draw_residuals(outcome: Outcome, path: str | os.PathLike[str]) -> None:
    """Draw the residuals of all stars over the focal plane as a PNG.

    Each arrow points from where a star was detected, by the new WCS, to where the
    reference catalogue has it; beside them is the cloud of all residuals.

    Raises
    ------
    UsageError
        Where no star was matched.
    FileError
        Where the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    places, miss = _arrows(outcome)
    if not len(miss):
        raise UsageError(f"No star was matched: {outcome.reason}", "an exposure with matched stars")
    figure = Figure(figsize=(11, 6.5), dpi=110, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    field, cloud = figure.subplots(1, 2, width_ratios=[1.7, 1])
    _draw_field(field, outcome, places, miss)
    _draw_cloud(cloud, miss)
    visit, number = outcome.files[0].exposure
    figure.suptitle(f"Visit {visit}, exposure {number}: {len(miss):,} stars of {outcome.source}")
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png")


def _arrows(outcome: Outcome) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 2): places in the focal plane [arcsec], and residuals [mas], of stars that were used."""
    residuals = outcome.solution.residuals if outcome.solution else None
    if residuals is None:
        return np.empty((0, 2)), np.empty((0, 2))
    used = residuals.weight > 0.5
    places = np.concatenate(
        [
            one.points[residuals.detection[used & (residuals.detector == name)]]
            for name, one in outcome.detections.items()
        ]
    )
    return places, np.concatenate([misses(outcome, name) for name in outcome.detections])


def _draw_field(
    axes: Any, outcome: Outcome, places: NDArray[np.float64], miss: NDArray[np.float64]
) -> None:
    """Detectors and arrows."""
    typical = float(np.median(np.hypot(*miss.T))) or 1.0
    some = np.linspace(0, len(miss) - 1, min(len(miss), _MOST)).astype(int)
    for name, one in outcome.detections.items():
        around = np.concatenate([one.outline, one.outline[:1]])
        axes.plot(*around.T, color="#9aa5b1", linewidth=0.7)
        axes.annotate(name, one.outline.mean(axis=0), color="#9aa5b1", ha="center", va="center")
    arrows = axes.quiver(
        *places[some].T, *miss[some].T, angles="xy", scale_units="xy", scale=typical / _ARROW,
        width=0.0015, color="#1f4e79",
    )  # fmt: skip
    axes.quiverkey(arrows, 0.1, 1.02, typical, f"{typical:.2g} mas", labelpos="E")
    axes.set_aspect("equal")
    axes.set_xlabel("along V2 [arcsec]")
    axes.set_ylabel("along V3 [arcsec]")


def _draw_cloud(axes: Any, miss: NDArray[np.float64]) -> None:
    """All residuals around 0."""
    rms = float(np.sqrt(np.mean(miss**2)))
    axes.plot(*miss.T, ".", markersize=2, color="#1f4e79", alpha=0.5)
    limit = float(np.percentile(np.abs(miss), 99)) * 1.5 + 1e-6
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.axhline(0, color="#9aa5b1", linewidth=0.7)
    axes.axvline(0, color="#9aa5b1", linewidth=0.7)
    axes.set_aspect("equal")
    axes.set_title(f"rms along an axis {rms:.2f} mas")
    axes.set_xlabel("along V2 [mas]")
    axes.set_ylabel("along V3 [mas]")
