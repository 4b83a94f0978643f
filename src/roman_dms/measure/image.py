"""An image to measure: what every function of this package is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from roman_dms.errors import UsageError


@dataclass(frozen=True)
class Image:
    """Values of an image with their errors, in any unit that is linear in light.

    x is the column and y the row of a pixel, 0 at the centre of the first.
    """

    data: NDArray[np.float32]
    """(row, column) light and sky; finite wherever it is usable, 0 elsewhere."""

    err: NDArray[np.float32]
    """(row, column) standard deviation of all noise, photon noise of sources included;
    positive wherever it is usable, 0 elsewhere."""

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
    ) -> Image:
        """An image of any arrays; what is not finite or has no positive error is unusable.

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
        bad = left_out | ~np.isfinite(values) | ~np.isfinite(errors) | ~(errors > 0)
        zero = np.float32(0)
        return cls(np.where(bad, zero, values), np.where(bad, zero, errors), bad, full)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.data.shape
        return rows, columns
