"""Surfaces through meshes: a plane stays a plane, whatever the rows that are asked for."""

import numpy as np
import pytest

from roman_dms.measure.mesh import Surface

SHAPE = (96, 160)


def plane(y, x):
    return 3.0 + 0.02 * x - 0.05 * y


def surface():
    rows, columns = (np.arange(16, size, 32) - 0.5 for size in SHAPE)
    return Surface.of(plane(rows[:, None], columns), SHAPE)


def test_a_plane_through_the_middles_of_cells_is_found_at_every_pixel():
    truth = plane(np.arange(SHAPE[0])[:, None], np.arange(SHAPE[1]))
    assert surface().values() == pytest.approx(truth, abs=2e-5)


def test_some_rows_are_those_of_the_whole():
    assert (surface().at(slice(5, None, 16)).values() == surface().values()[5::16]).all()
