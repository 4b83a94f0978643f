"""Votes for an attitude: found where there is one, refused where there is none."""

from dataclasses import replace

import numpy as np
import pytest

from roman_dms.astrometry.matching import matches, mutual_best, surprise
from roman_dms.astrometry.priors import Search
from roman_dms.astrometry.stars import Exposure
from tests.astrometry.simulated_exposure import DETECTORS, Perturbation, simulated

TOLERANCE = 0.12


def true_share(exposure, match, simulated_exposure) -> float:
    partner = np.array(
        [
            simulated_exposure.partner[exposure.names[d]][row]
            for d, row in zip(
                exposure.detector[match.detection], exposure.row[match.detection], strict=True
            )
        ]
    )
    return float(np.mean(partner == match.reference))


@pytest.mark.parametrize("seed", range(3))
def test_a_pointing_that_is_off_by_ten_arcsec_is_found(seed):
    off = Perturbation(pointing=(7.0, -6.5), roll=(-80.0, 20.0, 85.0)[seed])
    made = simulated(seed, gaia=30, off=off)
    exposure = Exposure.of(made.detections)
    best = matches(exposure, made.reference, Search(), TOLERANCE)[0]
    assert best.log_chance < -300
    assert best.attitude.xi == pytest.approx(7.0, abs=0.03)
    assert best.attitude.eta == pytest.approx(-6.5, abs=0.03)
    assert best.attitude.roll == pytest.approx(off.roll, abs=8)
    assert true_share(exposure, best, made) > 0.995
    assert best.zero_point == pytest.approx(26.0, abs=0.15), "1 of colour and 25 of flux 1"


def test_chance_is_what_is_claimed():
    """The best attitude of a field that is not there has about one rival by chance, not 1e-6."""
    logs = []
    for seed in range(24):
        names = DETECTORS[:6]
        seen = simulated(100 + seed, gaia=20, others=400, names=names)
        elsewhere = simulated(500 + seed, gaia=20, names=names).reference
        logs += [
            m.log_chance for m in matches(Exposure.of(seen.detections), elsewhere, Search(), 0.1)
        ]
    assert min(logs) > -2, "of 24 fields one would be at -1.4"
    assert len(logs) > 24


def test_flux_speaks_where_places_are_crowded():
    """Five stars among 90,000 detections: told from chance by their magnitudes."""
    made = simulated(3, gaia=0, in_all=5, others=5000, blended=0)
    exposure = Exposure.of(made.detections)
    blind = replace(exposure, magnitude=np.full(len(exposure), np.nan))
    with_flux = matches(exposure, made.reference, Search(), TOLERANCE)[0]
    without = matches(blind, made.reference, Search(), TOLERANCE)[0]
    assert with_flux.log_chance < without.log_chance - 2
    assert np.isnan(without.zero_point)


def test_nothing_near_nothing_found():
    made = simulated(1, gaia=3, others=5, names=DETECTORS[:1])
    far = replace(made.reference, xi=made.reference.xi + 5000)
    assert matches(Exposure.of(made.detections), far, Search(), TOLERANCE) == []


def test_the_same_stars_vote_each_time():
    """Where reference stars are drawn by lot, the lot is the same."""
    made = simulated(5, gaia=2500, others=15_000, names=DETECTORS[:1])
    exposure = Exposure.of(made.detections)
    first, second = (matches(exposure, made.reference, Search(), TOLERANCE)[0] for _ in range(2))
    assert first.attitude == second.attitude
    assert np.hypot(first.attitude.xi - 1.6, first.attitude.eta + 1.2) < 0.1


def test_a_pair_must_be_the_best_of_both():
    """Reference 0 prefers detection 5, which prefers reference 1."""
    reference, detection = np.array([0, 0, 1, 2]), np.array([5, 6, 5, 7])
    assert mutual_best(reference, detection, np.array([2.0, 3.0, 1.0, 9.0])).tolist() == [
        False,
        False,
        True,
        True,
    ]


def test_surprise_bounds_the_tail_of_poisson():
    from scipy.stats import poisson

    for count, mean in ((5, 0.1), (40, 20.0), (3, 2.9)):
        bound = float(surprise(np.array(count), np.array(mean)))
        assert bound <= -poisson.logsf(count - 1, mean)
        assert bound > -poisson.logsf(count - 1, mean) - 4
    assert float(surprise(np.array(1.0), np.array(5.0))) == 0
