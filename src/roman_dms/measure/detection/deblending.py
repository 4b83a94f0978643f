"""Which maxima of a footprint are sources of their own.

From the highest saddle down, groups of maxima grow together (a component tree, made by
union-find: Najman & Couprie 2006, IEEE Trans. Image Process. 15, 3531).  Where two meet,
the highest maximum of the lower group is on trial: it stays a source if it rises above the
saddle by more than noise, than the relief of galaxies and than the structure of the PSF of
the other group's highest maximum; if not, all its group joins the source that it met.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def divide(  # type: ignore[no-untyped-def]
    pairs, saddles, x, y, height, noise, real, separation, relief, structure
):
    """Decide from the highest saddle down.

    Parameters
    ----------
    pairs, saddles
        (saddle, 2), (saddle,) which basins meet, and how high; the highest first.
    x, y, height, noise, real
        (basin,) of the maxima: place, height, its noise, and whether it may be a source.
    separation, relief
        See ``DetectionSettings``.
    structure
        (radius,) how high the maxima of a star's own structure may be, relative to it.

    Returns
    -------
    source, group
        (basin,) the basin whose maximum is the source that this one belongs to, and the
        basin with the highest maximum of its footprint.
    """
    count = len(height)
    source, group = np.arange(count), np.arange(count)
    following, end = np.full(count, -1), np.arange(count)  # sources of a group, as a list
    for edge in range(len(saddles)):
        one, other = _top(group, pairs[edge, 0]), _top(group, pairs[edge, 1])
        if one == other:
            continue
        met = pairs[edge, 1]
        if (real[one], height[one]) > (real[other], height[other]):
            one, other = other, one
            met = pairs[edge, 0]
        group[one] = other
        distance = int(np.hypot(x[one] - x[other], y[one] - y[other]))
        needed = max(separation * noise[one], relief * saddles[edge])
        if distance < len(structure):
            needed = max(needed, structure[distance] * height[other])
        if real[one] and height[one] - saddles[edge] > needed:
            following[end[other]] = one
            end[other] = end[one]
            continue
        taker, joins = _top(source, met), one
        while joins >= 0:
            source[joins] = taker
            joins = following[joins]
    for basin in range(count):
        source[basin], group[basin] = _top(source, basin), _top(group, basin)
    return source, group


@njit(nogil=True, cache=True)
def _top(above, node):  # type: ignore[no-untyped-def]
    """The end of the way up from a node, which is shortened on the way."""
    while above[node] != node:
        above[node] = above[above[node]]
        node = above[node]
    return node
