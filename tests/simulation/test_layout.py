"""Where injected sources are put."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from roman_dms.errors import UsageError
from roman_dms.simulation.layout import Ranges, draw_columns, hexagonal, scattered, spacing_of


def test_neighbours_on_the_grid_have_the_spacing():
    x, y = hexagonal((400, 600), 50.0, 30.0, np.random.default_rng(1))
    distances, _ = cKDTree(np.column_stack([x, y])).query(np.column_stack([x, y]), k=7)
    np.testing.assert_allclose(distances[:, 1], 50.0)
    whole = (x > 90) & (x < 510) & (y > 90) & (y < 310)
    np.testing.assert_allclose(distances[whole, 6], 50.0)
    assert x.min() >= 30
    assert x.max() <= 569
    assert y.min() >= 30
    assert y.max() <= 369


@pytest.mark.parametrize("number", [20, 200, 3000])
def test_the_grid_has_about_as_many_places_as_asked_for(number):
    shape, margin = (4088, 4088), 64.0
    counts = []
    for seed in range(20):
        spacing = spacing_of(shape, number, margin)
        counts.append(hexagonal(shape, spacing, margin, np.random.default_rng(seed))[0].size)
    assert np.mean(counts) == pytest.approx(number, rel=0.08)


def test_grids_begin_at_different_phases_of_the_pixels():
    first, second = (
        hexagonal((500, 500), 40.0, 10.0, np.random.default_rng(seed)) for seed in (1, 2)
    )
    assert first[0][0] % 1 != second[0][0] % 1


def test_random_places_are_even_and_keep_the_margin():
    x, y = scattered((300, 500), 4000, 50.0, np.random.default_rng(5))
    counts, _, _ = np.histogram2d(x, y, bins=(8, 4), range=((50, 449), (50, 249)))
    assert counts.sum() == 4000
    expected = 4000 / 32
    assert np.sum((counts - expected) ** 2 / expected) < 60  # chi squared, 31 degrees of freedom


def test_columns_fill_their_ranges():
    ranges = Ranges(magnitude=(21, 25), galaxies=0.3, radius=(0.1, 0.4))
    columns = draw_columns(5000, ranges, np.random.default_rng(7))
    galaxy = columns["type"] == "SER"
    assert galaxy.mean() == pytest.approx(0.3, abs=0.02)
    for name, (low, high) in {
        "n": ranges.sersic, "half_light_radius": ranges.radius, "ba": ranges.axis_ratio,
    }.items():  # fmt: skip
        values = columns[name][galaxy]
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    np.testing.assert_array_equal(columns["half_light_radius"][~galaxy], 0)
    assert columns["magnitude"].mean() == pytest.approx(23, abs=0.06)


@pytest.mark.parametrize(
    "wrong",
    [{"magnitude": (26, 20)}, {"galaxies": 1.5}, {"sersic": (0.1, 4)}, {"radius": (0.0, 1.0)},
     {"axis_ratio": (0.5, np.nan)}],
)  # fmt: skip
def test_ranges_that_cannot_be_are_errors(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Ranges(**wrong)


def test_too_wide_a_margin_and_no_sources_are_errors():
    with pytest.raises(UsageError, match="margin"):
        scattered((100, 100), 5, 60.0, np.random.default_rng(0))
    with pytest.raises(UsageError, match="0 sources"):
        spacing_of((100, 100), 0, 10.0)
