"""Stars by mass: magnitudes in Roman's bands, and how many there are of each mass.

Dwarfs are the mean sequence of Pecaut & Mamajek (2013, ApJS 208, 9, table 5, as
kept up to date by its second author).  Giants are a line from the turn-off past the red clump
(Laney, Joner & Pietrzynski 2012, MNRAS 419, 1637: M_J -0.98, M_H -1.49, M_K -1.61)
to the tip of the branch.  Colours are those of solar metallicity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from roman_dms.instrument.optical_elements import FILTERS
from roman_dms.simulation.scenes.bands import MEAN, band, interpolate

Values = NDArray[np.float64]

# mass, M_V, V-Rc, V-Ic, M_J, J-H, H-Ks, G-V (Vega magnitudes); F8V to M8V
_DWARFS = np.array(
    [
        (1.18, 4.01, 0.300, 0.599, 3.01, 0.225, 0.061, -0.140),
        (1.08, 4.45, 0.336, 0.664, 3.34, 0.262, 0.067, -0.155),
        (1.02, 4.79, 0.363, 0.713, 3.57, 0.293, 0.073, -0.167),
        (0.98, 4.98, 0.377, 0.738, 3.74, 0.310, 0.076, -0.174),
        (0.94, 5.32, 0.404, 0.786, 3.97, 0.342, 0.082, -0.188),
        (0.87, 5.76, 0.443, 0.853, 4.29, 0.387, 0.091, -0.221),
        (0.78, 6.19, 0.482, 0.920, 4.57, 0.427, 0.098, -0.254),
        (0.75, 6.57, 0.537, 1.013, 4.76, 0.483, 0.109, -0.322),
        (0.68, 7.36, 0.685, 1.272, 5.18, 0.568, 0.132, -0.454),
        (0.63, 8.15, 0.806, 1.529, 5.60, 0.617, 0.162, -0.595),
        (0.55, 8.91, 0.889, 1.766, 6.04, 0.626, 0.193, -0.65),
        (0.49, 9.69, 0.959, 2.019, 6.51, 0.613, 0.225, -0.82),
        (0.44, 10.30, 1.001, 2.173, 6.89, 0.600, 0.234, -0.92),
        (0.36, 11.14, 1.079, 2.420, 7.40, 0.579, 0.252, -1.09),
        (0.22, 12.80, 1.241, 2.831, 8.39, 0.557, 0.282, -1.41),
        (0.16, 14.30, 1.446, 3.277, 9.25, 0.580, 0.311, -1.74),
        (0.10, 16.62, 1.950, 4.130, 10.28, 0.605, 0.352, -2.14),
        (0.082, 18.84, 2.150, 4.640, 11.23, 0.670, 0.450, -3.08),
    ]
)

# The same for evolved stars: turn-off, red clump, tip of the branch.
_GIANTS = np.array(
    [
        (1.0, 4.88, 0.370, 0.725, 3.65, 0.300, 0.074, -0.17),
        (1.0, 0.94, 0.540, 1.06, -0.98, 0.510, 0.120, -0.25),
        (1.0, -1.50, 1.300, 2.50, -5.05, 0.950, 0.250, -0.80),
    ]
)

_AB_OF_VEGA = np.array([0.02, 0.21, 0.45, 0.91, 1.39, 1.85])
"""AB magnitudes of Vega in V, Rc, Ic, J, H, Ks (Blanton & Roweis 2007, AJ 133, 734, table 1)."""

_WAVELENGTHS = np.array([0.551, 0.647, 0.806, 1.235, 1.662, 2.159])
"""Effective wavelengths of these bands [micron] (Bessell 1990; Cohen, Wheaton & Megeath 2003)."""

TURN_OFF = 1.0
"""Mass at which stars leave the main sequence of an old population [solar masses]."""

LEAST = 0.082
"""Smallest mass [solar masses]."""

GIANT_SLOPE = 0.26
"""d log10 N / dM along the giant branch (Nataf et al. 2013, ApJ 769, 88: exponent 0.6)."""

CLUMP_MAGNITUDES = 1.8
"""Clump stars over branch stars a magnitude at the clump (Nataf et al. 2013, about this)."""

CLUMP_WIDTH = 0.15
"""Intrinsic scatter of the red clump [mag]."""

CLUMP_MASSES = 0.0034
"""Range of mass at the turn-off that passes through the clump in its life [solar masses]:
0.1 Gyr of clump at the 0.034 solar masses a Gyr by which the turn-off of 10 Gyr sinks
(the fuel consumption theorem, Renzini & Buzzoni 1986)."""


@dataclass(frozen=True)
class Stars:
    """Kinds of stars: absolute magnitudes, and how many of each."""

    magnitudes: NDArray[np.float64]
    """(n, 8) absolute AB magnitudes in ``FILTERS`` [mag]."""
    gaia: Values
    """(n,) absolute G magnitude (Vega) [mag]."""
    numbers: Values
    """(n,) relative numbers."""
    spread: Values
    """(n,) scatter of the magnitude of each [mag]."""


@cache
def old_population(break_mass: float, low: float, high: float) -> Stars:
    """A population of one old age.

    Parameters
    ----------
    break_mass
        Where the mass function, dN/dm ~ m^-slope, bends [solar masses].
    low, high
        Its slopes below and above.
    """
    edges = np.geomspace(LEAST, TURN_OFF, 241)
    masses = np.sqrt(edges[1:] * edges[:-1])
    slope = np.where(masses < break_mass, low, high)
    density = (masses / break_mass) ** -slope
    dwarfs = _at(_DWARFS[::-1], _DWARFS[::-1, 0], masses)
    clump = density[-1] * CLUMP_MASSES
    edges_h = np.linspace(_h(_GIANTS)[2], _h(_GIANTS)[0], 95)
    middle = 0.5 * (edges_h[1:] + edges_h[:-1])
    giants = _at(_GIANTS[::-1], _h(_GIANTS)[::-1], middle)
    # The branch at the clump holds 1 / CLUMP_MAGNITUDES of the clump a magnitude.
    branch = clump / CLUMP_MAGNITUDES * 10 ** (GIANT_SLOPE * (middle + 1.49)) * np.diff(edges_h)
    rows = np.concatenate([dwarfs, giants, _GIANTS[1:2]])
    numbers = np.concatenate([density * np.diff(edges), branch, [clump]])
    steps = np.abs(np.gradient(_h(dwarfs)))
    spread = np.concatenate([steps / 2, np.full(middle.size, 0.05), [CLUMP_WIDTH]])
    return Stars(_roman(rows), rows[:, 1] + rows[:, 7], numbers / numbers.sum(), spread)


def _h(rows: Values) -> Values:
    """Absolute H magnitudes (Vega)."""
    return rows[:, 4] - rows[:, 5]


def _at(rows: Values, known: Values, wanted: Values) -> Values:
    """Rows of a table, linear between those that are known."""
    return np.stack([np.interp(wanted, known, column) for column in rows.T], axis=1)


def _roman(rows: Values) -> Values:
    """AB magnitudes in Roman's filters, through those of V, Rc, Ic, J, H, Ks."""
    _, v, v_r, v_i, j, j_h, h_k, _ = rows.T
    vega = np.stack([v, v - v_r, v - v_i, j, j - j_h, j - j_h - h_k], axis=1)
    fluxes = 10 ** (-0.4 * (vega + _AB_OF_VEGA))
    pivots = np.array([band(MEAN, name).pivot for name in FILTERS])
    return -2.5 * np.log10(interpolate(fluxes, _WAVELENGTHS, pivots))
