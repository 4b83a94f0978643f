"""Which stars are fitted together: friends of friends, and large groups cut in pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

SHORTER = 0.8
"""What large groups are cut with, in the length of the links before."""

SHORTEST = 0.5
"""Links are not cut shorter than this [pixel]."""

GUESTS = 4
"""Stars beyond a cut that are fitted along with a piece, at most; their results come from
their own piece."""


@dataclass(frozen=True)
class Groups:
    """Stars that are fitted together."""

    members: NDArray[np.int32]
    """Indices of stars, group after group; in each its own, then its guests."""

    firsts: NDArray[np.int64]
    """(group + 1,) where each group begins among the members."""

    own: NDArray[np.int32]
    """(group,) how many of a group's members are its own; each star is some group's own."""

    def __len__(self) -> int:
        return len(self.own)


def groups_of(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    footprint: NDArray[np.int32],
    link: float,
    most: int,
) -> Groups:
    """Stars linked by their distance.

    A group of more than ``most`` is linked again by shorter links; a piece that is still too
    large is cut into slices.  The nearest stars beyond a cut are guests of the piece.

    Parameters
    ----------
    x, y
        (n,) places, finite [pixel].
    footprint
        (n,) stars of different footprints are not linked.
    link
        Largest distance of two friends [pixel].
    most
        Own members of a group, at most.
    """
    whole = _friends(x, y, footprint, link)
    label, cut, shorter = whole, np.zeros(len(x), bool), link
    while len(x):
        large = np.bincount(label)[label] > most
        cut |= large
        rows = np.flatnonzero(large)
        shorter *= SHORTER
        if not rows.size or shorter < SHORTEST:
            break
        apart = _friends(x[rows], y[rows], label[rows], shorter)
        label = label.copy()
        label[rows] = label.max() + 1 + apart
    return _collected(x, y, whole, label, cut, link, most)


def _collected(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    whole: NDArray[np.int32],
    label: NDArray[np.int32],
    cut: NDArray[np.bool_],
    link: float,
    most: int,
) -> Groups:
    """Groups from labels, from the lowest rows to the highest."""
    if not len(x):
        return Groups(np.zeros(0, np.int32), np.zeros(1, np.int64), np.zeros(0, np.int32))
    lowest = np.full(label.max() + 1, np.inf)
    np.minimum.at(lowest, label, y)
    order = np.lexsort((x, label, lowest[label]))
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    sizes = np.diff(starts, append=len(x))
    within = np.arange(len(x)) - np.repeat(starts, sizes)
    begins = np.flatnonzero(within % most == 0)
    grid = cells(x, y, max(link, 1.0))
    members, firsts, own = _with_guests(x, y, whole, cut, order, begins, link, *grid)
    return Groups(members, firsts, own)


@njit(nogil=True, cache=True)
def cells(x, y, size):  # type: ignore[no-untyped-def]
    """Stars by square cells: their order, where each cell begins, origin, cells a row, size."""
    count = x.size
    left, low = (x.min(), y.min()) if count else (0.0, 0.0)
    columns = int((x.max() - left) / size) + 1 if count else 1
    rows = int((y.max() - low) / size) + 1 if count else 1
    firsts = np.zeros(columns * rows + 1, np.int64)
    cell = np.empty(count, np.int64)
    for i in range(count):
        cell[i] = int((y[i] - low) / size) * columns + int((x[i] - left) / size)
        firsts[cell[i] + 1] += 1
    firsts = np.cumsum(firsts)
    place = firsts.copy()
    order = np.empty(count, np.int64)
    for i in range(count):
        order[place[cell[i]]] = i
        place[cell[i]] += 1
    return order, firsts, left, low, columns, rows, size


@njit(nogil=True, cache=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(nogil=True, cache=True)
def _friends(x, y, footprint, link):  # type: ignore[no-untyped-def]
    """Label of each star's group of friends of friends, from 0."""
    count = x.size
    order, firsts, left, low, columns, rows, size = cells(x, y, max(link, 1.0))
    parent = np.arange(count)
    for i in range(count):
        column, row = int((x[i] - left) / size), int((y[i] - low) / size)
        for near_row in range(max(row - 1, 0), min(row + 2, rows)):
            begin = near_row * columns + max(column - 1, 0)
            end = near_row * columns + min(column + 1, columns - 1)
            for at in range(firsts[begin], firsts[end + 1]):
                j = order[at]
                if j <= i or footprint[i] != footprint[j]:
                    continue
                if (x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 < link**2:
                    one, other = _root(parent, i), _root(parent, j)
                    parent[max(one, other)] = min(one, other)
    label = np.empty(count, np.int32)
    found = 0
    for i in range(count):
        root = _root(parent, i)
        if root == i:
            label[i] = found
            found += 1
        else:
            label[i] = label[root]
    return label


@njit(nogil=True, cache=True)
def _with_guests(  # type: ignore[no-untyped-def]
    x, y, whole, cut, order, begins, link, by_cell, firsts, left, low, columns, rows, size
):
    """Members, where groups begin and how many are their own (`Groups`)."""
    count = begins.size
    members = np.empty(x.size + GUESTS * count, np.int32)
    starts = np.zeros(count + 1, np.int64)
    own = np.empty(count, np.int32)
    distance = np.empty(GUESTS)
    for group in range(count):
        first = begins[group]
        last = begins[group + 1] if group + 1 < count else x.size
        begin = starts[group]
        own[group] = last - first
        for k in range(first, last):
            members[begin + k - first] = order[k]
        guests = begin + own[group]
        present = 0
        for k in range(first, last):
            i = order[k]
            if not cut[i]:
                continue
            column, row = int((x[i] - left) / size), int((y[i] - low) / size)
            for near_row in range(max(row - 1, 0), min(row + 2, rows)):
                low_cell = near_row * columns + max(column - 1, 0)
                high_cell = near_row * columns + min(column + 1, columns - 1)
                for at in range(firsts[low_cell], firsts[high_cell + 1]):
                    j = by_cell[at]
                    far = np.hypot(x[i] - x[j], y[i] - y[j])
                    if far >= link or whole[i] != whole[j]:
                        continue
                    present = _admitted(
                        members, begin, own[group], guests, present, distance, j, far
                    )
        starts[group + 1] = guests + present
    return members[: starts[count]], starts, own


@njit(nogil=True, cache=True)
def _admitted(members, begin, own, guests, present, distance, star, far):  # type: ignore[no-untyped-def]
    """Put a star among the nearest guests; how many there are then."""
    for k in range(own):
        if members[begin + k] == star:
            return present
    for k in range(present):
        if members[guests + k] == star:
            distance[k] = min(distance[k], far)
            return present
    if present < GUESTS:
        members[guests + present] = star
        distance[present] = far
        return present + 1
    worst = np.argmax(distance)
    if far < distance[worst]:
        members[guests + worst] = star
        distance[worst] = far
    return present
