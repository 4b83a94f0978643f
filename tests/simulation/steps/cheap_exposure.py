"""Stands in for the simulation of an exposure: cheap, random, and it fails on demand."""

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roman_dms.errors import CalibrationError
from roman_dms.formats.writing import replacing
from roman_dms.simulation.steps.seeds import exposure_seed


@dataclass(frozen=True)
class CheapRequest:
    seed: int = 1
    seconds: float = 0.0
    leaves_state: bool = False
    fails: tuple[str, ...] = ()
    fills_disk: tuple[str, ...] = ()
    kills: tuple[str, ...] = ()


def make_cheap(request, exposure, detector, output, previous):
    """Files whose bytes depend on the seed, the exposure, the detector and what came before."""
    name = exposure.stem(detector)
    with (output.parent / "calls.txt").open("a") as log:
        log.write(f"{name} {os.getpid()}\n")
    if name in request.fails:
        raise CalibrationError(f"{name} cannot be made.")
    if name in request.kills:
        os._exit(9)
    words = exposure.visit_id, exposure.exposure, detector, "cheap"
    noise = np.random.default_rng(exposure_seed(request.seed, *words)).bytes(4000)
    before = previous.read_bytes() if previous else bytes(4000)
    content = bytes(a ^ b for a, b in zip(noise, before, strict=True))
    suffixes = ("_uncal.asdf", "_state.bin") if request.leaves_state else ("_uncal.asdf",)
    files = [output / f"{name}{suffix}" for suffix in suffixes]
    for path in files:
        write_slowly(path, content, request, full=name in request.fills_disk)
    return files


def write_slowly(path, content, request, *, full):
    with replacing(Path(path)) as file:
        file.write(content[:2000])
        time.sleep(request.seconds)
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.write(content[2000:])


def make_threads(request, exposure, detector, output, previous):
    """A file that says how many threads libraries were given."""
    path = output / f"{exposure.stem(detector)}_uncal.asdf"
    path.write_text(os.environ["OMP_NUM_THREADS"])
    return [path]
