"""Which of several neighbours is the star, and how large errors are."""

from dataclasses import replace

import numpy as np
import pytest

from roman_dms.astrometry.assignment import floor_of, judged, neighbours
from roman_dms.astrometry.placement import resting
from roman_dms.astrometry.plane import Attitude
from roman_dms.astrometry.priors import Priors
from roman_dms.astrometry.stars import Detections, Exposure, Reference

SQUARE = np.array([[-200.0, -200.0], [-200.0, 200.0], [200.0, 200.0], [200.0, -200.0]])


def field(points, stars, *, err=1e-3, magnitude=None, star_magnitude=None, ruwe=None):
    """One detector and a reference catalogue with errors of 1 mas."""
    points, stars = np.atleast_2d(points).astype(float), np.atleast_2d(stars).astype(float)
    n, m = len(points), len(stars)
    flux = np.full(n, np.nan) if magnitude is None else 10 ** (-0.4 * np.asarray(magnitude, float))
    detections = Detections(
        np.zeros(n), np.zeros(n), points[:, 0], points[:, 1], np.full(n, err), flux, SQUARE
    )
    reference = Reference(
        stars[:, 0],
        stars[:, 1],
        np.broadcast_to(np.eye(2), (m, 2, 2)),
        np.full(m, np.nan) if star_magnitude is None else star_magnitude,
        np.full(m, np.nan) if ruwe is None else ruwe,
    )
    return Exposure.of({"WFI01": detections}), reference


def judge(exposure, reference, floor=0.0, colour=(np.nan, 1.0)):
    placement = resting(exposure, Attitude(), Priors())
    pairs = neighbours(exposure, reference, placement, 0.1)
    order = np.lexsort((pairs.detection, pairs.reference))
    pairs = type(pairs)(*(getattr(pairs, name)[order] for name in pairs.__dataclass_fields__))
    return pairs, judged(pairs, placement, floor, 0.5, colour)


def test_the_nearer_of_two_is_the_star_if_it_is_much_nearer():
    _, judgement = judge(*field([[0, 0], [0.006, 0]], [[0, 0]]))
    assert judgement.probability[0] > 0.99
    assert judgement.probability[1] == 0, "one star has one detection"


def test_two_neighbours_that_are_as_near_are_both_doubted():
    _, judgement = judge(*field([[0.001, 0], [-0.001, 0]], [[0, 0]]))
    assert sorted(judgement.probability) == pytest.approx([0, 0.5], abs=0.01)


def test_flux_decides_between_neighbours():
    exposure, reference = field(
        [[0.001, 0], [-0.001, 0]], [[0, 0]], magnitude=[-5.0, -9.0], star_magnitude=[17.0]
    )
    _, judgement = judge(exposure, reference, colour=(26.0, 0.5))
    assert judgement.probability[1] > 0.9, "17 + 9 is the zero point of 26"


def test_two_reference_stars_share_no_detection():
    _, judgement = judge(*field([[0, 0]], [[0, 0], [0.002, 0]]))
    assert (judgement.probability > 0).sum() == 1


def test_crowding_makes_a_far_neighbour_improbable():
    rng = np.random.default_rng(1)
    crowd = rng.uniform(-200, 200, (40_000, 2))
    crowd = crowd[np.hypot(*crowd.T) > 1]
    far = [[0.05, 0]]
    alone = judge(*field(far, [[0, 0]], err=0.02))[1].probability[0]
    crowded = judge(*field([*far, *crowd], [[0, 0]], err=0.02))[1].probability[0]
    assert crowded < alone


def test_an_outlier_loses_its_weight_smoothly():
    """Weight 1 at its place, 1/100 far out; half of it at 3.9 standard deviations."""
    misses = np.linspace(0, 0.012, 13) * np.sqrt(2)
    weights = [judge(*field([[miss, 0]], [[0, 0]]))[1].weight[0] for miss in misses]
    assert weights[0] > 0.99
    assert (np.diff(weights) <= 1e-12).all()
    assert weights[3] > 0.9
    assert weights[4] == pytest.approx(0.4, abs=0.2)
    assert weights[6] < 0.05


def test_a_star_with_a_large_ruwe_counts_less():
    _, plain = judge(*field([[0.001, 0]], [[0, 0]], ruwe=[1.2]))
    _, doubted = judge(*field([[0.001, 0]], [[0, 0]], ruwe=[4.0]))
    assert doubted.information[0, 0, 0] == pytest.approx(1e6 / 17, rel=1e-6)
    assert plain.information[0, 0, 0] == pytest.approx(1e6 / 2, rel=1e-6)
    assert doubted.good[0] < plain.good[0]


@pytest.mark.parametrize("floor", [0.0, 1.0, 4.0])
def test_the_floor_is_found(floor):
    """Errors of sqrt(2) mas and a floor that the errors do not have."""
    rng = np.random.default_rng(2)
    stars = rng.uniform(-190, 190, (8000, 2))
    scatter = 1e-3 * np.hypot(np.sqrt(2), floor)
    exposure, reference = field(stars + rng.normal(0, scatter, stars.shape), stars)
    pairs, judgement = judge(exposure, reference, floor=1e-3 * max(floor, 1))
    found = 1e3 * floor_of(pairs, judgement, 0.0, 0.02)
    assert found == pytest.approx(floor, abs=0.12 if floor else 0.5)


def test_the_floor_is_not_larger_than_allowed():
    rng = np.random.default_rng(3)
    stars = rng.uniform(-190, 190, (200, 2))
    pairs, judgement = judge(*field(stars + rng.normal(0, 0.03, stars.shape), stars), floor=0.03)
    assert floor_of(pairs, judgement, 0.0, 0.02) == 0.02


def test_what_cannot_be_used_is_no_neighbour():
    exposure, reference = field([[0, 0], [np.nan, 0]], [[0, 0], [0.01, 0]])
    broken = reference.covariance.copy()
    broken[1] = np.nan
    pairs, _ = judge(exposure, replace(reference, covariance=broken))
    assert pairs.reference.tolist() == [0]
    assert pairs.detection.tolist() == [0]
