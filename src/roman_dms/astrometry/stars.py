"""What an alignment is given: detected stars and reference stars in one plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from roman_dms.errors import UsageError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Detections:
    """Stars that were detected on one detector, in the plane of the alignment.

    What is not finite or has no positive error is never used, and keeps its place.

    Raises
    ------
    UsageError
        For columns of different lengths, or an outline that has not four corners.
    """

    x: Values
    """(n): column [pixel]."""

    y: Values
    """(n): row [pixel]."""

    xi: Values
    """(n): position by the pointing, along V2 [arcsec]."""

    eta: Values
    """(n): position by the pointing, along V3 [arcsec]."""

    err: Values
    """(n): error of the position along one axis [arcsec]."""

    flux: Values
    """(n): in any linear unit, the same for all detectors; NaN where it is not known."""

    outline: Values
    """(4, 2): xi, eta of the detector's corners, in order around it [arcsec]."""

    def __post_init__(self) -> None:
        _as_columns(self, ("x", "y", "xi", "eta", "err", "flux"))
        object.__setattr__(self, "outline", np.asarray(self.outline, float))
        if self.outline.shape != (4, 2) or not np.isfinite(self.outline).all():
            raise UsageError(
                f"The outline of a detector has the shape {self.outline.shape}.",
                "xi, eta of four corners, all finite",
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def points(self) -> Values:
        """(n, 2): xi, eta [arcsec]."""
        return np.stack([self.xi, self.eta], axis=1)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n): whether position and error can be used."""
        finite: NDArray[np.bool_] = np.isfinite(self.xi + self.eta + self.err)
        return finite & (self.err > 0)

    @property
    def magnitude(self) -> Values:
        """(n): -2.5 log10 flux; NaN where there is no positive flux."""
        with np.errstate(divide="ignore", invalid="ignore"):
            magnitude: Values = -2.5 * np.log10(self.flux)
        return np.where(np.isfinite(magnitude), magnitude, np.nan)

    @property
    def centre(self) -> Values:
        """(2): xi, eta of the middle of the outline [arcsec]."""
        middle: Values = self.outline.mean(axis=0)
        return middle

    @property
    def area(self) -> float:
        """Area within the outline [arcsec^2]."""
        x, y = self.outline.T
        return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)

    def covers(self, points: Values) -> NDArray[np.bool_]:
        """(n): whether points (n, 2) are within the outline, which is convex."""
        sides = np.roll(self.outline, -1, axis=0) - self.outline
        away = points[:, np.newaxis] - self.outline
        turns = sides[:, 0] * away[..., 1] - sides[:, 1] * away[..., 0]
        inside: NDArray[np.bool_] = np.all(turns >= 0, axis=1) | np.all(turns <= 0, axis=1)
        return inside

    def grid(self, nodes: int) -> Values:
        """(nodes^2, 2): points that cover the detector evenly, edges included [arcsec]."""
        along = np.linspace(0, 1, nodes)
        s, t = (axis.ravel()[:, np.newaxis] for axis in np.meshgrid(along, along))
        a, b, c, d = self.outline
        grid: Values = (1 - s) * ((1 - t) * a + t * b) + s * ((1 - t) * d + t * c)
        return grid


@dataclass(frozen=True)
class Reference:
    """Reference stars at the epoch of the exposure, in the plane of the alignment.

    Raises
    ------
    UsageError
        For columns of different lengths.
    """

    xi: Values
    """(n): position by the pointing, along V2 [arcsec]."""

    eta: Values
    """(n): position by the pointing, along V3 [arcsec]."""

    covariance: Values
    """(n, 2, 2): of xi, eta [mas^2]."""

    magnitude: Values
    """(n): in any one band; NaN where it is not known."""

    ruwe: Values = field(default_factory=lambda: np.empty(0))
    """(n): Gaia's renormalised unit weight error; NaN where it is not known.

    Stars above 1.4 do not move as single stars do (Lindegren 2018,
    GAIA-C3-TN-LU-LL-124): their covariance grows by its square.
    """

    def __post_init__(self) -> None:
        _as_columns(self, ("xi", "eta", "magnitude"))
        n = len(self.xi)
        for name, shape in (("covariance", (n, 2, 2)), ("ruwe", (n,))):
            array = np.asarray(getattr(self, name), float)
            if name == "ruwe" and array.size == 0:
                array = np.full(n, np.nan)
            if array.shape != shape:
                raise UsageError(
                    f"The {name} of {n} reference stars has the shape {array.shape}.", f"{shape}"
                )
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.xi)

    @property
    def points(self) -> Values:
        """(n, 2): xi, eta [arcsec]."""
        return np.stack([self.xi, self.eta], axis=1)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n): whether position and covariance can be used."""
        variances = np.diagonal(self.covariance, axis1=1, axis2=2)
        finite = np.isfinite(self.xi + self.eta) & np.isfinite(self.covariance).all(axis=(1, 2))
        return finite & (variances > 0).all(axis=1)

    def only(self, kept: NDArray[np.bool_]) -> Reference:
        """The stars of a mask (n)."""
        return Reference(*(getattr(self, one.name)[kept] for one in fields(self)))

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """(n): whether the star does not move as a single star does."""
        return self.ruwe > 1.4

    @property
    def trusted_covariance(self) -> Values:
        """(n, 2, 2): the covariance, grown where a star is doubtful [arcsec^2]."""
        growth = np.where(self.doubtful, self.ruwe, 1.0)
        return 1e-6 * self.covariance * growth[:, np.newaxis, np.newaxis] ** 2


@dataclass(frozen=True)
class Exposure:
    """All usable detections of an exposure, one after the other."""

    names: tuple[str, ...]
    """Names of the detectors."""

    points: Values
    """(n, 2): xi, eta by the pointing [arcsec]."""

    err: Values
    """(n): error along one axis [arcsec]."""

    magnitude: Values
    """(n): -2.5 log10 flux."""

    detector: NDArray[np.intp]
    """(n): place of the star's detector in ``names``."""

    row: NDArray[np.intp]
    """(n): place of the star in its detector's ``Detections``."""

    centres: Values
    """(d, 2): middle of each detector [arcsec]."""

    areas: Values
    """(d): area of each detector [arcsec^2]."""

    @classmethod
    def of(cls, detections: Mapping[str, Detections]) -> Exposure:
        """Join the detectors; rows that cannot be used are left out."""
        rows = [np.flatnonzero(one.usable) for one in detections.values()]
        both = list(zip(detections.values(), rows, strict=True))
        return cls(
            tuple(detections),
            np.concatenate([one.points[kept] for one, kept in both]),
            np.concatenate([one.err[kept] for one, kept in both]),
            np.concatenate([one.magnitude[kept] for one, kept in both]),
            np.repeat(np.arange(len(rows)), [len(kept) for kept in rows]),
            np.concatenate(rows),
            np.stack([one.centre for one, _ in both]),
            np.array([one.area for one, _ in both]),
        )

    def __len__(self) -> int:
        return len(self.points)

    def only(self, kept: NDArray[np.bool_]) -> Exposure:
        """The stars of a mask (n); the names stay as they are."""
        stars = {
            name: getattr(self, name)[kept]
            for name in ("points", "err", "magnitude", "detector", "row")
        }
        return replace(self, **stars)


def _as_columns(table: object, names: tuple[str, ...]) -> None:
    """Turn fields of a frozen table into columns of float64, or say which one does not fit."""
    lengths = {}
    for one in fields(table):  # type: ignore[arg-type]
        if one.name in names:
            column = np.asarray(getattr(table, one.name), float)
            object.__setattr__(table, one.name, column)
            lengths[one.name] = column.shape
    if len(set(lengths.values())) != 1 or len(next(iter(lengths.values()))) != 1:
        raise UsageError(f"The columns have the shapes {lengths}.", "one length for all of them")
