"""What the skies of images differ by, where these overlap."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from roman_dms.mosaics.sky_levels import overlap
from roman_dms.mosaics.steps.members import Member
from roman_dms.mosaics.steps.pixels import Loaded

Difference = tuple[int, int, float, float]
"""Numbers of two images, the sky of the first less that of the second, and its error."""


def differences(members: Sequence[Member], loaded: Mapping[str, Loaded]) -> list[Difference]:
    """Of each pair of images that see the same sky.

    Parameters
    ----------
    members
        Images.
    loaded
        Their meshes of sky levels, by name.
    """
    found = []
    near = [_Cap.around(member.footprint) for member in members]
    for i, j in itertools.combinations(range(len(members)), 2):
        if not near[i].meets(near[j]):
            continue
        first, second = members[i], members[j]
        shared = overlap(loaded[first.name].mesh, loaded[second.name].mesh, _way(first, second))
        if shared is not None:
            found.append((i, j, shared[0], shared[1]))
    return found


class _Cap:
    """A circle on the sky that holds an image."""

    def __init__(self, centre: NDArray[np.float64], radius: float) -> None:
        self.centre, self.radius = centre, radius

    @classmethod
    def around(cls, corners: NDArray[np.float64]) -> _Cap:
        lon, lat = np.radians(corners).T
        points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)
        centre = points.mean(axis=0)
        return cls(centre, float(np.linalg.norm(points - centre, axis=1).max()))

    def meets(self, other: _Cap) -> bool:
        return bool(np.linalg.norm(self.centre - other.centre) < self.radius + other.radius)


def _way(first: Member, second: Member):  # type: ignore[no-untyped-def]
    """From pixels of one image to pixels of another."""
    wcs = first.meta["wcs"]

    def to_second(x, y):  # type: ignore[no-untyped-def]
        ra, dec = wcs(x, y, with_bounding_box=False)
        return second.mapping(np.ravel(ra), np.ravel(dec))

    return to_second
