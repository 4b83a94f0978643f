"""What Gaia's catalogue would hold of a scene: the reference stars of its alignment.

Errors are the median ones of Gaia DR3 by magnitude, with a scatter from star to
star and correlations between the five parameters; the noise that is put in is
drawn from the covariance that is quoted, but for the stars with a high RUWE,
whose noise is larger by that factor, as that of unresolved binaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from roman_dms.errors import UsageError
from roman_dms.simulation.scenes.astrometry import MILLIARCSECOND, displaced
from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.columns import POINT
from roman_dms.simulation.scenes.scene import Scene

Values = NDArray[np.float64]

EPOCH = 2016.0
"""Epoch of Gaia DR3 [Julian year]."""
_EPOCH_MJD = 51544.5 + 16 * 365.25

G_PIVOT = 0.622
"""Pivot wavelength of G [micron] (Riello et al. 2021, A&A 649, A3)."""
G_AB_TO_VEGA = 25.6874 - 25.8010
"""G in Gaia's scale less G in AB: its two zero points (Riello et al. 2021, table 4)."""

MAGNITUDES = (13.0, 15.0, 17.0, 20.0, 21.0)
"""G at which errors are known."""
ERRORS = {
    "ra": (0.012, 0.02, 0.05, 0.4, 1.0),
    "dec": (0.012, 0.02, 0.05, 0.4, 1.0),
    "parallax": (0.02, 0.025, 0.07, 0.5, 1.3),
    "pmra": (0.02, 0.025, 0.07, 0.5, 1.4),
    "pmdec": (0.02, 0.025, 0.07, 0.5, 1.4),
}
"""Median errors of DR3 there [mas, mas / yr] (Gaia Collaboration, Vallenari et al.
2023, A&A 674, A1, table 3; https://www.cosmos.esa.int/web/gaia/dr3)."""
UNITS = {"ra": "deg", "dec": "deg", "parallax": "mas", "pmra": "mas / yr", "pmdec": "mas / yr"}

SCATTER = 0.2
"""Of the logarithm of errors from star to star."""
CORRELATION = 0.15
"""Typical size of the loadings from which correlations come."""


@dataclass(frozen=True)
class GaiaLike:
    """What the catalogue is like."""

    limit: float = 21.0
    """G at which half of the stars are in it; DR3 ends between 20.7 and 21."""
    no_motion: float = 20.7
    """G at which half of the stars have a position alone."""
    doubtful: float = 0.05
    """Share of stars that do not move as single stars do (RUWE above 1.4)."""


def gaia_like(scene: Scene, like: GaiaLike | None = None, *, seed: int = 0) -> Table:
    """Draw the catalogue that Gaia would have of a scene.

    Parameters
    ----------
    scene
        With proper motions and parallaxes; galaxies and moving objects are left out.
    like
        How deep and how good.
    seed
        The same seed draws the same catalogue.

    Returns
    -------
    Table
        Columns of ``gaia_source`` with their units: positions at 2016.0, five
        parameters with errors and correlations, ``phot_g_mean_mag``, ``ruwe``.

    Raises
    ------
    UsageError
        For a scene without stars.
    """
    like = like or GaiaLike()
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x6A1A]))
    still = (scene["motion_ra"] == 0) & (scene["motion_dec"] == 0)
    stars = scene.select(np.flatnonzero((scene["type"] == POINT) & still))
    if not len(stars):
        raise UsageError("The scene has no stars.", "a scene with point sources")
    magnitude = g_magnitudes(stars)
    seen = np.isfinite(magnitude) & (_faint(magnitude, like.limit) < random.random(len(stars)))
    stars, magnitude = stars.select(seen), magnitude[seen]
    ruwe = _ruwe(len(stars), like.doubtful, random)
    errors = _errors(magnitude, random)
    correlations = _correlations(len(stars), random)
    noise = np.einsum(
        "nij,nj->ni", np.linalg.cholesky(correlations), random.normal(size=errors.shape)
    )
    noise *= errors * np.maximum(ruwe, 1.0)[:, np.newaxis]
    alone = _faint(magnitude, like.no_motion) > random.random(len(stars))
    return _table(stars, magnitude, ruwe, errors, correlations, noise, alone)


def g_magnitudes(scene: Scene) -> Values:
    """(n,) G of sources, from the band of the scene that is nearest to it."""
    nearest = min(scene.bands, key=lambda name: abs(band(MEAN, name).pivot - G_PIVOT))
    with np.errstate(divide="ignore"):
        magnitudes: Values = -2.5 * np.log10(np.asarray(scene[nearest], float)) + G_AB_TO_VEGA
    return magnitudes


def _faint(magnitude: Values, limit: float) -> Values:
    """(n,) probability that a star is too faint for a limit."""
    return 1 / (1 + np.exp(-(magnitude - limit) / 0.1))


def _ruwe(n: int, doubtful: float, random: np.random.Generator) -> Values:
    """(n,) near 1 for single stars; 1.4 to about 10 for the share that is doubtful."""
    ruwe = np.exp(0.04 * random.normal(size=n))
    binary = random.random(n) < doubtful
    ruwe[binary] = 1.4 + random.exponential(1.5, np.count_nonzero(binary))
    return ruwe


def _errors(magnitude: Values, random: np.random.Generator) -> Values:
    """(n, 5) errors of the five parameters [mas, mas / yr]."""
    median = [np.exp(np.interp(magnitude, MAGNITUDES, np.log(e))) for e in ERRORS.values()]
    scatter = np.exp(SCATTER * random.normal(size=(magnitude.size, 1)))
    return np.stack(median, axis=1) * scatter


def _correlations(n: int, random: np.random.Generator) -> Values:
    """(n, 5, 5) correlation matrices of the five parameters."""
    loadings = np.eye(5) + CORRELATION * random.normal(size=(n, 5, 5))
    covariance = loadings @ loadings.transpose(0, 2, 1)
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    correlations: Values = covariance / (sigma[:, :, np.newaxis] * sigma[:, np.newaxis, :])
    return correlations


def _table(
    stars: Scene,
    magnitude: Values,
    ruwe: Values,
    errors: Values,
    correlations: Values,
    noise: Values,
    alone: NDArray[np.bool_],
) -> Table:
    """The columns of ``gaia_source``."""
    ra, dec = stars.positions(_EPOCH_MJD)
    ra, dec = displaced(ra, dec, *(MILLIARCSECOND * noise[:, :2].T))
    values = {"ra": ra, "dec": dec}
    for place, name in enumerate(("parallax", "pmra", "pmdec"), 2):
        values[name] = np.where(alone, np.nan, stars[name] + noise[:, place])
    columns: dict[str, Any] = {"source_id": np.asarray(stars["id"], np.int64)}
    columns["ref_epoch"] = np.full(len(stars), EPOCH)
    for place, name in enumerate(ERRORS):
        known = alone & (place > 1)
        columns[name] = values[name]
        columns[f"{name}_error"] = np.where(known, np.nan, errors[:, place])
    for i, first in enumerate(ERRORS):
        for j, second in enumerate(list(ERRORS)[i + 1 :], i + 1):
            known = alone & (j > 1)
            columns[f"{first}_{second}_corr"] = np.where(known, np.nan, correlations[:, i, j])
    columns |= {"phot_g_mean_mag": magnitude, "ruwe": np.where(alone, np.nan, ruwe)}
    table = Table(columns, meta={"description": "What Gaia DR3 would hold of a scene"})
    for name, unit in UNITS.items():
        table[name].unit = unit
        table[f"{name}_error"].unit = "mas / yr" if unit == "mas / yr" else "mas"
    table["ref_epoch"].unit, table["phot_g_mean_mag"].unit = "yr", "mag"
    return table
