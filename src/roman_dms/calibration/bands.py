"""Bands of rows: how a whole frame is shared by threads."""

from __future__ import annotations

from itertools import chain, zip_longest


def bands(rows: int, height: int, workers: int) -> list[tuple[int, int]]:
    """First and last-plus-one row of each band, in the order in which to start them.

    Threads that take bands in this order work each through a part of the frame
    of its own, so that none waits for the other to unpack what both need.

    >>> bands(10, 2, 2)
    [(0, 2), (6, 8), (2, 4), (8, 10), (4, 6)]
    """
    starts = range(0, rows, height)
    share = -(-len(starts) // workers)
    parts = [starts[first : first + share] for first in range(0, len(starts), share)]
    order = (start for start in chain(*zip_longest(*parts)) if start is not None)
    return [(start, min(start + height, rows)) for start in order]
