"""PSF-fitting photometry and astrometry of all stars of an image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.measure.point_sources.core_fluxes import CORE, core_fluxes
from roman_dms.measure.point_sources.fits import FitFlag, FitSettings, PointFits
from roman_dms.measure.point_sources.groups import Groups, cells, groups_of
from roman_dms.measure.point_sources.normal_equations import fit_groups
from roman_dms.measure.point_sources.stars_image import add_stars, drawn_halves
from roman_dms.measure.point_sources.verdict import RESULTS
from roman_dms.psf.evaluation import PsfField

CHUNK = 256
"""Groups that one thread fits at a time."""

FIRST_ITERATIONS = 4
"""Steps in the first sweep, in which the neighbours are still rough."""

STILL = 0.05
"""Change of the light of others that is worth another fit, in standard deviations of a pixel."""

ROUGHLY = 5.0
"""Factor on the light that may be left out in the first sweep."""

NO_LIGHT = np.array([[1.0], [1.0], [0.0]])
REMOVED = np.array([[1.0], [1.0], [-1.0]])
"""Factors on places and fluxes of stars that are not to be seen, and to be taken away."""

CELL = 16.0
"""Side of the cells by which stars are looked up [pixel]."""

UNSETTLED = int(FitFlag.NOT_CONVERGED)


def fit_points(
    light: NDArray[np.float32],
    variance: NDArray[np.float32],
    per_light: float,
    saturated: NDArray[np.bool_],
    psf: PsfField,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    flux: NDArray[np.float64] | None = None,
    group: NDArray[np.int32] | None = None,
    correlation: float = 1.0,
    workers: int = 2,
    settings: FitSettings | None = None,
) -> PointFits:
    """Places and fluxes of stars by weighted least squares, blends together.

    Groups of near stars are solved at once while the light of all others stays as it is
    drawn; sweeps bring that up to date (Stetson 1987, PASP 99, 191).  The results do not
    depend on the number of workers.

    Parameters
    ----------
    light
        (rows, columns) image without sky.
    variance
        (rows, columns) variance of a pixel without stars; infinite where it is unusable.
    per_light
        Variance that a unit of light adds.
    saturated
        (rows, columns) pixels left out, around which stars are fitted on their wings.
    psf
        Effective PSFs in the pixels of the image.
    x, y
        (n,) where stars are, to half a pixel or so [pixel].
    flux
        (n,) what is known of their fluxes; measured on their cores if not given.
    group
        (n,) stars of different footprints are fitted apart; all may be together if not given.
    correlation
        By how much the noise of a filtered image is larger than for independent pixels;
        errors grow with it.
    workers
        Threads.
    settings
        Radii, limits and tolerances.

    Raises
    ------
    UsageError
        If arrays do not fit each other.
    """
    fitter = PointFitter(light, variance, per_light, saturated, psf, settings, workers)
    fitter.add(x, y, flux, group)
    fitter.fit()
    return fitter.fits(correlation)


class PointFitter:
    """An image and the stars on it, which may become more or fewer.

    What is drawn of the stars is brought up to date only where it has changed, and only stars
    that see a change are fitted again.
    """

    def __init__(
        self,
        light: NDArray[np.float32],
        variance: NDArray[np.float32],
        per_light: float,
        saturated: NDArray[np.bool_],
        psf: PsfField,
        settings: FitSettings | None = None,
        workers: int = 2,
    ) -> None:
        """The parameters are those of `fit_points`."""
        _check(light, variance, saturated)
        self.image = (light, variance, float(per_light), saturated)
        self.psf = psf
        self.settings = settings or FitSettings()
        self.workers = workers
        self.sky = typical_variance(variance)
        self.drawn = np.zeros_like(light)
        """(rows, columns) light of all stars, up to what is not noticeable."""
        self._state = np.zeros((3, 0))  # places and fluxes as they are drawn
        self._begun = np.zeros((2, 0))
        self._out = np.zeros((RESULTS, 0))
        self._flags = np.zeros(0, np.uint16)
        self._halves = np.zeros(0, np.int64)
        self._footprint = np.zeros(0, np.int32)
        self._waiting = np.zeros(0, bool)
        self._first = True

    def __len__(self) -> int:
        return len(self._flags)

    def add(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        flux: NDArray[np.float64] | None = None,
        group: NDArray[np.int32] | None = None,
    ) -> None:
        """Add stars, to be fitted; see `fit_points`.

        Raises
        ------
        UsageError
            If places are not pairs.
        """
        if np.ndim(x) != 1 or np.shape(x) != np.shape(y):
            raise UsageError(
                f"Places were given as arrays of shapes {np.shape(x)} and {np.shape(y)}.",
                "as many columns as rows, one a star",
            )
        inside = _inside(x, y, self.image[0].shape)
        begun = np.array([np.where(inside, x, 0.0), np.where(inside, y, 0.0)])
        if flux is None:
            flux = core_fluxes(self.image[0], self.image[1], self.image[3], self.psf, *begun)
        state = np.vstack([begun, np.where(inside, np.nan_to_num(flux), np.nan)])
        out = np.full((RESULTS, len(x)), np.nan)
        out[:3], out[12] = np.where(inside, state, np.nan), 0
        flags = np.where(inside, 0, FitFlag.NOT_FITTED).astype(np.uint16)
        footprint = np.zeros(len(x), np.int32) if group is None else group.astype(np.int32)
        self._draw(state, self._noticeable(state[2], ROUGHLY if self._first else 1.0))
        self._halves = np.append(self._halves, self._fitted_halves(state))
        self._state = np.hstack([self._state, state])
        self._begun = np.hstack([self._begun, begun])
        self._out = np.hstack([self._out, out])
        self._flags = np.append(self._flags, flags)
        self._footprint = np.append(self._footprint, footprint)
        self._waiting = np.append(self._waiting, inside)

    def remove(self, rows: NDArray[np.intp], near: float) -> None:
        """Take stars away; those within some pixels of them will be fitted again."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - slow to import

        self._draw(self._state[:, rows] * REMOVED, self._noticeable(self._state[2, rows]))
        lost = self._state[:2, rows].T
        kept = np.ones(len(self), bool)
        kept[rows] = False
        for name in ("_state", "_begun", "_out"):
            setattr(self, name, getattr(self, name)[:, kept])
        for name in ("_flags", "_halves", "_footprint", "_waiting"):
            setattr(self, name, getattr(self, name)[kept])
        fitted = np.flatnonzero(np.isfinite(self._state).all(axis=0))
        if len(lost) and fitted.size:
            distance, _ = KDTree(lost).query(self._state[:2, fitted].T, distance_upper_bound=near)
            self._waiting[fitted[np.isfinite(distance)]] = True

    def fit(self) -> None:
        """Fit the stars that were added, and others as far as they see a change."""
        rows = np.flatnonzero(np.isfinite(self._state).all(axis=0))
        x, y = self._out[:2, rows]
        groups = groups_of(x, y, self._footprint[rows], self.settings.link, self.settings.most)
        members = rows[groups.members].astype(np.int32)
        groups = Groups(members, groups.firsts, groups.own)
        if not len(groups):
            return
        active = np.flatnonzero(np.logical_or.reduceat(self._waiting[members], groups.firsts[:-1]))
        for sweep in range(self.settings.sweeps):
            self._fit(groups, active, self.settings.iterations if sweep else FIRST_ITERATIONS)
            reach = self._reach_of_changes()
            again, changed = _disturbed(
                members, groups.firsts, groups.own, *self._begun, self._flags, reach
            )
            self._redraw(changed | self._waiting)
            self._waiting[:] = False
            active = np.flatnonzero(again)
            if not active.size:
                break

    def fits(self, correlation: float = 1.0) -> PointFits:
        """What is known of the stars, errors grown for correlated noise."""
        scale = np.ones(RESULTS)
        scale[[3, 4, 5, 10, 14]] = correlation
        scale[6:9] = correlation**2
        names = [field.name for field in fields(PointFits)]
        values: dict[str, Any] = dict(zip(names, self._out * scale[:, None], strict=False))
        values["pixels"] = values["pixels"].astype(np.int32)
        return PointFits(**values, flags=self._flags.copy())

    def _reach_of_changes(self) -> NDArray[np.int64]:
        """(n,) how far around each star the light has changed noticeably [pixel]."""
        was, now = self._state, self._out
        moved = np.hypot(now[0] - was[0], now[1] - was[1])
        change = np.nan_to_num(np.abs(now[2] - was[2]) + np.abs(now[2]) * moved)
        return drawn_halves(self.psf, change, STILL * np.sqrt(self.sky))

    def _redraw(self, changed: NDArray[np.bool_]) -> None:
        """Draw stars as they are now, as far out as their change is noticeable.

        All of them, and whole, if the first were drawn roughly.
        """
        if self._first:
            self.drawn[:] = 0
            changed = np.ones_like(changed)
            halves = self._noticeable(self._out[2])
            self._draw(self._out[:3], halves)
        else:
            halves = self._reach_of_changes()[changed]
            was, now = self._state[:, changed], self._out[:3, changed]
            lost = ~np.isfinite(now).all(axis=0)
            self._draw(np.where(lost, was * NO_LIGHT, now), halves, was)
        self._first = False
        self._state[:, changed] = self._out[:3, changed]

    def _noticeable(self, flux: NDArray[np.float64], roughly: float = 1.0) -> NDArray[np.int64]:
        """(n,) pixels on each side of stars to where their light is noticeable."""
        limit = roughly * self.settings.faintest * np.sqrt(self.sky)
        return drawn_halves(self.psf, np.nan_to_num(flux), limit)

    def _draw(
        self,
        state: NDArray[np.float64],
        halves: NDArray[np.int64],
        instead_of: NDArray[np.float64] | None = None,
    ) -> None:
        """Add the light of stars, places and fluxes (3, n), as far out as is told."""
        known = np.isfinite(state).all(axis=0)
        old = None if instead_of is None else instead_of[:, known]
        reach = np.maximum(halves[known], self.settings.half)
        add_stars(self.drawn, self.psf, state[:, known], reach, self.workers, instead_of=old)

    def _fitted_halves(self, state: NDArray[np.float64]) -> NDArray[np.int64]:
        """(n,) pixels of the fit on each side of each star."""
        saturated = self.image[3]
        bright = state[2] > self.settings.bright * np.sqrt(self.sky)
        halves = np.where(bright, self.settings.bright_half, self.settings.half)
        rows, columns = saturated.shape
        column, row = np.rint(np.nan_to_num(state[:2])).astype(int)
        full = np.zeros(len(halves), bool)
        for up in (-1, 0, 1):
            for right in (-1, 0, 1):
                at_row = np.clip(row + up, 0, rows - 1)
                full |= saturated[at_row, np.clip(column + right, 0, columns - 1)]
        halves[full] = self.settings.saturated_half
        return np.minimum(halves, self.psf.reach).astype(np.int64)

    def _fit(self, groups: Groups, active: NDArray[np.intp], iterations: int) -> None:
        """Fit some groups, all from the state that is drawn."""
        chosen = self.settings
        numbers = np.array([iterations, chosen.tolerance, chosen.max_move, chosen.background])
        field = (self.psf.coefficients, self.psf.nodes_x, self.psf.nodes_y)

        def fit(first: int) -> None:
            some = active[first : first + CHUNK]
            sizes = groups.firsts[some + 1] - groups.firsts[some]
            firsts = np.concatenate([[0], np.cumsum(sizes)])
            within = np.arange(firsts[-1]) - np.repeat(firsts[:-1], sizes)
            members = groups.members[np.repeat(groups.firsts[some], sizes) + within]
            fit_groups(
                *self.image, self.drawn, *field, members, firsts, groups.own[some], *self._begun,
                *self._state, self._halves, numbers, self._out, self._flags,
            )  # fmt: skip

        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(fit, range(0, len(active), CHUNK)))


@njit(nogil=True, cache=True)
def _disturbed(members, firsts, own, x, y, flags, reach):  # type: ignore[no-untyped-def]
    """Groups to fit anew, and stars to draw anew.

    Groups that have not converged, or under which the light of others has changed:
    ``reach`` tells how far around each star its change matters [pixel].
    """
    group_of = np.full(x.size, -1)
    again = np.zeros(own.size, np.bool_)
    for group in range(own.size):
        for k in range(firsts[group], firsts[group] + own[group]):
            group_of[members[k]] = group
            again[group] |= (flags[members[k]] & UNSETTLED) != 0
    order, begins, left, low, columns, rows, size = cells(x, y, CELL)
    for star in range(x.size):
        if reach[star] == 0 or group_of[star] < 0:
            continue
        far = reach[star] + CORE
        first_row = max(int((y[star] - far - low) / size), 0)
        last_row = min(int((y[star] + far - low) / size), rows - 1)
        first = max(int((x[star] - far - left) / size), 0)
        last = min(int((x[star] + far - left) / size), columns - 1)
        for row in range(first_row, last_row + 1):
            for at in range(begins[row * columns + first], begins[row * columns + last + 1]):
                other = order[at]
                distance = max(abs(x[other] - x[star]), abs(y[other] - y[star]))
                if distance <= far and group_of[other] != group_of[star] and group_of[other] >= 0:
                    again[group_of[other]] = True
    changed = reach > 0
    for star in range(x.size):
        if group_of[star] >= 0:
            changed[star] |= again[group_of[star]]
    return again, changed


def _check(
    light: NDArray[np.float32], variance: NDArray[np.float32], saturated: NDArray[np.bool_]
) -> None:
    """Raise if arrays do not fit each other."""
    shapes = {light.shape, variance.shape, saturated.shape}
    if len(shapes) != 1 or light.ndim != 2:
        raise UsageError(
            f"Light, variance and saturated pixels have the shapes {sorted(shapes)}.",
            "arrays of one two-dimensional shape",
        )


def _inside(
    x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which stars have a place, no more than a pixel off the image."""
    rows, columns = shape
    with np.errstate(invalid="ignore"):
        return (x > -1.5) & (x < columns + 0.5) & (y > -1.5) & (y < rows + 0.5)


def typical_variance(variance: NDArray[np.float32]) -> float:
    """Median variance of usable pixels, from every eighth row and column at least.

    1 if no pixel is usable: then nothing is fitted.
    """
    step = 8 if min(variance.shape) > 64 else 1
    some = variance[::step, ::step]
    finite = some[np.isfinite(some)]
    if not finite.size:
        finite = variance[np.isfinite(variance)]
    return float(np.median(finite)) if finite.size else 1.0
