"""The detector for which maps are drawn, and the part of it that is kept.

Every map is drawn for the whole detector from a seed of its own and then cut,
so that a miniature cut out of a detector shares each pixel with the whole.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import Detector

Map = NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """A whole detector, and optionally a square window of it that stands as a detector.

    A window keeps the frame of real reference pixels: its interior begins at
    pixel (``x0 + border``, ``y0 + border``) of the whole, and its border is cut
    from the border of the whole, in the same rows and columns.
    """

    detector: Detector
    """The whole."""

    seed: int = 0

    window: tuple[int, int] | None = None
    """(x0, y0): corner of the window in the whole [pixel], x0 a multiple of two channels."""

    size: int = 4096
    """Rows and columns of the window."""

    measured: int | None = None
    """Seed of the errors with which a programme measured the detector; None for the truth."""

    def __post_init__(self) -> None:
        if self.window is None:
            return
        x0, y0 = self.window
        inside = (
            0 <= x0 <= self.detector.columns - self.size
            and 0 <= y0 <= self.detector.rows - self.size
        )
        if not inside or x0 % (2 * self.detector.channel_width):
            raise UsageError(
                f"A window of {self.size} pixels at x = {x0}, y = {y0} was asked for.",
                f"one that lies within {self.detector.columns} x {self.detector.rows} pixels "
                f"and begins at a multiple of {2 * self.detector.channel_width} columns, "
                "so that channels stay whole and keep their direction",
            )

    @property
    def corner(self) -> tuple[int, int]:
        """(x0, y0) of the part that is kept [pixel]."""
        return self.window or (0, 0)

    @property
    def kept(self) -> Detector:
        """The detector that the part that is kept stands for."""
        if self.window is None:
            return self.detector
        return Detector(self.detector.name, self.size, self.size)

    @property
    def first_channel(self) -> int:
        """Channel of the whole that is the first of the part that is kept."""
        return self.corner[0] // self.detector.channel_width

    def random(self, kind: str, *keys: str) -> np.random.Generator:
        """A generator that depends on the seed, the kind, the detector and ``keys`` alone."""
        return self._generator(self.seed, kind, *keys)

    def measurement(self, kind: str, *keys: str) -> np.random.Generator | None:
        """A generator of errors of measurement; None where the truth is asked for."""
        if self.measured is None:
            return None
        return self._generator(self.measured, kind, "measurement", *keys)

    def _generator(self, seed: int, kind: str, *keys: str) -> np.random.Generator:
        words = [zlib.crc32(word.encode()) for word in (kind, self.detector.name, *keys)]
        return np.random.default_rng(np.random.SeedSequence([seed, *words]))

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the whole that are kept."""
        if self.window is None:
            return np.arange(self.detector.rows)
        return _lines(self.corner[1], self.size, self.detector.rows, self.detector.border)

    @property
    def columns(self) -> NDArray[np.int64]:
        """Columns of the whole that are kept."""
        if self.window is None:
            return np.arange(self.detector.columns)
        return _lines(self.corner[0], self.size, self.detector.columns, self.detector.border)

    def cut(self, whole: Map) -> Map:
        """The part that is kept of a map with border, (..., rows, columns)."""
        if self.window is None:
            return whole
        return np.ascontiguousarray(whole[..., self.rows[:, None], self.columns])

    def cut_science(self, whole: Map) -> Map:
        """The part that is kept of a map without border."""
        if self.window is None:
            return whole
        (x0, y0), (rows, columns) = self.corner, self.kept.science_shape
        return np.ascontiguousarray(whole[..., y0 : y0 + rows, x0 : x0 + columns])

    @property
    def is_border(self) -> NDArray[np.bool_]:
        """Where the whole has reference pixels."""
        width = self.detector.border
        border = np.ones(self.detector.shape, dtype=bool)
        border[width:-width, width:-width] = False
        return border


def _lines(start: int, size: int, whole: int, border: int) -> NDArray[np.int64]:
    """Rows or columns of the whole that a window takes: border, interior, border."""
    return np.r_[:border, start + border : start + size - border, whole - border : whole]


def smooth(random: np.random.Generator, shape: tuple[int, int], order: int = 4) -> Map:
    """A smooth random field of mean 0 and standard deviation 1, float32.

    A sum of cosines of up to ``order`` half waves along each axis, with
    amplitudes that fall with frequency.
    """
    waves = np.arange(order + 1)
    fall = 1 / (1 + np.hypot(waves[:, None], waves))
    fall[0, 0] = 0
    amplitudes = (random.standard_normal(fall.shape) * fall).astype(np.float32)
    y, x = (
        np.cos(np.pi * waves * (np.arange(n)[:, None] + 0.5) / n).astype(np.float32) for n in shape
    )
    field = y @ amplitudes @ x.T
    return (field / field.std()).astype(np.float32)


def scatter(random: np.random.Generator, shape: tuple[int, int]) -> Map:
    """Independent standard normal deviates, float32."""
    return random.standard_normal(shape, dtype=np.float32)
