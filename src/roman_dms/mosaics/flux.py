"""Count rates to surface brightness.

The pixels of a detector see different areas of the sky, which a flat field made with lamps
and stars leaves in the image: a count rate is that of a pixel.  Its surface brightness goes
with the rate over the pixel's own area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

NODE_STEP = 256
"""Pixels between the places at which areas are computed; they bend by 1e-6 between."""


@dataclass(frozen=True)
class FluxScale:
    """Surface brightness of a count rate of one, everywhere on a detector."""

    nodes: NDArray[np.float64]
    """(my, mx) at rows and columns 0, NODE_STEP, 2 NODE_STEP, ... [MJy s / DN sr]."""

    @staticmethod
    def places(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns and rows, each (my, mx), of the nodes of an image of (rows, columns)."""
        rows, columns = (np.arange(-(-size // NODE_STEP) + 1.0) * NODE_STEP for size in shape)
        x, y = np.meshgrid(columns, rows)
        return x, y

    @classmethod
    def of(
        cls, brightness: float, nominal_area: float, areas: NDArray[np.float64] | None
    ) -> FluxScale:
        """The scale of an image.

        Parameters
        ----------
        brightness
            Of a count rate of one in a pixel of nominal area.
        nominal_area
            [sr].
        areas
            (my, mx) of pixels at the nodes [sr]; ``None`` where the image was divided by a flat
            field that holds the areas already.
        """
        if areas is None:
            return cls(np.full((2, 2), brightness))
        return cls(brightness * nominal_area / areas)

    def at(self, x: float, y: float) -> float:
        """At a place on the detector."""
        if self.nodes.shape == (2, 2):
            return float(self.nodes[0, 0])
        row = int(np.clip(round(y / NODE_STEP), 0, self.nodes.shape[0] - 1))
        column = int(np.clip(round(x / NODE_STEP), 0, self.nodes.shape[1] - 1))
        return float(self.nodes[row, column])

    def apply(
        self, rate: NDArray[np.float32], dq: NDArray[np.uint32], bad: int, first_row: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Surface brightness of rows of an image, and which pixels are usable.

        Parameters
        ----------
        rate
            (rows, columns) [DN / s].
        dq
            Flags of the pixels.
        bad
            Bits that make a pixel unusable, as does a value that is no number; the surface
            brightness of such pixels is 0.
        first_row
            Row of the detector at which the arrays begin.
        """
        brightness = np.empty(rate.shape, np.float32)
        usable = np.empty(rate.shape, np.bool_)
        nodes = self.nodes
        if nodes.shape == (2, 2):
            across = [-(-size // NODE_STEP) + 1 for size in (first_row + len(rate), rate.shape[1])]
            nodes = np.broadcast_to(nodes[:1, :1], across)
        _apply(rate, dq, np.uint32(bad), np.ascontiguousarray(nodes), first_row, brightness, usable)
        return brightness, usable


@njit(nogil=True, cache=True)
def _apply(rate, dq, bad, nodes, first_row, brightness, usable):  # type: ignore[no-untyped-def]
    rows, columns = rate.shape
    for i in range(rows):
        high = (first_row + i) / NODE_STEP
        node = min(int(high), nodes.shape[0] - 2)
        share = high - node
        line = nodes[node] * (1 - share) + nodes[node + 1] * share
        for part in range(nodes.shape[1] - 1):
            start = part * NODE_STEP
            slope = np.float32((line[part + 1] - line[part]) / NODE_STEP)
            level = np.float32(line[part])
            for j in range(start, min(start + NODE_STEP, columns)):
                value = rate[i, j] * (level + slope * np.float32(j - start))
                good = (dq[i, j] & bad) == 0 and np.isfinite(value)
                usable[i, j] = good
                brightness[i, j] = value if good else np.float32(0)
