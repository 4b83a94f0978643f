"""From a scene to what one image sees of it."""

from __future__ import annotations

import dataclasses

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.instrument.throughput import electrons_per_jansky
from roman_dms.simulation.scenes.scene import Scene
from roman_dms.simulation.sources import PixelSources
from roman_dms.sky.pixel_map import PixelMap

JANSKY = 3631.0
"""Flux density of AB magnitude 0 [Jy]."""


TRAIL_STEP = 0.25
"""Distance between the points that stand for the trail of a moving object [pixel]."""


def visible(scene: Scene, mapping: PixelMap, mjd: float, observer: NDArray[np.float64] | None
            ) -> tuple[Scene, NDArray[np.float64]]:  # fmt: skip
    """The part of a scene in and around an image, and where each of its sources is.

    Parameters
    ----------
    scene
        The whole scene.
    mapping
        Sky to pixels of the image; it knows how far around the image sources matter.
    mjd
        Time of the image [d].
    observer
        Barycentric position of the observatory, for parallaxes [au].

    Returns
    -------
    tuple
        The sources, and ``(n, 4)``: right ascension, declination [deg], x, y [pixel].
    """
    ra, dec = scene.positions(mjd, observer)
    x, y = mapping(ra, dec)
    near = np.flatnonzero(np.isfinite(x))
    return scene.select(near), np.stack([ra, dec, x, y], axis=1)[near]


def pixel_sources(
    scene: Scene,
    places: NDArray[np.float64],
    mapping: PixelMap,
    detector: str,
    element: str,
    mjd: float,
) -> PixelSources:
    """Sources in the pixels of an image, in electrons a second, in the order of the scene.

    Parameters
    ----------
    scene, places
        Of :func:`visible`.
    mapping
        Sky to pixels of the image.
    detector, element
        Whose throughput counts.
    mjd
        Middle of the exposure, for light curves [d].
    """
    return PixelSources(
        x=places[:, 2],
        y=places[:, 3],
        rate=scene.count_rates(detector, element, mjd),
        wavelength=scene.wavelengths(detector, element),
        sersic=np.where(extended(scene), column(scene, "n", 1.0), 0.0),
        shape=_shapes(scene, places, mapping),
    )


def velocities(
    scene: Scene, places: NDArray[np.float64], mapping: PixelMap, mjd: float
) -> NDArray[np.float64]:
    """How moving objects move over the image, ``(n, 2)``; 0 for all others [pixel / s]."""
    motion = scene.motions(mjd)
    moving = np.flatnonzero(np.any(motion != 0, axis=1))
    velocity = np.zeros((len(scene), 2))
    if moving.size:
        jacobian = mapping.jacobian(places[moving, 0], places[moving, 1])
        velocity[moving] = np.einsum("nij,nj->ni", jacobian, motion[moving])
    return velocity


def trailed(
    sources: PixelSources,
    scene: Scene,
    places: NDArray[np.float64],
    mapping: PixelMap,
    mjd: float,
    duration: float,
) -> PixelSources:
    """The sources with moving objects as rows of points along their way.

    Parameters
    ----------
    sources, scene, places, mapping, mjd
        As of :func:`pixel_sources`.
    duration
        How long the image is exposed [s].
    """
    trail = duration * velocities(scene, places, mapping, mjd)
    length = np.hypot(*trail.T)
    counts = np.maximum(np.ceil(length / TRAIL_STEP).astype(int), 1)
    owner = np.repeat(np.arange(len(sources)), counts)
    rank = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    along = (rank + 0.5) / counts[owner] - 0.5
    points = sources[owner]
    return dataclasses.replace(
        points,
        x=points.x + along * trail[owner, 0],
        y=points.y + along * trail[owner, 1],
        rate=points.rate / counts[owner],
    )


def truth_table(
    scene: Scene, places: NDArray[np.float64], sources: PixelSources, element: str, detector: str
) -> Table:
    """What was drawn: positions at the epoch of the image, pixels and fluxes."""
    table = Table()
    table["id"] = scene.table["id"]
    table["type"] = scene.table["type"]
    for name, values, unit in zip(
        ("ra", "dec", "x", "y"), places.T, ("deg", "deg", "pixel", "pixel"), strict=True
    ):
        table[name] = values
        table[name].unit = unit
    janskys = sources.rate / electrons_per_jansky(detector, element)
    with np.errstate(divide="ignore"):
        magnitude = -2.5 * np.log10(janskys / JANSKY)
    for name, values, unit in (
        ("rate", sources.rate, "electron / s"),
        ("flux", 1e9 * janskys, "nJy"),
        ("magnitude", magnitude, "mag"),
    ):
        table[name] = values
        table[name].unit = unit
    for name in ("n", "half_light_radius", "ba", "pa", "variability"):
        if name in scene.table.colnames:
            table[name] = scene.table[name]
    return table


def extended(scene: Scene) -> NDArray[np.bool_]:
    """Which sources are galaxies."""
    return np.asarray(scene.table["type"]) == "SER"


def column(scene: Scene, name: str, default: float) -> NDArray[np.float64]:
    """A column of the scene, or a default where it has none."""
    if name in scene.table.colnames:
        return np.asarray(scene.table[name], dtype=float)
    return np.full(len(scene), default)


def _shapes(scene: Scene, places: NDArray[np.float64], mapping: PixelMap) -> NDArray[np.float64]:
    """Matrices that take the unit circle to the half-light ellipse in pixels.

    The half-light radius is that of the round galaxy of the same area.
    """
    shapes = np.zeros((len(scene), 2, 2))
    chosen = np.flatnonzero(extended(scene))
    if not chosen.size:
        return shapes
    radius, ratio = column(scene, "half_light_radius", 0.0), column(scene, "ba", 1.0)
    radius, ratio = radius[chosen], ratio[chosen]
    angle = np.radians(column(scene, "pa", 0.0)[chosen])
    major, minor = radius / np.sqrt(ratio), radius * np.sqrt(ratio)
    east = np.stack([np.sin(angle) * major, np.cos(angle) * minor], axis=1)
    north = np.stack([np.cos(angle) * major, -np.sin(angle) * minor], axis=1)
    jacobian = mapping.jacobian(places[chosen, 0], places[chosen, 1])
    shapes[chosen] = jacobian @ np.stack([east, north], axis=1)
    return shapes
