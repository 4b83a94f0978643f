"""What a simulation knows of its sources: light curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from astropy.table import Table

from roman_dms.errors import UsageError
from roman_dms.simulation.scenes.bands import MEAN, band
from roman_dms.simulation.scenes.scene import Scene


def light_curves(scene: Scene, mjds: Sequence[float], element: str) -> Table:
    """Fluxes of all sources that vary, at each of some times.

    Parameters
    ----------
    mjds
        Modified Julian dates, UTC.
    element
        A filter.

    Returns
    -------
    Table
        Columns ``id``, ``mjd`` [d], ``element``, ``magnification`` (flux over that
        of the catalogue) and ``flux`` [Jy], sources within times.

    Raises
    ------
    UsageError
        For no times, times that are not finite, or an element without a flux.
    """
    times = np.asarray(mjds, float)
    if not times.size or not np.isfinite(times).all():
        raise UsageError("Light curves need times.", "one or more finite MJDs")
    varying = scene.select(scene["variability"] != "")
    zero_point = band(MEAN, element).electrons_per_jansky
    parts = []
    for mjd in times:
        magnification = varying.relative_fluxes(float(mjd))
        flux = varying.count_rates(MEAN, element, float(mjd)) / zero_point
        columns = {"id": varying["id"], "mjd": np.full(len(varying), mjd)}
        parts.append({**columns, "magnification": magnification, "flux": flux})
    table = Table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    table.add_column(np.full(len(table), element), name="element", index=2)
    table["mjd"].unit, table["flux"].unit = "d", "Jy"
    return table
