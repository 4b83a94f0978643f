"""All exposures of a plan, in parallel processes; a visit that was cut short goes on."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from roman_dms.errors import FileError, RdmsError, UsageError
from roman_dms.planning.exposure import PlannedExposure
from roman_dms.simulation.steps.visit_records import (
    Job,
    Record,
    finished_jobs,
    forget,
    jobs_of,
    state_file,
    write_record,
    write_summary,
)

Make = Callable[[Any, PlannedExposure, str, Path, Path | None], list[Path]]
"""Makes one detector of one exposure: request, exposure, detector, folder, state that the
exposure before left.  Gives the files, the product first; it and the request can be sent
to another process."""

State = Literal["made", "kept", "failed", "left out"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What became of one detector of one exposure."""

    job: Job
    state: State
    files: tuple[Path, ...] = ()
    seconds: float = 0.0
    error: RdmsError | None = None
    stops: bool = False
    """Whether the reason would stop all others, too: the disk is full."""


class VisitObserver:
    """Is told how a visit goes on; this one does nothing."""

    def start(self, total: int) -> None:
        """So many detectors of exposures belong to the visit."""

    def finished(self, outcome: Outcome) -> None:
        """One of them is finished, or will not be."""


def simulate_visit(
    plan: Sequence[PlannedExposure],
    detectors: Sequence[str],
    folder: Path,
    make: Make,
    request: Any,
    *,
    settings: Mapping[str, Any],
    jobs: int = 1,
    threads: int = 1,
    chained: bool = False,
    overwrite: bool = False,
    observer: VisitObserver | None = None,
) -> list[Outcome]:
    """Make the exposures of a plan.

    A finished exposure is never made again.  One that fails is told of and the
    others go on, but for those that need it and where the disk is full.  At the end
    ``visit.ecsv`` in the folder lists all that is finished there.

    Parameters
    ----------
    plan, detectors
        What to make.
    folder
        Where to; a folder holds one visit.
    make, request
        Makes one detector of one exposure, and what else it needs to know.
    settings
        What the results depend on, as JSON has it: seed, checksum of the scene...
        A folder that was begun with others is an error.
    jobs
        Processes; results are the same whatever their number.
    threads
        Threads that the libraries in each process may use.
    chained
        Whether charge persists from one exposure to the next of a detector, so
        that they must be made one after the other.
    overwrite
        Make all anew.
    observer
        Is told how it goes on.

    Returns
    -------
    list
        What became of each, in the order of the plan, then of the detectors.

    Raises
    ------
    UsageError
        Where the folder is in use, or holds exposures that were made otherwise.
    FileError
        Where the folder cannot be written.
    """
    observer = observer or VisitObserver()
    with _only_one(folder):
        chains = jobs_of(plan, detectors, settings, chained=chained)
        everything = [job for chain in chains for job in chain]
        if overwrite:
            forget(everything, folder)
        done = {} if overwrite else finished_jobs(everything, folder)
        observer.start(len(everything))
        outcomes = []
        for job in everything:
            if job.name in done:
                files = tuple(folder / name for name in done[job.name].files or ())
                outcomes.append(Outcome(job, "kept", files, done[job.name].seconds))
                observer.finished(outcomes[-1])
        unfinished = (deque(job for job in chain if job.name not in done) for chain in chains)
        to_do = deque(filter(None, unfinished))
        with _pool(min(jobs, len(to_do)), threads) as pool:
            work = _Work(pool, jobs, folder, make, request)
            for outcome in work.run(to_do):
                outcomes.append(outcome)
                observer.finished(outcome)
        if not any(outcome.stops for outcome in outcomes):
            write_summary(folder)
    order = {detector: number for number, detector in enumerate(detectors)}
    return sorted(outcomes, key=lambda outcome: (outcome.job.row, order[outcome.job.detector]))


@dataclass(frozen=True)
class _Work:
    """Gives jobs to processes and takes what becomes of them."""

    pool: Executor
    limit: int
    folder: Path
    make: Make
    request: Any

    def run(self, ready: deque[deque[Job]]) -> Iterator[Outcome]:
        """Work off chains of jobs; the first job of a chain is the next to be done."""
        running: dict[Future[Outcome], deque[Job]] = {}
        stopped = False
        while running or (ready and not stopped):
            while ready and not stopped and len(running) < self.limit:
                chain = ready.popleft()
                arguments = (self.make, self.request, chain[0], self.folder)
                running[self.pool.submit(_make_one, *arguments)] = chain
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                chain = running.pop(future)
                outcome = _result(future, chain.popleft())
                yield outcome
                stopped = stopped or outcome.stops
                if outcome.error is not None:
                    yield from (Outcome(job, "left out") for job in chain)
                elif chain:
                    ready.append(chain)
        yield from (Outcome(job, "left out") for chain in ready for job in chain)


def _make_one(make: Make, request: Any, job: Job, folder: Path) -> Outcome:
    """Make one detector of one exposure, in whatever process."""
    began = time.perf_counter()
    try:
        write_record(folder, job.name, Record(job.key, job.made_with))
        state = state_file(folder, job.previous)
        files = tuple(make(request, job.exposure, job.detector, folder, state))
        seconds = time.perf_counter() - began
        sizes = {file.name: file.stat().st_size for file in files}
        write_record(folder, job.name, Record(job.key, job.made_with, sizes, seconds))
    except RdmsError as error:
        return Outcome(job, "failed", error=error, stops=_is_disk_full(error))
    except OSError as error:
        told = FileError(f"{error.strerror or error}.", "a folder that can be written to")
        return Outcome(job, "failed", error=told, stops=_is_disk_full(error))
    return Outcome(job, "made", files, seconds)


def _result(future: Future[Outcome], job: Job) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        error = RdmsError(
            "A process that made an exposure was ended from outside.",
            "processes that are left alone and have enough memory",
            "run again, with fewer --jobs; finished exposures are kept",
        )
        return Outcome(job, "failed", error=error, stops=True)


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that there is no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        error = error.__cause__ or error.__context__
    return False


def _clear_leftovers(folder: Path) -> None:
    """Remove what a process that was ended had begun to write."""
    for place in (folder, folder / "records"):
        for path in place.glob(".*.????????.tmp"):
            path.unlink(missing_ok=True)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Make the folder and keep other visits out of it; the lock dies with the process."""
    try:
        (folder / "records").mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(
            f"The folder {folder} cannot be made: {error.strerror}.",
            "a folder that can be written to",
            "name another",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise UsageError(
            f"Another visit is being made in {folder}.", "", "wait for it, or name another folder"
        ) from error
    try:
        _clear_leftovers(folder)
        yield
    finally:
        _clear_leftovers(folder)
        os.close(descriptor)


@contextmanager
def _pool(jobs: int, threads: int) -> Iterator[Executor]:
    """Processes that do the work, or this one where one is enough."""
    if jobs <= 1:
        yield _Here()
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))  # read when libraries are loaded
    context = multiprocessing.get_context("spawn")  # threads and fork do not mix
    try:
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=_enter_worker) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _enter_worker() -> None:
    """End at once when interrupted, or when the process that gives the work is gone."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        """Do it; errors come out here."""
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future
