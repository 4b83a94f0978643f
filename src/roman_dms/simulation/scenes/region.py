"""A region of the sky, and sources placed in it: at random, or clustered as galaxies are."""

from __future__ import annotations

from dataclasses import dataclass
from math import gamma

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Values = NDArray[np.float64]

SLOPE = 0.8
"""w(theta) is proportional to theta to minus this power (Groth & Peebles 1977, ApJ 217, 385)."""

ARCMINUTE_CORRELATION = 0.03
"""w(1 arcmin) of faint galaxies; infrared surveys find some 0.02 to 0.1, falling with depth
(for instance Roche, Dunlop & Almaini 2003, MNRAS 346, 803)."""

CLUSTER_RADIUS = 0.1
"""Radius of the clusters [deg]; w(theta) falls below the power law as theta nears it."""


@dataclass(frozen=True)
class Region:
    """A circle on the sky, or a square with sides to the east and to the north.

    Raises
    ------
    UsageError
        For a centre that is not on the sky, or a size that is not.
    """

    ra: float
    """Right ascension of the centre [deg]."""
    dec: float
    """Declination of the centre [deg]."""
    radius: float
    """Radius of the circle, or half of the square's side [deg]."""
    square: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite([self.ra, self.dec]).all() and -90 <= self.dec <= 90):
            raise UsageError(
                f"The centre is at right ascension {self.ra}, declination {self.dec}.",
                "a declination from -90 to 90 deg",
            )
        if not 0 < self.radius <= 10:
            raise UsageError(
                f"The radius of the scene is {self.radius} deg.",
                "more than 0 and up to 10 deg",
                "make a scene for each part of a larger region",
            )

    @property
    def area(self) -> float:
        """Solid angle [deg2]."""
        return (4 if self.square else np.pi) * self.radius**2

    def uniform(self, count: int, random: np.random.Generator) -> tuple[Values, Values]:
        """(count,) right ascensions and declinations of independent places [deg]."""
        return self.on_sky(*self._offsets(count, self.radius, random))

    def clustered(self, count: int, random: np.random.Generator) -> tuple[Values, Values]:
        """(count,) right ascensions and declinations of places with a correlation [deg].

        A process of Neyman & Scott (1952, ApJ 116, 144): clusters lie at random,
        and their members about them with a density r^-(1 + SLOPE / 2) up to
        ``CLUSTER_RADIUS``.  Its correlation is the density of a cluster folded
        with itself, proportional to theta^-SLOPE, over the number density of clusters.
        """
        margin = self.radius + CLUSTER_RADIUS
        clusters = max(int(random.poisson(cluster_density() * 4 * margin**2)), 1)
        centres = random.uniform(-margin, margin, (2, clusters))
        found: list[Values] = []
        have = 0
        while have < count:
            members = random.integers(clusters, size=2 * (count - have) + 1000)
            # The number within r grows as r^(1 - SLOPE / 2).
            reach = random.random(members.size) ** (1 / (1 - SLOPE / 2))
            angle = random.uniform(0, 2 * np.pi, members.size)
            offsets = CLUSTER_RADIUS * reach * np.stack([np.cos(angle), np.sin(angle)])
            places = centres[:, members] + offsets
            found.append(places[:, self._inside(*places)])
            have += found[-1].shape[1]
        x, y = np.concatenate(found or [np.empty((2, 0))], axis=1)[:, :count]
        return self.on_sky(x, y)

    def on_sky(self, x: Values, y: Values) -> tuple[Values, Values]:
        """Right ascensions and declinations at offsets to the east and north [deg].

        Lambert's azimuthal projection, which keeps areas.
        """
        distance = np.deg2rad(np.hypot(x, y))
        angle = np.arctan2(x, y)
        arc = 2 * np.arcsin(distance / 2)
        delta = np.deg2rad(self.dec)
        north = np.sin(arc) * np.cos(angle)
        towards = np.cos(arc) * np.cos(delta) - north * np.sin(delta)
        dec = np.arcsin(np.clip(np.cos(arc) * np.sin(delta) + north * np.cos(delta), -1, 1))
        ra = self.ra + np.rad2deg(np.arctan2(np.sin(arc) * np.sin(angle), towards))
        return ra % 360, np.rad2deg(dec)

    def _inside(self, x: Values, y: Values) -> NDArray[np.bool_]:
        if self.square:
            return (np.abs(x) < self.radius) & (np.abs(y) < self.radius)
        return np.hypot(x, y) < self.radius

    def _offsets(
        self, count: int, radius: float, random: np.random.Generator
    ) -> tuple[Values, Values]:
        if self.square:
            x, y = random.uniform(-radius, radius, (2, count))
            return x, y
        angle = random.uniform(0, 2 * np.pi, count)
        distance = radius * np.sqrt(random.random(count))
        return distance * np.cos(angle), distance * np.sin(angle)


def cluster_density() -> float:
    """Clusters a square degree that give the correlation at one arcminute.

    With a density p = c r^-a, c = (2 - a) / (2 pi R^(2 - a)), the fold of p with
    itself is c^2 theta^(2 - 2 a) times the integral of |u|^-a |u - e|^-a over the
    plane, pi (g(1 - a/2) / g(a/2))^2 g(a - 1) / g(2 - a), with g the gamma function.
    """
    a = 1 + SLOPE / 2
    norm = (2 - a) / (2 * np.pi * CLUSTER_RADIUS ** (2 - a))
    plane = np.pi * (gamma(1 - a / 2) / gamma(a / 2)) ** 2 * gamma(a - 1) / gamma(2 - a)
    return float(norm**2 * plane * (1 / 60) ** -SLOPE / ARCMINUTE_CORRELATION)
