"""Tracks, lengths and charge against the laws that they are drawn from."""

import numpy as np
import pytest
from scipy import stats

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures.cosmic_rays import CosmicRays, cross
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.stages import Conditions


def conditions(seed=1, rows=1024, reads=20):
    pattern = ReadPattern([[read] for read in range(1, reads + 1)], frame_time=3.0)
    return Conditions(Detector("WFI01", rows, 1024), pattern, Properties(), seed)


def test_number_of_particles_is_poisson():
    """Particles that all release 120 / 0.5 x sqrt(5^2 + 10^2) electrons."""
    rays = CosmicRays(rate=2, longest=10.001, loss_width=1e-9)
    one = 240 * np.hypot(5, 10)
    counts = [rays.deposits(conditions(seed, reads=4)).electrons.sum() / one for seed in range(300)]
    expected = 2 * 1.016**2 * 12
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 300))
    assert np.var(counts) == pytest.approx(expected, rel=0.35)


def test_lengths_follow_the_power_law():
    rays = CosmicRays()
    lengths = rays.lengths(np.random.default_rng(1), 100_000)
    low, high, power = 10.0, 2000.0, -3.33

    def law(x):
        return (x**power - low**power) / (high**power - low**power)

    assert stats.kstest(lengths, law).pvalue > 1e-3
    assert lengths.min() >= low
    assert lengths.max() <= high


def test_losses_follow_the_moyal_distribution():
    losses = CosmicRays().losses(np.random.default_rng(2), 100_000)
    law = stats.moyal(loc=120, scale=50)
    inside = law.cdf(10000) - law.cdf(10)
    assert stats.kstest(losses, lambda x: (law.cdf(x) - law.cdf(10)) / inside).pvalue > 1e-3


def test_charge_of_a_track():
    """The sum of a track's electrons: loss times path over the energy of an electron."""
    rays = CosmicRays(rate=1, shortest=200, longest=200.001, loss_width=1e-9, least_loss=0)
    charges = []
    for seed in range(60):
        found = rays.deposits(conditions(seed, reads=1))
        if len(found) and found.row.min() > 25 and found.row.max() < 990:
            inside = found.column.min() > 25 and found.column.max() < 990
            charges += [found.electrons.sum()] if inside else []
    one = 120 / 0.5 * np.hypot(5, 200)
    whole = np.array(charges) / one
    assert len(whole) > 5
    assert np.allclose(whole, np.rint(whole), atol=0.05)


def test_tracks_cross_the_pixels_that_geometry_says():
    """Shares against points on the line, one in a ten-thousandth of its length."""
    random = np.random.default_rng(3)
    begin = random.uniform(-5, 45, (200, 2))
    end = begin + random.normal(0, 8, (200, 2))
    end[0] = begin[0] + (6, 0)
    end[1] = begin[1] + (0, -6)
    track, column, row, share = cross(begin, end, 40, 50)
    parts = (np.arange(10_000) + 0.5) / 10_000
    for number in range(200):
        x, y = np.rint(begin[number] + parts[:, None] * (end[number] - begin[number])).T
        inside = (x >= 0) & (x < 50) & (y >= 0) & (y < 40)
        expected = np.zeros((40, 50))
        np.add.at(expected, (y[inside].astype(int), x[inside].astype(int)), 1e-4)
        mine = track == number
        found = np.zeros((40, 50))
        np.add.at(found, (row[mine], column[mine]), share[mine])
        assert np.abs(found - expected).max() < 2.1e-4


def test_arrival_is_uniform_in_place_and_time():
    found = CosmicRays(rate=60).deposits(conditions(9))
    for values, stop in ((found.read - 1, 20), (found.row, 1016), (found.column, 1016)):
        first_half = np.count_nonzero(values < stop / 2)
        assert first_half == pytest.approx(len(found) / 2, abs=6 * np.sqrt(len(found)))
        assert values.min() >= 0
        assert values.max() < stop
