"""A picture of a scene: where its sources are, how bright and how large."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.columns import POINT, SERSIC
from roman_dms.simulation.scenes.scene import Scene, Values

DRAWN = 20_000
"""Sources of a kind whose places are drawn, the brightest."""

_KINDS = ((SERSIC, "galaxies", "#c8553d"), (POINT, "point sources", "#2e5e8c"))


def draw_picture(scene: Scene, file: BinaryIO) -> None:
    """Draw positions, counts and sizes of a scene as a PNG.

    Parameters
    ----------
    scene
        With one source or more.
    file
        Open for writing.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded when a picture is asked for

    name = reference_band(scene)
    magnitudes = ab_magnitudes(scene, name)
    figure = Figure(figsize=(15, 5), layout="constrained")
    places, counts, sizes = figure.subplots(1, 3)
    edges = np.arange(np.floor(magnitudes.min()), np.ceil(magnitudes.max()) + 0.5, 0.5)
    offsets, middle = _offsets(scene)
    for kind, label, colour in _KINDS:
        rows = np.flatnonzero(scene["type"] == kind)
        if rows.size:
            brightest = rows[np.argsort(magnitudes[rows])][:DRAWN]
            _draw_places(places, offsets[brightest], magnitudes[brightest], label, colour)
            counts.hist(magnitudes[rows], edges, histtype="step", color=colour, label=label)
    galaxies = scene["type"] == SERSIC
    if galaxies.any():
        sizes.hexbin(
            magnitudes[galaxies], scene["half_light_radius"][galaxies], yscale="log",
            gridsize=40, bins="log", mincnt=1, cmap="OrRd",
        )  # fmt: skip
        sizes.set(xlabel=f"{name} [AB mag]", ylabel="half-light radius [arcsec]")
    else:
        sizes.set_axis_off()
    places.set(xlabel=f"east of {middle} [arcmin]", ylabel="north [arcmin]", aspect="equal")
    places.invert_xaxis()
    places.legend(loc="upper right", fontsize="small")
    counts.set(xlabel=f"{name} [AB mag]", ylabel="sources in 0.5 mag", yscale="log")
    counts.legend()
    figure.savefig(file, format="png", dpi=110)


def reference_band(scene: Scene) -> str:
    """The band of a scene that is nearest to F158."""
    centre = band(MEAN, "F158").pivot
    return min(scene.bands, key=lambda name: abs(band(MEAN, name).pivot - centre))


def ab_magnitudes(scene: Scene, name: str) -> Values:
    """(n,) magnitudes in a band; sources without light have 40."""
    flux = np.asarray(scene.table[name], np.float64)
    return -2.5 * np.log10(np.maximum(flux, 1e-16))


def _draw_places(axes: Any, places: Values, magnitudes: Values, label: str, colour: str) -> None:
    area = np.clip(10 ** (-0.25 * (magnitudes - 24)), 0.2, 60)
    axes.scatter(*places.T, s=area, c=colour, alpha=0.5, linewidths=0, label=label)


def _offsets(scene: Scene) -> tuple[Values, str]:
    """East and north of the middle (n, 2) [arcmin], and where the middle is.

    Projected along the mean direction, so that poles and right ascension 0 are like any place.
    """
    alpha, delta = np.deg2rad(scene["ra"]), np.deg2rad(scene["dec"])
    directions = np.stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1
    )
    x, y, z = directions.mean(axis=0)
    ra, dec = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
    east = np.array([-np.sin(ra), np.cos(ra), 0.0])
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    offsets = np.rad2deg(directions @ np.stack([east, north], axis=1)) * 60
    return offsets, f"({np.rad2deg(ra) % 360:.3f}, {np.rad2deg(dec):+.3f}) deg"
