import dataclasses

import numpy as np

from roman_dms.psf.empirical.finding import find_stars
from tests.psf.empirical import field


def found_near(found, x, y):
    return np.hypot(found[0] - x, found[1] - y) < 1


def test_finds_bright_stars_that_stand_alone():
    rng = np.random.default_rng(3)
    alone = [(60.3, 70.8, 5000.0), (200.0, 90.5, 800.0)]
    double = [(120.0, 200.0, 5000.0), (125.2, 201.0, 2500.0)]
    faint_companion = [(250.0, 250.0, 5000.0), (255.0, 250.0, 200.0)]
    too_faint = [(40.0, 250.0, 3.0)]
    one = field.exposure([*alone, *double, *faint_companion, *too_faint], rng)
    saturated = one.saturated.copy()
    saturated[90, 202] = True
    found = find_stars(one, 100)
    assert len(found[0]) == 3
    assert (np.diff(found[2]) <= 0).all()  # brightest first
    for x, y, _ in [*alone, faint_companion[0]]:
        assert found_near(found, x, y).sum() == 1
    spoilt = find_stars(dataclasses.replace(one, saturated=saturated), 100)
    assert not found_near(spoilt, 200, 90.5).any()
    assert len(find_stars(one, 1)[0]) == 1


def test_finds_nothing_where_there_is_nothing():
    rng = np.random.default_rng(3)
    one = field.exposure([], rng)
    assert len(find_stars(one, 100)[0]) == 0
    blind = dataclasses.replace(one, usable=np.zeros(one.data.shape, bool))
    assert len(find_stars(blind, 100)[0]) == 0
