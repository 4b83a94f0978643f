"""Match of what was put in with what was found, and what it says about the finding.

Two sources are a pair if each is the nearest of the other within a radius on the
sky.  Completeness is the share of the input that has a pair, purity the share of
the output; their errors are those of Wilson (1927, JASA 22, 209).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Values = NDArray[np.float64]

JANSKY_ZERO_POINT = 3631e9
"""Flux of AB magnitude 0 [nJy]."""


@dataclass(frozen=True)
class Places:
    """Sources on the sky with their flux, one entry each in every array."""

    ra: Values
    """[deg]."""
    dec: Values
    """[deg]."""
    flux: Values
    """[nJy]."""

    def __len__(self) -> int:
        return self.ra.size


@dataclass(frozen=True)
class Pairs:
    """Which source of the input is which of the output."""

    given: NDArray[np.intp]
    """(n,) index of the source in the input."""
    found: NDArray[np.intp]
    """(n,) index of its pair in the output."""
    separation: Values
    """(n,) [arcsec]."""


def match(given: Places, found: Places, radius: float) -> Pairs:
    """Match one to one: each is the nearest of the other within a radius.

    Of several at the same distance (to a billionth of the radius) the one whose
    flux is nearest in magnitude is taken.

    Parameters
    ----------
    given, found
        Input and output.
    radius
        Largest separation [arcsec].

    Raises
    ------
    UsageError
        For a radius that is not positive, or positions that are not finite.
    """
    if not 0 < radius < 3600:
        raise UsageError(f"The radius of the match is {radius} arcsec.", "between 0 and 3600")
    for name, places in (("input", given), ("output", found)):
        _check_positions(name, places)
    empty = np.array([], np.intp)
    if not len(given) or not len(found):
        return Pairs(empty, empty, np.array([]))
    forward, distance = _nearest(given, found, radius)
    backward, _ = _nearest(found, given, radius)
    mutual = np.flatnonzero(forward >= 0)
    mutual = mutual[backward[forward[mutual]] == mutual]
    return Pairs(mutual, forward[mutual], distance[mutual])


def _check_positions(name: str, places: Places) -> None:
    bad = np.flatnonzero(~np.isfinite(places.ra) | ~(np.abs(places.dec) <= 90))
    if bad.size:
        row = int(bad[0])
        raise UsageError(
            f"Row {row} of the {name} lies at ra {places.ra[row]}, dec {places.dec[row]}"
            + (f", and {bad.size - 1} more rows are like it." if bad.size > 1 else "."),
            "finite positions, declinations from -90 to 90 deg",
        )


def unit_vectors(ra: Values, dec: Values) -> Values:
    """(n, 3) directions of positions [deg]."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _nearest(a: Places, b: Places, radius: float) -> tuple[NDArray[np.intp], Values]:
    """For each of ``a`` the nearest of ``b`` and its distance [arcsec]; -1 for none."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

    chord = 2 * np.sin(np.radians(radius / 3600) / 2)
    # The four nearest are enough to break ties: more at one place are duplicates.
    distances, indices = cKDTree(unit_vectors(b.ra, b.dec)).query(
        unit_vectors(a.ra, a.dec), k=min(4, len(b)), distance_upper_bound=chord
    )
    distances, indices = (part.reshape(len(a), -1) for part in (distances, indices))
    tied = distances <= distances[:, :1] + 1e-9 * chord
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.append(b.flux, np.nan)[np.minimum(indices, len(b))]
        difference = np.abs(np.log(known / a.flux[:, None]))
    difference = np.where(np.isfinite(difference), difference, np.inf)
    best = np.argmin(np.where(tied, np.minimum(difference, 1e300), np.inf), axis=1)
    chosen = np.take_along_axis(indices, best[:, None], axis=1)[:, 0]
    separation = np.take_along_axis(distances, best[:, None], axis=1)[:, 0]
    matched = np.isfinite(separation)
    arcsec = 3600 * np.degrees(2 * np.arcsin(np.where(matched, separation, 0) / 2))
    return np.where(matched, chosen, -1), np.where(matched, arcsec, np.nan)


def offsets(given: Places, found: Places, pairs: Pairs) -> tuple[Values, Values]:
    """How far the output lies east and north of the input, per pair [arcsec]."""
    ra, dec = given.ra[pairs.given], given.dec[pairs.given]
    seen = unit_vectors(found.ra[pairs.found], found.dec[pairs.found])
    alpha, delta = np.radians(ra), np.radians(dec)
    zero = np.zeros_like(alpha)
    east = np.stack([-np.sin(alpha), np.cos(alpha), zero], -1)
    north = np.stack(
        [-np.sin(delta) * np.cos(alpha), -np.sin(delta) * np.sin(alpha), np.cos(delta)], -1
    )
    scale = 3600 * np.degrees(1)
    return scale * np.sum(seen * east, axis=-1), scale * np.sum(seen * north, axis=-1)


def magnitudes(flux: Values) -> Values:
    """AB magnitudes of fluxes [nJy]; NaN where a flux is not positive."""
    positive = np.where(flux > 0, flux, np.nan)
    return -2.5 * np.log10(positive / JANSKY_ZERO_POINT)


def wilson(successes: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[Values, Values]:
    """One-sigma interval of a share (Wilson 1927).

    Returns
    -------
    tuple
        Lower and upper end; NaN without trials.

    >>> low, high = wilson(np.array([10]), np.array([10]))
    >>> low.round(3), high
    (array([0.909]), array([1.]))
    """
    n = np.where(trials > 0, trials, np.nan)
    share = successes / n
    centre = (share + 1 / (2 * n)) / (1 + 1 / n)
    half = np.sqrt(share * (1 - share) / n + 1 / (4 * n**2)) / (1 + 1 / n)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def by_magnitude(
    given: Places, found: Places, pairs: Pairs, edges: Values
) -> dict[str, NDArray[np.generic]]:
    """Completeness, purity and errors of flux and position, by magnitude.

    Completeness and residuals go by the magnitude that was put in, purity by the
    one that was found.

    Parameters
    ----------
    edges
        (m + 1,) edges of the bins, increasing [AB magnitude].

    Returns
    -------
    dict
        Columns of length m.  ``flux_bias`` and ``flux_scatter`` are median and
        robust standard deviation of the output over the input flux less one;
        ``ra_bias`` and ``dec_bias`` the median offsets [arcsec] and
        ``position_scatter`` the robust one on an axis.
    """
    count = len(edges) - 1
    bins_given = _bins(given.flux, edges)
    bins_found = _bins(found.flux, edges)
    table: dict[str, NDArray[np.generic]] = {"bright": edges[:-1], "faint": edges[1:]}
    for share, bins, chosen, names in (
        ("completeness", bins_given, pairs.given, ("injected", "recovered")),
        ("purity", bins_found, pairs.found, ("detected", "genuine")),
    ):
        trials, successes = _counts(bins, count), _counts(bins[chosen], count)
        low, high = wilson(successes, trials)
        with np.errstate(invalid="ignore"):
            ratio = successes / np.where(trials > 0, trials, np.nan)
        table |= dict(zip(names, (trials, successes), strict=True))
        table |= {share: ratio, f"{share}_low": low, f"{share}_high": high}
    return table | _residuals(given, found, pairs, bins_given[pairs.given], count)


def _residuals(
    given: Places, found: Places, pairs: Pairs, bins: NDArray[np.int64], count: int
) -> dict[str, Values]:
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = found.flux[pairs.found] / given.flux[pairs.given] - 1
    east, north = offsets(given, found, pairs)
    table = {
        "flux_bias": [_median(flux[bins == k]) for k in range(count)],
        "flux_scatter": [_spread(flux[bins == k]) for k in range(count)],
        "ra_bias": [_median(east[bins == k]) for k in range(count)],
        "dec_bias": [_median(north[bins == k]) for k in range(count)],
        "position_scatter": [
            np.hypot(_spread(east[bins == k]), _spread(north[bins == k])) / np.sqrt(2)
            for k in range(count)
        ],
    }
    return {name: np.array(values, float) for name, values in table.items()}


def _bins(flux: Values, edges: Values) -> NDArray[np.int64]:
    """Bin of each source; -1 outside, or without a magnitude."""
    magnitude = magnitudes(flux)
    place = np.searchsorted(edges, magnitude, side="right") - 1
    place[magnitude == edges[-1]] = len(edges) - 2  # the last bin is closed
    return np.where((place >= 0) & (place < len(edges) - 1), place, -1)


def _counts(bins: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.bincount(bins[bins >= 0], minlength=count)


def _median(values: Values) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else np.nan


def _spread(values: Values) -> float:
    """Standard deviation from the median absolute deviation."""
    values = values[np.isfinite(values)]
    if values.size < 2:
        return np.nan
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
