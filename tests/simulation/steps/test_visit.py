import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roman_dms.errors import FileError, FormatError, UsageError
from roman_dms.formats.tables import read_table
from roman_dms.planning.program import Program, plan_program
from roman_dms.simulation.steps.seeds import exposure_seed
from roman_dms.simulation.steps.visit import VisitObserver, simulate_visit
from roman_dms.simulation.steps.visit_records import jobs_of, read_record

DETECTORS = ("WFI01", "WFI18")
SETTINGS = {"seed": 1, "scene": "abc"}


@pytest.fixture
def cheap(monkeypatch):
    """The module that stands in for the simulation; other processes find it, too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import cheap_exposure

    return cheap_exposure


@pytest.fixture
def plan():
    offsets = ((0.0, 0.0), (10.0, 0.0), (20.0, 5.0))
    return plan_program(Program(ra=10.0, dec=20.0, start=61557.0, offsets=offsets))


@pytest.fixture
def visit(cheap, plan, tmp_path):
    """Makes the visit in a folder of its own and gives the outcomes."""

    def make(name="visit", settings=SETTINGS, rows=plan, request=None, **options):
        request = request or cheap.CheapRequest()
        (tmp_path / name).mkdir(exist_ok=True)
        return simulate_visit(
            rows, DETECTORS, tmp_path / name / "l1", cheap.make_cheap, request,
            settings=settings, **options,
        )  # fmt: skip

    return make


def checksums(folder):
    files = (path for path in folder.iterdir() if path.suffix in {".asdf", ".bin"})
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def calls(folder):
    return [line.split()[0] for line in (folder / "calls.txt").read_text().splitlines()]


def states(outcomes):
    return [outcome.state for outcome in outcomes]


def test_everything_is_made_once_and_told(visit, plan, tmp_path):
    class Told(VisitObserver):
        total, done = 0, 0

        def start(self, total):
            self.total = total

        def finished(self, outcome):
            self.done += 1

    told = Told()
    outcomes = visit(observer=told)
    names = [exposure.stem(detector) for exposure in plan for detector in DETECTORS]
    assert [outcome.job.name for outcome in outcomes] == names
    assert set(states(outcomes)) == {"made"}
    assert (told.total, told.done) == (6, 6)
    assert [outcome.job.row for outcome in outcomes] == [1, 1, 2, 2, 3, 3]
    table = read_table(tmp_path / "visit" / "l1" / "visit.ecsv")
    assert list(table["file"]) == [f"{name}_uncal.asdf" for name in names]
    assert list(table["exposure"]) == [1, 1, 2, 2, 3, 3]
    assert list(table["seed"]) == [1] * 6
    assert states(visit()) == ["kept"] * 6
    assert sorted(calls(tmp_path / "visit")) == sorted(names)


@pytest.mark.parametrize("chained", [False, True])
def test_results_do_not_depend_on_processes_or_order(visit, cheap, plan, tmp_path, chained):
    request = cheap.CheapRequest(leaves_state=chained)
    visit("one", request=request, chained=chained)
    visit("two", request=request, chained=chained, jobs=3)
    visit("three", request=request, chained=chained, rows=plan[::-1])
    one, two, three = (checksums(tmp_path / name / "l1") for name in ("one", "two", "three"))
    assert len(set(one.values())) == 6  # a state has the bytes of its exposure
    assert one == two == three


def test_persistence_links_the_exposures_of_a_detector(visit, cheap, tmp_path):
    """The charge that is left is the sum, here the exclusive or, of all noise so far."""
    visit("alone", request=cheap.CheapRequest())
    visit("linked", request=cheap.CheapRequest(leaves_state=True), chained=True)
    for detector in ("wfi01", "wfi18"):
        total = np.zeros(4000, np.uint8)
        for number in (1, 2, 3):
            name = f"r0000101001001001001_{number:04d}_{detector}_f158_uncal.asdf"
            total ^= np.fromfile(tmp_path / "alone" / "l1" / name, np.uint8)
            assert (np.fromfile(tmp_path / "linked" / "l1" / name, np.uint8) == total).all()


def test_a_chain_goes_on_from_the_last_that_is_finished(visit, cheap, tmp_path):
    request = cheap.CheapRequest(leaves_state=True)
    visit("whole", request=request, chained=True)
    failing = replace(request, fails=("r0000101001001001001_0002_wfi01_f158",))
    outcomes = visit("resumed", request=failing, chained=True)
    assert states(outcomes) == ["made", "made", "failed", "made", "left out", "made"]
    assert "cannot be made" in str(outcomes[2].error)
    outcomes = visit("resumed", request=request, chained=True, jobs=2)
    assert states(outcomes) == ["kept", "kept", "made", "kept", "made", "kept"]
    assert checksums(tmp_path / "resumed" / "l1") == checksums(tmp_path / "whole" / "l1")


def test_a_failure_leaves_the_others_alone(visit, cheap):
    failing = cheap.CheapRequest(fails=("r0000101001001001001_0001_wfi18_f158",))
    assert states(visit(request=failing)) == ["made", "failed", "made", "made", "made", "made"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_stops_all_and_leaves_nothing_half_written(visit, cheap, tmp_path, jobs):
    request = cheap.CheapRequest(fills_disk=("r0000101001001001001_0001_wfi18_f158",))
    outcomes = visit(request=request, jobs=jobs)
    assert states(outcomes).count("failed") == 1
    assert isinstance(outcomes[1].error, FileError)
    assert "free some space" in str(outcomes[1].error)
    assert "left out" in states(outcomes)
    sizes = [path.stat().st_size for path in (tmp_path / "visit" / "l1").glob("*.asdf")]
    assert set(sizes) <= {4000}
    assert not list((tmp_path / "visit").rglob("*.tmp"))
    assert set(states(visit())) == {"made", "kept"}


def test_a_process_that_dies_is_told_and_the_visit_can_go_on(visit, cheap):
    request = cheap.CheapRequest(kills=("r0000101001001001001_0002_wfi01_f158",))
    outcomes = visit(request=request, jobs=2)
    errors = [str(outcome.error) for outcome in outcomes if outcome.error]
    assert errors
    assert all("fewer --jobs" in error for error in errors)
    assert set(states(visit())) == {"made", "kept"}


def test_other_settings_need_another_folder_or_overwriting(visit, cheap, plan, tmp_path):
    visit()
    before = checksums(tmp_path / "visit" / "l1")
    with pytest.raises(UsageError, match=r"seed 1, now 2\.(.|\n)*--overwrite"):
        visit(settings={**SETTINGS, "seed": 2})
    with pytest.raises(UsageError, match="scene 'abc', now 'abd'"):
        visit(settings={**SETTINGS, "scene": "abd"})
    moved = [replace(exposure, ra=exposure.ra + 1) for exposure in plan]
    with pytest.raises(UsageError, match=r"exposure ra 10\.0, now 11\.0"):
        visit(rows=moved)
    assert checksums(tmp_path / "visit" / "l1") == before
    request = cheap.CheapRequest(seed=2)
    assert (
        states(visit(settings={**SETTINGS, "seed": 2}, request=request, overwrite=True))
        == ["made"] * 6
    )
    assert not set(checksums(tmp_path / "visit" / "l1").values()) & set(before.values())


def test_making_all_anew_can_be_interrupted_and_mends_a_broken_record(visit, cheap, plan, tmp_path):
    visit()
    record = tmp_path / "visit" / "l1" / "records" / f"{plan[1].stem('WFI01')}.json"
    record.write_text("{")
    with pytest.raises(FormatError, match="--overwrite"):
        visit()
    settings, failing = {"seed": 2}, cheap.CheapRequest(fills_disk=(plan[0].stem("WFI18"),))
    assert "left out" in states(visit(settings=settings, request=failing, overwrite=True))
    assert set(states(visit(settings=settings))) == {"kept", "made"}


def test_a_longer_plan_goes_on_and_a_lost_file_is_made_again(visit, plan, tmp_path):
    visit(rows=plan[:2])
    assert states(visit()) == ["kept"] * 4 + ["made"] * 2
    (tmp_path / "visit" / "l1" / f"{plan[0].stem('WFI01')}_uncal.asdf").unlink()
    assert states(visit()) == ["made"] + ["kept"] * 5


def test_files_of_others_are_not_overwritten(visit, plan, tmp_path):
    folder = tmp_path / "visit" / "l1"
    folder.mkdir(parents=True)
    (folder / f"{plan[0].stem('WFI01')}_uncal.asdf").write_text("precious")
    with pytest.raises(UsageError, match="no visit made"):
        visit()


def test_a_folder_is_for_one_visit_at_a_time_and_must_be_writable(visit, cheap, plan, tmp_path):
    class Second(VisitObserver):
        def start(self, total):
            with pytest.raises(UsageError, match="Another visit"):
                visit()

    visit(observer=Second())
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be made"):
        simulate_visit(
            plan, DETECTORS, tmp_path / "file" / "l1", cheap.make_cheap, None, settings={}
        )


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {support!r})
from cheap_exposure import CheapRequest, make_cheap
from roman_dms.planning.program import Program, plan_program
from roman_dms.simulation.steps.visit import simulate_visit
if __name__ == "__main__":
    offsets = ((0.0, 0.0), (10.0, 0.0), (20.0, 5.0))
    plan = plan_program(Program(ra=10.0, dec=20.0, start=61557.0, offsets=offsets))
    simulate_visit(plan, {detectors!r}, Path({folder!r}), make_cheap,
                   CheapRequest(seconds=0.3, leaves_state=True),
                   settings={settings!r}, jobs=2, chained=True)
"""


def test_a_visit_that_was_killed_goes_on_and_ends_the_same(visit, cheap, plan, tmp_path):
    request = cheap.CheapRequest(leaves_state=True)
    visit("whole", request=request, chained=True)
    folder = tmp_path / "killed" / "l1"
    folder.parent.mkdir()
    script = tmp_path / "killed.py"
    script.write_text(
        KILLED.format(
            support=str(Path(__file__).parent),
            folder=str(folder),
            detectors=DETECTORS,
            settings=SETTINGS,
        )
    )
    process = subprocess.Popen([sys.executable, script])
    wait_until(lambda: finished(folder, plan) >= 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = finished(folder, plan)
    assert 2 <= before < 6
    workers = {int(line.split()[1]) for line in (folder.parent / "calls.txt").open()}
    wait_until(lambda: not any(is_alive(worker) for worker in workers))
    assert process.pid not in workers
    whole = checksums(tmp_path / "whole" / "l1")
    assert checksums(folder).items() <= whole.items()  # what is there is whole
    outcomes = visit("killed", request=request, chained=True)
    assert states(outcomes).count("kept") == finished_before(outcomes) >= before
    assert checksums(folder) == whole
    assert not list(folder.parent.rglob("*.tmp"))


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def finished(folder, plan):
    names = [exposure.stem(detector) for exposure in plan for detector in DETECTORS]
    records = [read_record(folder, name) for name in names]
    return sum(record is not None and record.is_whole(folder) for record in records)


def finished_before(outcomes):
    return sum(outcome.state == "kept" for outcome in outcomes)


def wait_until(done, seconds=60):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_interruption_leaves_nothing_half_written(visit, cheap, tmp_path):
    class Interrupt(VisitObserver):
        def finished(self, outcome):
            signal.raise_signal(signal.SIGINT)  # to this thread: it is raised here

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs of shells ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            visit(observer=Interrupt(), jobs=2, request=cheap.CheapRequest(seconds=0.2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list((tmp_path / "visit").rglob("*.tmp"))
    assert "kept" in states(visit())


def test_libraries_in_processes_have_few_threads(cheap, plan, tmp_path):
    (tmp_path / "visit").mkdir()
    before = os.environ.get("OMP_NUM_THREADS")
    outcomes = simulate_visit(
        plan[:1], DETECTORS, tmp_path / "visit", cheap.make_threads, None,
        settings={}, jobs=2, threads=3,
    )  # fmt: skip
    assert {outcome.files[0].read_text() for outcome in outcomes} == {"3"}
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_the_key_of_a_job_holds_all_that_it_depends_on(plan):
    def keys(rows, settings, *, chained):
        chains = jobs_of(rows, DETECTORS, settings, chained=chained)
        return {job.name: job.key for chain in chains for job in chain}

    plain = keys(plan, SETTINGS, chained=False)
    assert len(set(plain.values())) == 6
    assert plain == keys(plan[::-1], SETTINGS, chained=False)
    assert not set(plain.values()) & set(keys(plan, {"seed": 3}, chained=False).values())
    changed = [replace(plan[0], ra=1.0), *plan[1:]]
    assert len(plain.items() - keys(changed, SETTINGS, chained=False).items()) == 2
    linked = keys(plan, SETTINGS, chained=True)  # what comes after depends on what went before
    assert len(linked.items() - keys(changed, SETTINGS, chained=True).items()) == 6


def test_seeds_differ_in_every_word():
    base = (1, "0000101001001001001", 1, "WFI01", "photons")
    others = [
        (2, *base[1:]), (1, "0000101001001001002", *base[2:]), (*base[:2], 2, *base[3:]),
        (*base[:3], "WFI02", "photons"), (*base[:4], "read noise"),
    ]  # fmt: skip
    seeds = {exposure_seed(*words) for words in (base, *others)}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
    many = {exposure_seed(1, f"{n:019d}", 1, "WFI01", "a") for n in range(20_000)}
    assert len(many) == 20_000
