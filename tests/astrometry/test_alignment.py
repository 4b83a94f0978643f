"""Alignment of simulated exposures against the truth that they were made with."""

from dataclasses import replace

import numpy as np
import pytest

from roman_dms.astrometry.alignment import align
from roman_dms.astrometry.priors import Priors, Search
from roman_dms.astrometry.solution import Verdict
from roman_dms.astrometry.stars import Detections, Reference
from roman_dms.errors import UsageError
from tests.astrometry.simulated_exposure import DETECTORS, Perturbation, simulated

STABLE = Perturbation(shift=0.5, rotation=0.3, scale=1e-6)
"""Detectors that earlier exposures have placed."""


def overall(by_detector: dict[str, float]) -> float:
    return float(np.sqrt(np.mean(np.square(list(by_detector.values())))))


def wrong_pairs(made, solution) -> int:
    found = solution.residuals
    partner = [made.partner[d][i] for d, i in zip(found.detector, found.detection, strict=True)]
    return int(np.count_nonzero(np.array(partner) != found.reference))


def moved(made, names, xi: float, eta: float):
    """The exposure with some detectors' files from another pointing."""
    detections = {
        name: replace(one, xi=one.xi + xi, eta=one.eta + eta) if name in names else one
        for name, one in made.detections.items()
    }
    return replace(made, detections=detections)


def test_eighteen_detectors_are_right_to_a_milliarcsecond():
    """Places off by 30 mas, 20 arcsec and 1e-5; errors and numbers of Gaia at high latitude."""
    errors, predicted = [], []
    for seed in range(4):
        made = simulated(seed, gaia=50)
        solution = align(made.detections, made.reference)
        assert solution.aligned, solution.reason
        assert wrong_pairs(made, solution) <= 1
        errors.append(overall(made.rms(solution)))
        predicted.append(overall(solution.predicted_rms))
        assert 0.9 < solution.chi2 < 1.1
    assert max(errors) < 0.92, "length of the error vector [mas]; each axis has 0.7 of it"
    assert np.mean(errors) == pytest.approx(np.mean(predicted), rel=0.12)


def test_the_predicted_error_is_right_detector_by_detector():
    """Mean square of error over prediction: 1; 72 detectors with some 8 free terms each."""
    ratios = []
    for seed in range(4):
        made = simulated(40 + seed, gaia=50)
        solution = align(made.detections, made.reference)
        rms = made.rms(solution)
        ratios += [(rms[name] / solution.predicted_rms[name]) ** 2 for name in rms]
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)
    assert np.max(ratios) < 9


def test_residuals_are_as_large_as_they_say():
    made = simulated(7, gaia=150)
    residuals = align(made.detections, made.reference).residuals
    good = residuals.weight > 0.5
    pulls = residuals.miss[good] / residuals.sigma[good, np.newaxis]
    assert np.std(pulls) == pytest.approx(1, abs=0.08)
    assert abs(np.mean(pulls)) < 0.05


def test_fifty_stars_in_all_are_enough_with_known_places():
    """1.3 mas; half of it is how well the places are known beforehand."""
    errors = []
    for seed in range(6):
        made = simulated(seed, gaia=0, in_all=50, off=STABLE)
        solution = align(made.detections, made.reference, priors=Priors.calibrated())
        assert solution.aligned
        errors.append(overall(made.rms(solution)))
    assert np.sqrt(np.mean(np.square(errors))) < 1.3
    assert np.median(errors) < 1.15


def test_five_stars_in_all_give_an_attitude():
    """The error is that of five stars of Gaia a decade after its epoch, and is predicted."""
    ratios = []
    for seed in range(8):
        made = simulated(seed, gaia=0, in_all=5, off=STABLE, blended=0)
        solution = align(made.detections, made.reference, priors=Priors.calibrated())
        assert solution.aligned, solution.reason
        assert wrong_pairs(made, solution) == 0
        assert sum(solution.stars.values()) == 5
        ratios.append((overall(made.rms(solution)) / overall(solution.predicted_rms)) ** 2)
    assert 0.3 < np.mean(ratios) < 2.2


def test_detectors_may_be_missing():
    made = simulated(9, gaia=50, names=("WFI02", "WFI11", "WFI18"))
    solution = align(made.detections, made.reference)
    assert set(solution.correction) == {"WFI02", "WFI11", "WFI18"}
    assert overall(made.rms(solution)) < 1.2


def test_a_detector_without_stars_goes_with_the_others():
    """Its error is that of its place, 30 mas along each axis and 20 arcsec."""
    made = simulated(10, gaia=50)
    empty = Detections(*[np.empty(0)] * 6, made.detections["WFI05"].outline)
    detections = {**made.detections, "WFI05": empty}
    solution = align(detections, made.reference)
    assert solution.aligned
    assert solution.stars["WFI05"] == 0
    assert made.rms(solution)["WFI05"] < 4 * solution.predicted_rms["WFI05"]
    assert 40 < solution.predicted_rms["WFI05"] < 70


def test_the_bulge_is_no_harder():
    """50,000 detections next to 6,000 reference stars on four detectors."""
    made = simulated(11, gaia=1500, others=12_500, names=DETECTORS[:4])
    solution = align(made.detections, made.reference)
    assert solution.aligned
    assert overall(made.rms(solution)) < 0.4
    assert wrong_pairs(made, solution) < 0.003 * len(solution.residuals)


def test_fluxes_are_not_needed():
    made = simulated(12, gaia=50)
    unknown = {
        name: replace(one, flux=np.full(len(one), np.nan)) for name, one in made.detections.items()
    }
    solution = align(unknown, made.reference)
    assert overall(made.rms(solution)) < 0.95


def test_stars_that_move_unlike_single_stars_do_little_harm():
    """A tenth of the stars off by 20 mas, known by their RUWE."""
    made = simulated(13, gaia=50)
    rng = np.random.default_rng(1)
    doubtful = rng.random(len(made.reference)) < 0.1
    off = 0.02 * rng.normal(size=(2, len(doubtful))) * doubtful
    reference = replace(
        made.reference,
        xi=made.reference.xi + off[0],
        eta=made.reference.eta + off[1],
        ruwe=np.where(doubtful, 5.0, 1.0),
    )
    assert overall(made.rms(align(made.detections, reference))) < 1.0


@pytest.mark.parametrize("count", [1, 9, 12])
def test_files_of_two_pointings_are_told_apart(count):
    made = moved(simulated(14, gaia=40), DETECTORS[:count], 3.0, 2.0)
    solution = align(made.detections, made.reference)
    assert solution.verdict is Verdict.INCONSISTENT_DETECTORS
    fewer = DETECTORS[:count] if count <= 9 else DETECTORS[count:]
    assert solution.reason.startswith(", ".join(fewer) + " agree")
    assert not solution.correction


def test_files_of_another_field_are_told_apart():
    made = moved(simulated(14, gaia=40), DETECTORS[:9], 400.0, 2.0)
    solution = align(made.detections, made.reference)
    assert solution.verdict is Verdict.INCONSISTENT_DETECTORS
    assert "WFI09 match no reference stars" in solution.reason


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_spikes_of_bright_stars_are_no_other_pointing(seed):
    """Four false detections around each saturated star, at the same places everywhere."""
    made = simulated(seed, gaia=3, saturated=17.0)
    rng = np.random.default_rng(seed)
    bright = made.reference.points[made.reference.magnitude < 17] - [1.6, -1.2]
    detections = {}
    for name, one in made.detections.items():
        stars = bright[one.covers(bright)]
        around = np.array([[1.5, 0], [-1.5, 0], [0, 1.5], [0, -1.5]])
        false = (stars[:, np.newaxis] + around).reshape(-1, 2)
        false += rng.normal(0, 0.05, false.shape)
        flux = 10 ** (-0.4 * (rng.uniform(16, 20, len(false)) - 25))
        columns = (0 * flux, 0 * flux, *false.T, 0 * flux + 0.003, flux)
        seen = (one.x, one.y, one.xi, one.eta, one.err, one.flux)
        joined = [np.append(a, b) for a, b in zip(seen, columns, strict=True)]
        detections[name] = Detections(*joined, one.outline)
    solution = align(detections, made.reference)
    assert solution.aligned, solution.reason
    error = overall(made.rms(solution)) / overall(solution.predicted_rms)
    assert error < 2


@pytest.mark.parametrize("drift", [0.02, 0.1])
def test_a_small_drift_between_two_halves_is_noticed(drift):
    made = moved(simulated(14, gaia=50, off=STABLE), DETECTORS[:9], drift, 0.0)
    solution = align(made.detections, made.reference, priors=Priors.calibrated())
    assert solution.verdict is Verdict.INCONSISTENT_DETECTORS


def test_one_detector_that_matches_nothing_is_named():
    made = moved(simulated(15, gaia=40), DETECTORS[:1], 400.0, 2.0)
    solution = align(made.detections, made.reference)
    assert solution.aligned
    assert solution.unmatched == ("WFI01",)
    assert solution.notes


def test_another_field_is_refused():
    made, other = simulated(16, gaia=50), simulated(17, gaia=50)
    solution = align(made.detections, other.reference)
    assert solution.verdict is Verdict.NO_MATCH
    assert "which chance would do" in solution.reason


def test_a_pointing_beyond_the_search_is_refused():
    made = simulated(18, gaia=50, off=Perturbation(pointing=(14.0, 3.0)))
    assert align(made.detections, made.reference).verdict is Verdict.NO_MATCH
    wide = align(made.detections, made.reference, search=Search(radius=20.0))
    assert overall(made.rms(wide)) < 1.0


def test_two_attitudes_that_fit_are_one_too_many():
    """A catalogue in which every star is there once more, 4 arcsec away."""
    made = simulated(19, gaia=40)
    twice = made.reference
    double = Reference(
        np.append(twice.xi, twice.xi + 4),
        np.append(twice.eta, twice.eta),
        np.append(twice.covariance, twice.covariance, axis=0),
        np.append(twice.magnitude, twice.magnitude),
    )
    assert align(made.detections, double).verdict is Verdict.AMBIGUOUS


def test_too_few_stars_are_said_to_be():
    made = simulated(20, gaia=0, in_all=4)
    solution = align(made.detections, made.reference)
    assert solution.verdict is Verdict.TOO_FEW_STARS
    assert "4 usable reference stars" in solution.reason
    nothing = {name: replace(d, err=0 * d.err) for name, d in made.detections.items()}
    assert align(nothing, simulated(20, gaia=9).reference).verdict is Verdict.TOO_FEW_STARS


def test_scatter_that_nothing_explains_is_refused():
    made = simulated(21, gaia=60, off=STABLE)
    rng = np.random.default_rng(2)
    noisy = {
        name: replace(
            d, xi=d.xi + rng.normal(0, 0.03, len(d)), eta=d.eta + rng.normal(0, 0.03, len(d))
        )
        for name, d in made.detections.items()
    }
    assert align(noisy, made.reference).verdict is Verdict.SCATTER_TOO_LARGE


def test_no_detector_at_all_is_a_mistake():
    with pytest.raises(UsageError, match="No detector"):
        align({}, simulated(1, gaia=5).reference)


def test_columns_that_do_not_fit_are_refused():
    one = simulated(1, gaia=5, names=("WFI01",)).detections["WFI01"]
    with pytest.raises(UsageError, match="one length"):
        replace(one, flux=one.flux[:-1])
    with pytest.raises(UsageError, match="corners"):
        replace(one, outline=one.outline[:3])
    with pytest.raises(UsageError, match="covariance"):
        Reference(one.xi, one.eta, np.zeros((2, 2)), one.xi)
    with pytest.raises(UsageError, match="prior"):
        Priors(shift=-1)
    with pytest.raises(UsageError, match="radius"):
        Search(radius=0)
