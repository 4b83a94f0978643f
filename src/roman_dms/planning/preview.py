"""A picture of a plan: where the detectors of its exposures lie on the sky."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.formats.writing import replacing
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.planning.footprints import footprints
from roman_dms.sky.tangent import TangentPlane, unit_vectors

MOST = 200
"""Exposures that are drawn; a plan of thousands would only be a blot."""


def draw_plan(exposures: Sequence[PlannedExposure], path: str | os.PathLike[str]) -> None:
    """Draw the footprints of all detectors as a PNG, north up and east to the left.

    Exposures that look at the same place with the same roll are drawn once.

    Raises
    ------
    FileError
        Where the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import
    from matplotlib.collections import PolyCollection  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    places = list({(e.ra, e.dec, e.position_angle): e for e in exposures}.values())[:MOST]
    corners = np.stack([list(footprints(exposure).values()) for exposure in places])
    ra, dec = _middle(corners)
    plane = TangentPlane(ra, dec, x=0, y=0, scale=3600)  # a pixel is a degree
    figure = Figure(figsize=(7, 7), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    polygons = np.stack(plane.pixels(corners[..., 0], corners[..., 1]), axis=-1)
    axes.add_collection(
        PolyCollection(
            list(polygons.reshape(-1, 4, 2)),
            facecolor="#1f77b418",
            edgecolor="#1f4e79",
            linewidth=0.6,
        )
    )
    axes.autoscale()
    axes.set_aspect("equal")
    axes.invert_xaxis()
    axes.set_xlabel("to the east [deg]")
    axes.set_ylabel("to the north [deg]")
    axes.set_title(f"{len(exposures)} exposures around {ra:.4f}, {dec:+.4f} deg")
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png")


def _middle(corners: NDArray[np.float64]) -> tuple[float, float]:
    """Mean direction of corners, (..., 2), on the sky [deg]."""
    x, y, z = unit_vectors(corners[..., 0], corners[..., 1]).reshape(-1, 3).mean(axis=0)
    ra, dec = np.rad2deg([np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))])
    return float(ra % 360), float(dec)
