"""Squares that a polygon touches, against matplotlib's paths."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from roman_dms.sky.tessellation.polygons import touched_squares


@pytest.mark.parametrize("seed", range(40))
def test_squares_are_those_whose_box_meets_the_polygon(seed):
    random = np.random.default_rng(seed)
    angle = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
    radius = random.uniform(0.2, 1, angle.size) * random.choice([3, 40, 300])
    x, y = radius * np.cos(angle) + 7, radius * np.sin(angle) - 150
    found = set(zip(*(axis.tolist() for axis in touched_squares(x, y, 48, 25)), strict=True))
    path = Path(np.stack([[*x, x[0]], [*y, y[0]]], axis=1), closed=True)
    for p in range(-9, 10):
        for q in range(-12, 8):
            box = Bbox.from_extents(48 * p - 25, 48 * q - 25, 48 * p + 25, 48 * q + 25)
            assert path.intersects_bbox(box, filled=True) == ((p, q) in found), (p, q)


def test_squares_that_only_share_a_side_are_not_touched():
    x, y = np.array([-2.0, 2, 2, -2]), np.array([-2.0, -2, 2, 2])
    p, q = touched_squares(x, y, 4, 2)
    assert list(zip(p, q, strict=True)) == [(0, 0)]
