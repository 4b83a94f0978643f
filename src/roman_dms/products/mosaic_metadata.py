"""What the metadata of every mosaic say, simulated or made of exposures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from roman_dms.sky.tessellation import SkyCell

MAD_TO_SIGMA = 1.482602218505602
"""Standard deviation of a normal distribution by its median absolute deviation."""

SAMPLED = 4
"""Statistics are taken from every row of so many, and every column."""


def wcsinfo_of(cell: SkyCell) -> dict[str, Any]:
    """RAD's ``wcsinfo`` of a mosaic."""
    plane, (rows, columns) = cell.plane, cell.shape
    middle = (columns - 1) / 2, (rows - 1) / 2
    ra, dec = cell.centre
    x = np.array([-0.5, -0.5, columns - 0.5, columns - 0.5])
    y = np.array([-0.5, rows - 0.5, rows - 0.5, -0.5])
    corners = np.stack(plane.sky(x, y), axis=1).ravel()
    return {
        "ra_ref": plane.ra,
        "dec_ref": plane.dec,
        "x_ref": plane.x,
        "y_ref": plane.y,
        "pixel_scale_ref": plane.scale / 3600,
        "pixel_scale": plane.scale_at(*middle) / 3600,
        "projection": "TAN",
        "image_shape": [columns, rows],
        "ra": ra,
        "dec": dec,
        "orientation": plane.position_angle(*middle),
        "orientation_ref": plane.position_angle(plane.x, plane.y),
        "skycell_name": cell.name,
        "rotation_matrix": [list(row) for row in plane.matrix],
        "s_region": "POLYGON ICRS  " + " ".join(f"{degrees:.9f}" for degrees in corners),
    }


def mosaic_statistics(data: NDArray[np.float32]) -> dict[str, float]:
    """RAD's ``statistics`` of a mosaic, from a sample of its pixels.

    Parameters
    ----------
    data
        (rows, columns), NaN where nothing is known.
    """
    sample = data[::SAMPLED, ::SAMPLED]
    known = sample[np.isfinite(sample)]
    median = float(np.median(known)) if known.size else 0.0
    spread = float(np.median(np.abs(known - median))) if known.size else 0.0
    return {
        "image_median": median,
        "image_rms": MAD_TO_SIGMA * spread,
        "good_pixel_fraction": known.size / sample.size,
    }
