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
    figure = Figure(figsize=(7, 7), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    polygons = tangent_plane(corners.reshape(-1, 4, 2), ra, dec)
    axes.add_collection(
        PolyCollection(list(polygons), facecolor="#1f77b418", edgecolor="#1f4e79", linewidth=0.6)
    )
    axes.autoscale()
    axes.set_aspect("equal")
    axes.invert_xaxis()
    axes.set_xlabel("to the east [deg]")
    axes.set_ylabel("to the north [deg]")
    axes.set_title(f"{len(exposures)} exposures around {ra:.4f}, {dec:+.4f} deg")
    with replacing(Path(path)) as file:
        figure.savefig(file, format="png")


def tangent_plane(places: NDArray[np.float64], ra: float, dec: float) -> NDArray[np.float64]:
    """Gnomonic projection around a point.

    Parameters
    ----------
    places
        ``(..., 2)``: right ascension, declination [deg].
    ra, dec
        The tangent point [deg].

    Returns
    -------
    ndarray
        ``(..., 2)``: offsets to the east and north [deg]; NaN on the other half of
        the sky.
    """
    a, d = np.radians(places[..., 0] - ra), np.radians(places[..., 1])
    d0 = np.radians(dec)
    depth = np.sin(d0) * np.sin(d) + np.cos(d0) * np.cos(d) * np.cos(a)
    depth = np.where(depth > 0, depth, np.nan)
    east = np.cos(d) * np.sin(a)
    north = np.cos(d0) * np.sin(d) - np.sin(d0) * np.cos(d) * np.cos(a)
    return np.degrees(np.stack([east / depth, north / depth], axis=-1))


def _middle(corners: NDArray[np.float64]) -> tuple[float, float]:
    """Mean direction of corners, (..., 2), on the sky [deg]."""
    a, d = np.radians(corners[..., 0]).ravel(), np.radians(corners[..., 1]).ravel()
    x, y, z = (np.cos(d) * np.cos(a)).mean(), (np.cos(d) * np.sin(a)).mean(), np.sin(d).mean()
    return float(np.degrees(np.arctan2(y, x)) % 360), float(
        np.degrees(np.arctan2(z, np.hypot(x, y)))
    )
