"""Where sources are injected, and what they are like.

Sources of known light serve to measure completeness and errors of fluxes, so
that they are spread evenly over an image and over magnitudes, not as the sky
has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Places = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Columns x and rows y [pixel]."""


@dataclass(frozen=True)
class Ranges:
    """From where to where injected sources are drawn, each quantity evenly.

    Raises
    ------
    UsageError
        For a range that runs backwards or leaves what can be.
    """

    magnitude: tuple[float, float] = (20.0, 26.0)
    """AB."""

    galaxies: float = 0.5
    """Share of the sources that are galaxies."""

    sersic: tuple[float, float] = (0.8, 4.5)
    """Sersic index; the range of the mission's own injections (``romancal`` 1.1)."""

    radius: tuple[float, float] = (0.05, 0.6)
    """Half-light radius, drawn evenly in its logarithm [arcsec]."""

    axis_ratio: tuple[float, float] = (0.2, 1.0)
    """Minor over major axis."""

    def __post_init__(self) -> None:
        limits = {
            "magnitude": (-10.0, *self.magnitude, 40.0),
            "galaxies": (0.0, self.galaxies, 1.0),
            "sersic": (0.3, *self.sersic, 6.2),
            "radius": (1e-3, *self.radius, 100.0),
            "axis_ratio": (0.05, *self.axis_ratio, 1.0),
        }
        for name, values in limits.items():
            if not all(a <= b for a, b in pairwise(values)):
                raise UsageError(
                    f"The range of {name} of the sources to inject is {values[1:-1]}.",
                    f"lowest value first, from {values[0]:g} to {values[-1]:g}",
                )


def hexagonal(
    shape: tuple[int, int], spacing: float, margin: float, random: np.random.Generator
) -> Places:
    """Places on a hexagonal grid that begins at random, away from the edges.

    Parameters
    ----------
    shape
        (rows, columns) of the image.
    spacing
        Distance between neighbours [pixel].
    margin
        Distance from the edges that is kept [pixel].
    random
        Where the grid begins.
    """
    height, width = _inner(shape, margin)
    step = spacing * np.sqrt(3) / 2
    row, place = np.meshgrid(
        np.arange(int(height / step) + 1), np.arange(-1, int(width / spacing) + 2), indexing="ij"
    )
    x = (place + 0.5 * (row % 2)) * spacing + random.uniform(0, spacing)
    y = row * step + random.uniform(0, min(step, height))
    inside = (x >= 0) & (x <= width) & (y <= height)
    return x[inside] + margin, y[inside] + margin


def spacing_of(shape: tuple[int, int], number: int, margin: float) -> float:
    """Spacing of a hexagonal grid that has about ``number`` places [pixel].

    A place has the area of spacing^2 sqrt(3) / 2.

    Raises
    ------
    UsageError
        For a number below one.
    """
    if number < 1:
        raise UsageError(f"{number} sources were asked for.", "at least one")
    height, width = _inner(shape, margin)
    return float(np.sqrt(height * width / number * 2 / np.sqrt(3)))


def scattered(
    shape: tuple[int, int], number: int, margin: float, random: np.random.Generator
) -> Places:
    """Random places, away from the edges."""
    height, width = _inner(shape, margin)
    return random.uniform(0, width, number) + margin, random.uniform(0, height, number) + margin


def _inner(shape: tuple[int, int], margin: float) -> tuple[float, float]:
    """Height and width of what lies inside of the margin [pixel]."""
    height, width = (n - 1 - 2 * margin for n in shape)
    if min(height, width) <= 0 or margin < 0:
        raise UsageError(
            f"A margin of {margin:g} pixels leaves nothing of an image of "
            f"{shape[0]} x {shape[1]} pixels.",
            f"less than {(min(shape) - 1) / 2:g}",
        )
    return height, width


def draw_columns(
    number: int, ranges: Ranges, random: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Types, AB magnitudes and shapes of sources, as the columns of a scene name them."""
    galaxy = random.uniform(size=number) < ranges.galaxies
    magnitude = random.uniform(*ranges.magnitude, number)
    sersic = random.uniform(*ranges.sersic, number)
    low, high = np.log(ranges.radius)
    radius = np.exp(random.uniform(low, high, number))
    ratio = random.uniform(*ranges.axis_ratio, number)
    angle = random.uniform(0, 180, number)
    return {
        "type": np.where(galaxy, "SER", "PSF"),
        "n": np.where(galaxy, sersic, -1.0),
        "half_light_radius": np.where(galaxy, radius, 0.0),
        "ba": np.where(galaxy, ratio, 1.0),
        "pa": np.where(galaxy, angle, 0.0),
        "magnitude": magnitude,
    }
