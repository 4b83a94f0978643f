"""Samples of real galaxies and stars that scenes are drawn from; see README.md."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

FORMAT_FAINTEST = 32.0
"""Faintest magnitude that a sample stores."""

HEALPIX_AREA = 129600 / np.pi / (12 * 128**2)
"""Area of a HEALPix pixel of resolution 128, in which the sample of stars lies [deg2]."""

STEPS: Mapping[str, Mapping[str, float]] = {
    "cosmos2020": {"magnitudes": 1e-3, "radius": 1e-3, "ratio": 1e-4},
    "gaia": {"g": 1e-3, "colour": 1e-3, "parallax": 1e-3, "pmra": 1e-2, "pmdec": 1e-2},
}
"""Steps in which columns are stored as integers, by sample."""


def encode(values: Values, step: float) -> NDArray[np.int16]:
    """Values as multiples of a step, clipped to what 16 bits hold."""
    return np.clip(np.rint(values / step), -32768, 32767).astype(np.int16)


@cache
def sample(name: str) -> Mapping[str, NDArray[Any]]:
    """The columns of a sample, ``cosmos2020`` or ``gaia``, in the units of README.md."""
    with np.load(Path(__file__).parent / f"{name}.npz") as file:
        columns = {key: file[key] for key in file.files}
    for key, step in STEPS[name].items():
        columns[key] = columns[key].astype(np.float64) * step
    for values in columns.values():
        values.setflags(write=False)
    return MappingProxyType(columns)


def random(seed: int, *words: str) -> np.random.Generator:
    """A generator that depends on a seed and on what it is for alone."""
    keys = [zlib.crc32(word.encode()) for word in words]
    return np.random.default_rng(np.random.SeedSequence([seed, *keys]))
