"""Places on the sky: area, evenness and correlation."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from scipy.spatial import cKDTree

from roman_dms.errors import UsageError
from roman_dms.simulation.scenes import region as module
from roman_dms.simulation.scenes.region import Region


@pytest.mark.parametrize("centre", [(0.0, 0.0), (359.99, 66.0), (12.0, -90.0), (270.0, 89.95)])
@pytest.mark.parametrize("square", [False, True])
def test_places_lie_evenly_in_the_region(centre, square):
    region = Region(*centre, 0.1, square=square)
    ra, dec = region.uniform(20000, np.random.default_rng(1))
    assert np.all((ra >= 0) & (ra < 360) & (np.abs(dec) <= 90))
    distance = SkyCoord(*centre, unit="deg").separation(SkyCoord(ra, dec, unit="deg")).deg
    assert distance.max() < 0.1 * (1.4143 if square else 1.0001)
    # A circle of half the radius holds its part of the area.
    expected = np.pi * 0.05**2 / region.area
    assert np.mean(distance < 0.05) == pytest.approx(expected, abs=4 * np.sqrt(expected / 20000))


def test_projection_keeps_areas_far_from_the_centre():
    """A cap of 10 deg: the part within 5 deg by Archimedes."""
    ra, dec = Region(40.0, 20.0, 10.0).uniform(100_000, np.random.default_rng(3))
    distance = SkyCoord(40, 20, unit="deg").separation(SkyCoord(ra, dec, unit="deg")).deg
    whole = np.deg2rad(10) / 2  # the disc has the radius 2 sin(arc / 2) of its cap
    expected = np.sin(np.deg2rad(2.5)) ** 2 / whole**2
    assert np.mean(distance < 5) == pytest.approx(expected, abs=0.006)


def test_clustered_places_have_the_correlation():
    """Landy & Szalay's (1993) estimator, mean of several skies, 0.3 to 2 arcmin."""
    edges = np.geomspace(0.3, 2.0, 6) / 60
    pairs = np.zeros((3, 5))
    count = 20000
    for seed in range(8):
        random = np.random.default_rng(seed)
        region = Region(0.5, 0.0, 0.25, square=True)
        data, even = (
            np.stack(place(count, random), axis=1) for place in (region.clustered, region.uniform)
        )
        for number, (one, two) in enumerate(((data, data), (data, even), (even, even))):
            found = cKDTree(one).count_neighbors(cKDTree(two), edges)
            pairs[number] += np.diff(found.astype(float))
    correlation = (pairs[0] - 2 * pairs[1] + pairs[2]) / pairs[2]
    middle = np.sqrt(edges[1:] * edges[:-1]) * 60
    slope, level = np.polyfit(np.log(middle), np.log(correlation), 1)
    assert slope == pytest.approx(-module.SLOPE, abs=0.2)
    assert np.exp(level) == pytest.approx(module.ARCMINUTE_CORRELATION, rel=0.25)


def test_clustered_places_are_in_the_region_and_repeat():
    region = Region(100.0, -30.0, 0.05)
    one, two = (region.clustered(500, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    ra, dec = one
    assert ra.size == 500
    distance = SkyCoord(100, -30, unit="deg").separation(SkyCoord(ra, dec, unit="deg")).deg
    assert distance.max() < 0.05001
    assert region.clustered(0, np.random.default_rng(5))[0].size == 0


@pytest.mark.parametrize(
    "wrong", [(0, 91, 0.1), (0, np.nan, 0.1), (0, 0, 0), (0, 0, -1), (0, 0, 50)]
)
def test_impossible_regions(wrong):
    with pytest.raises(UsageError):
        Region(*wrong)
