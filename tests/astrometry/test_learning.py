"""Places of detectors, learned from simulated exposures, against the truth they were made with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from roman_dms.astrometry.alignment import align
from roman_dms.astrometry.learning import learned
from roman_dms.astrometry.plane import ARCSEC
from roman_dms.astrometry.priors import KnownPlace, Priors
from roman_dms.errors import UsageError
from tests.astrometry.simulated_exposure import (
    DETECTORS,
    Perturbation,
    placement_errors,
    simulated,
)

PLACES = 5
"""Seed of the places that all exposures have in common: 30 mas, 20 arcsec, 1e-5."""
UNSTEADY = Perturbation(shift=1.0, rotation=0.6, scale=1e-6)


def placements(count: int, *, gaia: int = 200, first: int = 0, **how):
    """Aligned exposures, each with a roll of its own."""
    found = []
    for seed in range(first, first + count):
        off = Perturbation(pointing=(0.1 * (seed % 10), -1.2), roll=7.0 * (seed % 10) - 40)
        made = simulated(seed, gaia, others=50, off=off, **{"misplaced": PLACES, **how})
        solution = align(made.detections, made.reference)
        assert solution.aligned, solution.reason
        found.append(solution.placement)
    return found


@pytest.fixture(scope="module")
def steady():
    """Ten exposures of detectors that stay where they are."""
    return placements(10, gaia=400)


@pytest.fixture(scope="module")
def found(steady):
    return learned(steady)


@pytest.fixture(scope="module")
def moving():
    """Ten exposures of detectors that move by 1 mas from one to the next."""
    return placements(10, first=50, unsteady=UNSTEADY)


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_places_are_learned_to_a_tenth_of_a_milliarcsecond(found):
    """0.5 mas asked for.  105 pulls: their rms is known to 0.07."""
    wrong, pulls = placement_errors(found, PLACES)
    assert np.sqrt(np.mean(np.sum(wrong**2, axis=2))) < 0.1
    assert rms(pulls) == pytest.approx(1, abs=0.15)
    assert set(found.exposures.values()) == {10}
    assert not any(found.left_out)


def test_fifty_stars_in_all_are_enough_with_learned_places(found):
    """1.3 mas asked for; without learned places it is 21."""
    priors, wrong, predicted = found.priors(Priors()), [], []
    for seed in range(8):
        made = simulated(900 + seed, 0, in_all=50, misplaced=PLACES)
        solution = align(made.detections, made.reference, priors=priors)
        assert solution.aligned, solution.reason
        wrong += made.rms(solution).values()
        predicted += solution.predicted_rms.values()
    assert rms(wrong) < 0.8
    assert rms(wrong) == pytest.approx(rms(predicted), rel=0.35)


def test_scatter_between_exposures_is_measured(moving):
    found = learned(moving)
    assert 1e3 * found.scatter[:2] == pytest.approx(1.0, rel=0.15)
    assert found.scatter[2] / ARCSEC == pytest.approx(0.6, rel=0.2)
    assert found.scatter[3] == pytest.approx(1e-6, rel=0.25)
    assert rms(placement_errors(found, PLACES)[1]) == pytest.approx(1, abs=0.2)
    place = found.priors(Priors()).places["WFI03"]
    assert 1e3 * np.sqrt(place.covariance[0, 0]) == pytest.approx(1.05, rel=0.15)


def test_a_bad_exposure_is_left_out(moving):
    """Its detectors are elsewhere, by 30 mas; nothing of it stays."""
    good, bad = learned(moving), learned([*moving, *placements(1, first=80, misplaced=6)])
    assert [len(one) for one in bad.left_out] == [0] * 10 + [18]
    for name, place in good.places.items():
        np.testing.assert_allclose(bad.places[name].terms, place.terms, rtol=1e-6)


def test_a_bad_detector_is_left_out_alone(moving):
    one = moving[3]
    off = np.zeros(10)
    off[4] = 0.05  # arcsec
    evidence = one.evidence.copy()
    evidence[4] += one.information[4] @ off
    found = learned([*moving[:3], replace(one, evidence=evidence), *moving[4:]])
    assert found.left_out[3] == ("WFI05",)
    assert sum(map(len, found.left_out)) == 1
    assert found.exposures["WFI05"] == 9
    assert 1e3 * found.scatter[0] == pytest.approx(1e3 * learned(moving).scatter[0], rel=0.02)


def test_missing_detectors_move_no_other(steady):
    """Half of the field is missing in two of five exposures: the mean shift does not follow."""
    half = placements(4, gaia=400, names=DETECTORS[:9])
    found = learned([*half, *steady[4:]])
    wrong, pulls = placement_errors(found, PLACES)
    assert np.sqrt(np.mean(np.sum(wrong**2, axis=2))) < 0.1
    assert rms(pulls) == pytest.approx(1, abs=0.2)
    assert (found.exposures["WFI01"], found.exposures["WFI18"]) == (10, 6)


def test_the_mean_over_the_focal_plane_stays(moving):
    """Common shifts and turns are the attitude's, whatever the exposures."""
    for some in (moving[:4], moving[3:]):
        found = learned(some)
        shifts = np.stack([place.terms[:2] for place in found.places.values()])
        assert 1e3 * np.abs(shifts.mean(axis=0)).max() < 1e-6


def test_a_detector_that_nothing_shows_has_no_place(steady):
    found = learned(placements(3, names=DETECTORS[2:6]))
    assert tuple(found.places) == DETECTORS[2:6]
    priors = found.priors(Priors())
    made = simulated(70, 100, others=50, misplaced=PLACES, names=DETECTORS[1:4])
    solution = align(made.detections, made.reference, priors=priors)
    assert solution.aligned, solution.reason
    assert rms(list(made.rms(solution).values())) < 1.0


def test_too_few_exposures(moving):
    with pytest.raises(UsageError, match=r"2 of 2 exposures.*\n.*3 exposures or more"):
        learned(moving[:2])
    with pytest.raises(UsageError, match="0 of 0"):
        learned([])


def test_places_that_are_none():
    with pytest.raises(UsageError, match="terms of a place"):
        KnownPlace(np.full(6, np.nan), np.eye(6))
    with pytest.raises(UsageError, match="shape"):
        KnownPlace(np.zeros(6), np.eye(5))
    for bad in (-np.eye(6), np.ones((6, 6)), np.eye(6) + np.triu(np.ones((6, 6)), 1)):
        with pytest.raises(UsageError, match="covariance of a place"):
            KnownPlace(np.zeros(6), bad)
