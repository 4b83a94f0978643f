"""Alignment of 18 detectors: error next to truth, numbers of stars, priors, refusals, speed.

Run it from the repository, where tweakwcs (of romancal) is importable too::

    python -m benchmarks.alignment [TRIALS] [speed] [fields] [numbers] [places] [refusals]

The truth is that of ``tests/astrometry/simulated_exposure.py``: every detector is
off by 30 mas along each axis, 20 arcsec and 1e-5 of scale, the telescope by
2 arcsec and 30 arcsec of roll; centroids have 0.003 pixel and 1 mas at G = 21
beside, 2 in 100 are off by 30 mas; reference stars have Gaia DR3's errors, with
those of its proper motions over 10.9 years; 1,000 detections a detector, of
which only Gaia's numbers have a partner, stars brighter than G = 16 saturated.

WCS errors are the rms over 30 x 30 points of each of the detectors of the length of
the error vector; the error along one axis is 0.71 of it.  The peers are given the
true pairs, which ours has to find: tweakwcs with its one shift and roll for all
detectors (what romancal's tweakreg does), and with six terms for each detector.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

from roman_dms.astrometry.alignment import align
from roman_dms.astrometry.learning import LearnedPlacement, learned
from roman_dms.astrometry.placement import Placement
from roman_dms.astrometry.priors import Priors
from roman_dms.astrometry.solution import Solution, Verdict
from tests.astrometry.simulated_exposure import (
    DETECTORS,
    Perturbation,
    SimulatedExposure,
    placement_errors,
    simulated,
)

FIELDS = {"pole": 34, "survey, b = 50": 55, "b = 20": 200, "plane": 1000}
"""Stars of Gaia to G = 20.8 on a detector: 2,200 to 65,000 a square degree."""

STABLE = Perturbation(shift=0.5, rotation=0.3, scale=1e-6)


def root_mean_square(values: object) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, float)))))


def error(made: SimulatedExposure, solution: Solution) -> float:
    return root_mean_square(list(made.rms(solution).values()))


def predicted(solution: Solution) -> float:
    return root_mean_square(list(solution.predicted_rms.values()))


def peers(made: SimulatedExposure) -> tuple[float, float, float]:
    """WCS error of tweakwcs: one shift and roll; six terms a detector, without and with weights."""
    from tweakwcs.linearfit import iter_linear_fit

    def fit(names: tuple[str, ...], geometry: str, weighted: bool = False) -> list[float]:
        seen, expected, weight = [], [], []
        for name in names:
            one, partner = made.detections[name], made.partner[name]
            rows = partner[partner >= 0]
            seen.append(one.points[partner >= 0])
            expected.append(made.reference.points[rows])
            weight.append(1 / np.trace(made.reference.covariance[rows], axis1=1, axis2=2))
        found = iter_linear_fit(
            np.concatenate(expected),
            np.concatenate(seen),
            wxy=np.concatenate(weight) if weighted else None,
            fitgeom=geometry,
            nclip=3,
            sigma=3.0,
            center=(0, 0),
        )
        result = []
        for name in names:
            grid = made.detections[name].grid(30)
            miss = grid @ found["matrix"].T + found["shift"] - made.truth[name](grid)
            result.append(1e3 * root_mean_square(np.hypot(*miss.T)))
        return result

    names = tuple(made.detections)
    return (
        root_mean_square(fit(names, "rshift")),
        root_mean_square([fit((name,), "general")[0] for name in names]),
        root_mean_square([fit((name,), "general", weighted=True)[0] for name in names]),
    )


def fields(trials: int) -> None:
    print(f"\nWCS error [mas], {trials} exposures each; requirement 1.3, goal 0.92")
    print(
        "field            Gaia  error  worst detector  predicted  chi^2"
        "   one roll  six terms  weighted"
    )
    for label, gaia in FIELDS.items():
        rows = []
        for seed in range(trials if gaia < 500 else 2):
            made = simulated(seed, gaia)
            solution = align(made.detections, made.reference)
            worst = max(made.rms(solution).values())
            rows.append(
                (error(made, solution), worst, predicted(solution), solution.chi2, *peers(made))
            )
        mean = [root_mean_square(column) for column in zip(*rows, strict=True)]
        print(
            f"{label:15s} {gaia:5d}  {mean[0]:5.2f}  {max(row[1] for row in rows):14.2f}  "
            f"{mean[2]:9.2f}  {mean[3]:5.2f}  {mean[4]:9.1f}  {mean[5]:9.2f}  "
            f"{mean[6]:8.2f}"
        )


def numbers(trials: int) -> None:
    print("\nWCS error [mas] by the number of stars in all 18 detectors and by how well the")
    print("places are known beforehand [mas, and as much by rotation]; predicted in brackets")
    known = (0.25, 0.5, 1.0, 3.0, 30.0)
    print("stars  " + "".join(f"{place:>14g}" for place in known))
    for count in (5, 10, 20, 50, 100, 300):
        cells = []
        for place in known:
            off = Perturbation(place, place * 2 / 3, place / 3e5)
            priors = Priors(place, place * 2 / 3, place / 3e5, place / 1e6, place / 1e6)
            errors, expected = [], []
            for seed in range(trials):
                made = simulated(seed, 0, in_all=count, off=off, blended=0)
                solution = align(made.detections, made.reference, priors=priors)
                if solution.aligned:
                    errors.append(error(made, solution))
                    expected.append(predicted(solution))
            missed = f"-{trials - len(errors)}" if len(errors) < trials else ""
            cells.append(
                f"{root_mean_square(errors):6.2f} ({root_mean_square(expected):.2f}){missed}"
            )
        print(f"{count:5d}  " + "".join(f"{cell:>14s}" for cell in cells))


def places(trials: int) -> None:
    """Places learned from 20 exposures, and exposures with 50 stars in all that use them."""
    sets = max(1, trials // 3)
    print("\nPlaces learned from 20 exposures of 600 stars a detector (off by 30 mas, 20 arcsec,")
    print(f"1e-5), {sets} times; then {50 * sets} others with 50 stars in all [mas]")
    print(
        "unsteady  places  pull  scatter found   WCS error  predicted  95 %   worst  largest pull"
    )
    for moves in (0.0, 0.5):
        unsteady = Perturbation(moves, moves * 2 / 3, moves * 1e-6)
        learning, used = [], []
        for one in range(sets):
            found = learned([_rich(100 * one + n, one, unsteady) for n in range(20)])
            wrong, pulls = placement_errors(found, one)
            spread = 1e3 * found.scatter[0]
            learning.append((np.sqrt(2) * root_mean_square(wrong), root_mean_square(pulls), spread))
            used += [_poor(9000 + 100 * one + n, one, unsteady, found) for n in range(50)]
        rows = np.array([one for one in used if one is not None])
        mean = [root_mean_square(column) for column in zip(*learning, strict=True)]
        errors, expected = rows.T
        missed = f"; {len(used) - len(rows)} not aligned" if len(rows) < len(used) else ""
        print(
            f"{moves:8.1f}  {mean[0]:6.3f}  {mean[1]:4.2f}  {mean[2]:13.3f}   "
            f"{root_mean_square(errors):9.2f}  {root_mean_square(expected):9.2f}  "
            f"{np.percentile(errors, 95):4.2f}  {errors.max():6.2f}  "
            f"{np.max(errors / expected):12.2f}{missed}"
        )


def _rich(seed: int, misplaced: int, unsteady: Perturbation) -> Placement:
    """Places as one exposure has them, with a roll and a pointing of its own."""
    off = Perturbation(pointing=(0.1 * (seed % 20), -1.2), roll=5.0 * (seed % 20) - 50)
    made = simulated(seed, 600, others=400, off=off, misplaced=misplaced, unsteady=unsteady)
    solution = align(made.detections, made.reference)
    assert solution.placement is not None, solution.reason
    return solution.placement


def _poor(
    seed: int, misplaced: int, unsteady: Perturbation, found: LearnedPlacement
) -> tuple[float, float] | None:
    """Error of an exposure with 50 stars, and the expected one."""
    made = simulated(seed, 0, in_all=50, misplaced=misplaced, unsteady=unsteady)
    solution = align(made.detections, made.reference, priors=found.priors(Priors()))
    return (error(made, solution), predicted(solution)) if solution.aligned else None


def refusals(trials: int) -> None:
    print(f"\nVerdicts on {trials} exposures each that should be refused")
    counts: dict[str, list[Verdict]] = {}
    for seed in range(trials):
        made = simulated(seed, 50)
        elsewhere = simulated(1000 + seed, 50).reference
        counts.setdefault("another field", []).append(align(made.detections, elsewhere).verdict)
        for share in (1, 5, 9):
            detections = {
                name: replace(one, xi=one.xi + 2.5, eta=one.eta - 1.5)
                if name in DETECTORS[:share]
                else one
                for name, one in made.detections.items()
            }
            verdict = align(detections, made.reference).verdict
            counts.setdefault(f"{share} of 18 files from another pointing", []).append(verdict)
    for label, verdicts in counts.items():
        found = {str(one): verdicts.count(one) for one in sorted(set(verdicts))}
        print(f"{label:40s} {found}")


def speed() -> None:
    print("\nSpeed: detections, reference stars, seconds (best of 5), CPU seconds, error [mas]")
    for gaia, others in ((55, 945), (200, 800), (600, 5000)):
        made = simulated(1, gaia, others=others)
        walls, cpus = [], []
        for _ in range(5):
            wall, cpu = time.perf_counter(), time.process_time()
            solution = align(made.detections, made.reference)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
        total = sum(len(one) for one in made.detections.values())
        print(
            f"{total:8d} {len(made.reference):7d} {min(walls):7.3f} {min(cpus):7.3f} "
            f"{error(made, solution):6.2f}"
        )


def main() -> None:
    arguments = sys.argv[1:]
    trials = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 12
    parts = {
        "speed": lambda _: speed(),
        "fields": fields,
        "numbers": numbers,
        "places": places,
        "refusals": refusals,
    }
    for name in arguments or parts:
        parts[name](trials)


if __name__ == "__main__":
    main()
