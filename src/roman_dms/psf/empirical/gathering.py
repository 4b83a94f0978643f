"""All images of all stars, from all exposures, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.psf.empirical.dithers import matched
from roman_dms.psf.empirical.exposure import Exposure
from roman_dms.psf.empirical.finding import find_stars
from roman_dms.psf.empirical.stamps import Stamps, cut

MATCH_RADIUS = 1.0
"""Within which sources are the same, in several exposures or in the catalogue [pixel]."""

CORE_LIGHT = 3.0
"""A star's light in units of its brightest pixel, for a first guess."""


@dataclass(frozen=True)
class StarList:
    """Stars that are known before."""

    places: NDArray[np.float64]
    """(n, 2) in the plane that all exposures share (`Exposure.to_frame`)."""

    wavelengths: NDArray[np.float64] | None = None
    """(n,) mean wavelength of their detected photons [micron]."""


def gathered(
    exposures: Sequence[Exposure], catalogue: StarList | None, half: int, most: int
) -> tuple[Stamps, NDArray[np.float64], NDArray[np.float64] | None]:
    """Find stars and cut them; of several exposures, stars that are in two or more.

    What was found once may be a particle, and its place would follow the PSF's errors.

    Parameters
    ----------
    exposures
        The images.
    catalogue
        What is a star; any bright source that stands alone if not given.
    half
        Pixels on each side of a star.
    most
        Stars of an exposure.

    Returns
    -------
    tuple
        The stamps; (n, 4) first guesses of flux, x, y and sky; (n,) wavelengths, if known.
    """
    places, parts, guesses, waves = [], [], [], []
    for exposure in exposures:
        x, y, _ = find_stars(exposure, most)
        known = _known(exposure, x, y, catalogue)
        places.append((x[known >= 0], y[known >= 0]))
        if catalogue is not None and catalogue.wavelengths is not None:
            waves.append(catalogue.wavelengths[known[known >= 0]])
    numbers = matched(exposures, places, MATCH_RADIUS)
    for number, (exposure, (x, y)) in enumerate(zip(exposures, places, strict=True)):
        index = np.arange(len(x))
        stamps = cut(exposure, number, x, y, index, half)
        chosen = stamps.star
        parts.append(replace(stamps, star=numbers[number][chosen]))
        peak = stamps.light[:, half, half].astype(float)
        guesses.append(np.stack([CORE_LIGHT * peak, x[chosen], y[chosen], np.zeros(len(peak))], 1))
        if waves:
            waves[number] = waves[number][chosen]
    stamps = Stamps.joined(parts)
    seen = np.bincount(stamps.star)[stamps.star] if len(stamps) else np.zeros(0, int)
    kept = seen >= min(len(exposures), 2)
    return (
        stamps[kept],
        np.concatenate(guesses)[kept],
        np.concatenate(waves)[kept] if waves else None,
    )


def _known(
    exposure: Exposure,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    catalogue: StarList | None,
) -> NDArray[np.int64]:
    """(n,) row of the catalogue, -1 where there is none; 0 for all without a catalogue."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    if catalogue is None or not len(x):
        return np.zeros(len(x), int)
    points = np.stack(exposure.to_frame(x, y), axis=1)
    distance, nearest = cKDTree(catalogue.places).query(points, distance_upper_bound=MATCH_RADIUS)
    return np.where(np.isfinite(distance), nearest, -1)
