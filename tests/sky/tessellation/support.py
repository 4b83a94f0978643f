"""Truth about sky cells that shares nothing with the code under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MISSION_CELLS = np.genfromtxt(
    Path(__file__).parent / "mission_cells.csv",
    delimiter=",", names=True, dtype=None, encoding="ascii", skip_header=2,
)  # fmt: skip
"""Two hundred rows of the mission's table."""


def random_positions(count, seed):
    """All over the sky: right ascension, declination [deg]."""
    random = np.random.default_rng(seed)
    return random.uniform(0, 360, count), np.rad2deg(np.arcsin(random.uniform(-1, 1, count)))


def vectors(ra, dec):
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def pixels(cell, ra, dec):
    """Columns and rows of positions on a cell, east to the right, by vectors."""
    position, lon = vectors(ra, dec), np.deg2rad(cell.plane.ra)
    out = vectors(cell.plane.ra, cell.plane.dec)
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    step = np.deg2rad(cell.plane.scale / 3600)
    x, y = (position @ axis / (position @ out) / step for axis in (east, np.cross(out, east)))
    return x + cell.plane.x, y + cell.plane.y


def share_area(one, others):
    """Whether a convex spherical polygon (m, 2) overlaps others (n, 4, 2) [deg].

    Two convex cones are apart exactly where a face of one of them parts them.
    """
    a, b = vectors(*one.T), vectors(others[..., 0], others[..., 1])
    faces = inward(np.cross(a, np.roll(a, -1, axis=0)), a.mean(axis=0))
    apart = ((b @ faces.T) <= 1e-13).all(axis=1).any(axis=1)
    faces = inward(np.cross(b, np.roll(b, -1, axis=1)), b.mean(axis=1)[:, np.newaxis])
    return ~(apart | ((faces @ a.T) <= 1e-13).all(axis=2).any(axis=1))


def inward(normals, middle):
    """Normals of faces of length one, turned to the inside."""
    normals = normals / np.linalg.norm(normals, axis=-1, keepdims=True)
    return normals * np.sign(np.sum(normals * middle, axis=-1, keepdims=True))
