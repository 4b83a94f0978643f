"""What a validation found, in numbers that can be printed, judged and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.psf.validation.rho import NAMES, Rho

LIMITS = {"size": 1e-3, "e1": 5e-4, "e2": 5e-4, "flux": 5e-3}
"""What a PSF for measurements has to keep: mean errors of T (relative), distortion, light."""

CLIP = 5.0
"""Stars further from the median than so many deviations do not count."""


@dataclass(frozen=True)
class Row:
    """One line of a table of results."""

    name: str
    value: float
    error: float
    """Standard error of the value; NaN where it has none."""
    unit: str
    meaning: str


@dataclass(frozen=True)
class Validation:
    """How a PSF describes stars, or another PSF; star minus PSF throughout."""

    subject: str
    """What was compared with what."""

    x: NDArray[np.float64]
    """(n,) columns of the stars, as fitted [pixel]."""

    y: NDArray[np.float64]
    """(n,) rows [pixel]."""

    significance: NDArray[np.float64]
    """(n,) light of each star in units of its error; infinite without noise."""

    shape: NDArray[np.float64]
    """(n, 2) distortion e1, e2 of the PSF at each place."""

    errors: NDArray[np.float64]
    """(n, 3) relative error of T, errors of e1 and of e2."""

    errors_noise: NDArray[np.float64]
    """(n, 3) their standard deviations from the noise of pixels."""

    shift: NDArray[np.float64]
    """(n, 2) place as fitted minus that which was given, along x and y [pixel]."""

    flux: NDArray[np.float64]
    """(n,) light as fitted over that of the reference, less 1."""

    flux_noise: NDArray[np.float64]
    """(n,) its standard deviation from the noise of pixels."""

    radii: tuple[float, ...]
    """[pixel]"""

    encircled: NDArray[np.float64]
    """(n, radius) light of star minus PSF within circles, of the star's light."""

    chi2: NDArray[np.float64]
    """(n,) reduced chi squared of each star; NaN without noise."""

    residual: NDArray[np.float64]
    """(S, S) mean of star minus PSF on pixels, of the star's light."""

    peak: float
    """Light in the brightest pixel of a star in the middle of one, of all."""

    rho: Rho | None
    """Correlations over the detector, where there are stars enough."""

    colour: NDArray[np.float64] | None = None
    """(n,) colour of each star."""

    failed: int = 0
    """Stars that could not be fitted."""

    def table(self) -> list[Row]:
        """Means over the stars with their standard errors, a row each."""
        number = len(self.x)
        what = "stars" if np.isfinite(self.chi2).any() else "places"
        rows = [Row("number", number, np.nan, "", f"{what} compared; {self.failed} not fitted")]
        noise = self.errors_noise
        for at, (name, meaning) in enumerate(
            (("size", "T, relative"), ("e1", "distortion e1"), ("e2", "distortion e2"))
        ):
            values = self.errors[:, at], noise[:, at]
            rows.append(Row(name, *clipped_mean(*values), "", meaning))
            beyond = f"{meaning}: scatter over places beyond the noise"
            rows.append(Row(f"{name} scatter", own_scatter(*values), np.nan, "", beyond))
        rows.append(Row("flux", *clipped_mean(self.flux, self.flux_noise), "", "light, relative"))
        for at, name in enumerate("xy"):
            mean = clipped_mean(self.shift[:, at], 1 / self.significance)
            rows.append(Row(name, *mean, "pixel", f"place along {name}"))
        for at, radius in enumerate(self.radii):
            mean = clipped_mean(self.encircled[:, at], 1 / self.significance)
            rows.append(Row(f"within {radius:g}", *mean, "", f"light within {radius:g} pixels"))
        largest = float(np.abs(self.residual).max()) / self.peak
        rows.append(Row("residual", largest, np.nan, "peak", "largest of the mean residual"))
        return rows + self._by_brightness() + self._by_colour() + self._correlations()

    def _by_brightness(self) -> list[Row]:
        rows = []
        for low, high, chosen in _parts(self.significance, np.isfinite(self.chi2)):
            mean = clipped_mean(self.chi2[chosen], np.ones(len(chosen)))
            rows.append(Row("chi2", *mean, "", f"reduced, stars of S/N {low:.0f} to {high:.0f}"))
        return rows

    def _by_colour(self) -> list[Row]:
        if self.colour is None:
            return []
        rows = []
        for low, high, chosen in _parts(self.colour, np.isfinite(self.colour)):
            mean = clipped_mean(self.flux[chosen], self.flux_noise[chosen])
            meaning = f"light of stars of colour {low:.4g} to {high:.4g}"
            rows.append(Row("flux by colour", *mean, "", meaning))
        return rows

    def _correlations(self) -> list[Row]:
        if self.rho is None:
            return []
        return [
            Row(name, float(value), np.nan, "", "largest over the separations")
            for name, value in zip(NAMES, self.rho.largest, strict=True)
        ]

    def failures(self, limits: Mapping[str, float] | None = None) -> list[str]:
        """Sentences on what exceeds its limit; none if all is well.

        Parameters
        ----------
        limits
            Largest absolute value of rows of :meth:`table`, by name; ``LIMITS`` by default.

        Raises
        ------
        UsageError
            For a limit on what the table does not have.
        """
        asked = LIMITS if limits is None else limits
        rows = self.table()
        unknown = set(asked) - {row.name for row in rows}
        if unknown:
            raise UsageError(
                f"There are limits on {', '.join(sorted(unknown))}.",
                f"limits on rows of the table: {', '.join(row.name for row in rows)}",
            )
        return [
            f"{row.name} is {row.value:.2e}, the limit {asked[row.name]:.2e} ({row.meaning})"
            for row in rows
            if row.name in asked and not abs(row.value) <= asked[row.name]
        ]

    def passes(self, limits: Mapping[str, float] | None = None) -> bool:
        """Whether all is within limits (:meth:`failures`)."""
        return not self.failures(limits)

    def draw(self, path: str | Path) -> None:
        """Draw what was found into a file; the suffix says which kind."""
        from roman_dms.psf.validation.preview import draw  # noqa: PLC0415 - loads matplotlib

        draw(self, path)


def clipped_mean(values: NDArray[np.floating], noise: NDArray[np.floating]) -> tuple[float, float]:
    """Weighted mean without outliers, and its standard error.

    Each weighs with its noise and the scatter of all in quadrature, so that no few bright
    stars decide; the error is from the scatter that is found.
    """
    known = np.isfinite(values) & np.isfinite(noise)
    if not known.any():
        return np.nan, np.nan
    found, spread = values[known], noise[known]
    middle = np.median(found)
    scatter = 1.4826 * np.median(np.abs(found - middle))
    total = np.hypot(spread, scatter)
    near = np.abs(found - middle) <= CLIP * np.maximum(total, 1e-12)
    found, total = found[near], np.maximum(total[near], 1e-12)
    weight = total**-2 / np.sum(total**-2)
    mean = float(weight @ found)
    error = np.sqrt(weight**2 @ (found - mean) ** 2) if len(found) > 1 else np.nan
    return mean, float(error)


def own_scatter(values: NDArray[np.floating], noise: NDArray[np.floating]) -> float:
    """Standard deviation that noise does not explain, without outliers; 0 if it explains all."""
    known = np.isfinite(values) & np.isfinite(noise)
    if known.sum() < 2:
        return np.nan
    found, spread = values[known], noise[known]
    middle = np.median(found)
    scatter = 1.4826 * np.median(np.abs(found - middle))
    near = np.abs(found - middle) <= CLIP * np.maximum(np.hypot(spread, scatter), 1e-12)
    found, variance = found[near], spread[near] ** 2
    # Each weighs with its noise and the scatter, so that faint stars do not drown it.
    weight = 1 / (variance + scatter**2 + 1e-24)
    excess = (found - np.average(found, weights=weight)) ** 2 - variance
    return float(np.sqrt(max(np.average(excess, weights=weight**2), 0.0)))


def _parts(
    values: NDArray[np.floating], known: NDArray[np.bool_]
) -> list[tuple[float, float, NDArray[np.intp]]]:
    """Thirds of the stars, in the order of a value: from, to, which."""
    order = np.flatnonzero(known)
    order = order[np.argsort(values[order], kind="stable")]
    thirds = [third for third in np.array_split(order, 3) if len(third)]
    return [(float(values[third[0]]), float(values[third[-1]]), third) for third in thirds]
