"""Counts against the Poisson distribution of scipy."""

import numpy as np
import pytest
from scipy import stats

from roman_dms.simulation.signatures import photons
from roman_dms.simulation.signatures.randomness import key, words_for

SHAPE = (128, 2048)


def draw(mean):
    mean = np.broadcast_to(np.asarray(mean, np.float32), SHAPE).copy()
    charge = np.zeros(SHAPE, np.float32)
    photons.add_poisson(
        charge,
        mean,
        photons.none_of(mean),
        photons.steps_of(mean),
        (mean > photons.INVERTED).any(axis=1),
        0,
        1,
        *key(5, "test"),
        words_for(SHAPE[1]),
        words_for(SHAPE[1]),
    )
    return charge


@pytest.mark.parametrize("mean", [0.01, 0.1, 0.5, 1.6, 4, 9, 18, 31.9, 32.1, 60, 300, 5e3, 1e5])
def test_counts_are_poisson(mean):
    counts = draw(mean).ravel().astype(int)
    mean = float(np.float32(mean))
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / counts.size))
    spread = np.sqrt((2 * mean**2 + mean) / counts.size)
    assert counts.var() == pytest.approx(mean, abs=4 * spread)
    low, high = stats.poisson.ppf([1e-4, 1 - 1e-4], mean).astype(int)
    edges = np.unique(np.linspace(low, high, min(high - low + 1, 100)).astype(int))
    cumulative = np.r_[0, stats.poisson.cdf(edges, mean), 1]
    expected = counts.size * np.diff(cumulative)
    found = np.bincount(np.searchsorted(edges, counts), minlength=expected.size)
    enough = expected > 5
    chi2 = np.sum((found - expected)[enough] ** 2 / expected[enough])
    assert stats.chi2.sf(chi2, max(1, np.count_nonzero(enough) - 1)) > 1e-3


def test_neighbours_of_all_kinds():
    """Dark, faint and bright pixels in one group each have their own mean."""
    means = np.resize(np.array([0, 0.3, 7, 30, 33, 2000], np.float32), SHAPE[1])
    counts = draw(means)
    assert not counts[:, means == 0].any()
    for mean in (0.3, 7, 30, 33, 2000):
        found = counts[:, means == np.float32(mean)]
        assert found.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / found.size))
        assert found.var() == pytest.approx(mean, rel=0.05)


def test_rare_counts_are_exact():
    """The part beyond the steps that pixels take together: 3e6 draws of a small mean."""
    total = np.zeros(20)
    mean = np.full(SHAPE, 0.5, np.float32)
    rest = (photons.none_of(mean), photons.steps_of(mean), np.zeros(SHAPE[0], bool))
    for read in range(1, 13):
        charge = np.zeros(SHAPE, np.float32)
        words = words_for(SHAPE[1])
        photons.add_poisson(charge, mean, *rest, 0, read, *key(6, "test"), words, words)
        total += np.bincount(charge.ravel().astype(int), minlength=20)
    for count in range(7):
        expected = stats.poisson.pmf(count, 0.5) * total.sum()
        assert total[count] == pytest.approx(expected, abs=4 * np.sqrt(expected))
