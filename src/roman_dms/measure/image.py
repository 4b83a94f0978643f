"""An image to measure: what every function of this package is given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError

BANDS = 16
"""Into how many bands of rows threads cut an image, at most."""


def bands_of(rows: int) -> list[slice]:
    """Bands of rows of nearly one height that cover an image."""
    cuts = np.linspace(0, rows, min(BANDS, rows) + 1).astype(int)
    return [slice(first, last) for first, last in pairwise(cuts)]


@dataclass(frozen=True)
class Image:
    """Values of an image with their errors, in any unit that is linear in light.

    x is the column and y the row of a pixel, 0 at the centre of the first.
    """

    data: NDArray[np.float32]
    """(row, column) light and sky; finite wherever it is usable, anything elsewhere."""

    err: NDArray[np.float32]
    """(row, column) standard deviation of all noise, photon noise of sources included;
    positive wherever it is usable, anything elsewhere."""

    unusable: NDArray[np.bool_]
    """(row, column) pixels that say nothing."""

    saturated: NDArray[np.bool_]
    """(row, column) pixels that were saturated for a part of the exposure or all of it;
    those that say nothing are ``unusable`` too."""

    @classmethod
    def of(
        cls,
        data: ArrayLike,
        err: ArrayLike,
        unusable: ArrayLike | None = None,
        saturated: ArrayLike | None = None,
        workers: int = 2,
    ) -> Image:
        """An image of any arrays; what is not finite or has no positive error is unusable.

        Values and errors are not copied where they are of the right kind.

        Raises
        ------
        UsageError
            If an array is not two-dimensional, or of another shape than the others.
        """
        values, errors = np.asarray(data, np.float32), np.asarray(err, np.float32)
        nothing = np.zeros(values.shape, bool)
        left_out = nothing if unusable is None else np.asarray(unusable, bool)
        full = nothing if saturated is None else np.asarray(saturated, bool)
        shapes = {array.shape for array in (values, errors, left_out, full)}
        if len(shapes) != 1 or values.ndim != 2 or 0 in values.shape:
            raise UsageError(
                f"The arrays of the image have the shapes {sorted(shapes)}.",
                "values, errors and masks of one two-dimensional shape",
            )
        bad = np.empty(values.shape, bool)
        with ThreadPoolExecutor(workers) as pool:

            def judge(rows: slice) -> None:
                _judge(values[rows], errors[rows], left_out[rows], bad[rows])

            list(pool.map(judge, bands_of(len(values))))
        return cls(values, errors, bad, full)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.data.shape
        return rows, columns


@njit(nogil=True, cache=True)
def _judge(values, errors, left_out, bad):  # type: ignore[no-untyped-def]
    """Tell which pixels are unusable."""
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            value, error = values[row, column], errors[row, column]
            known = (abs(value) < np.inf) & (error > 0) & (error < np.inf)
            bad[row, column] = left_out[row, column] | (not known)
