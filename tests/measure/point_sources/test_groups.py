"""Friends of friends against scipy's connected components."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from roman_dms.measure.point_sources.groups import groups_of


def own_members(groups):
    return [
        frozenset(groups.members[first : first + own].tolist())
        for first, own in zip(groups.firsts, groups.own, strict=False)
    ]


def test_friends_of_friends():
    x, y = np.random.default_rng(1).uniform(0, 100, (2, 600))
    groups = groups_of(x, y, np.zeros(600, np.int32), 2.5, 600)
    pairs = KDTree(np.column_stack([x, y])).query_pairs(2.5, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(600, 600))
    _, label = connected_components(graph, directed=False)
    truth = {frozenset(np.flatnonzero(label == k).tolist()) for k in set(label)}
    assert set(own_members(groups)) == truth


def test_large_groups_are_cut_and_nobody_is_lost():
    x, y = np.random.default_rng(2).uniform(0, 60, (2, 2000))
    groups = groups_of(x, y, np.zeros(2000, np.int32), 4.0, 12)
    assert groups.own.max() <= 12
    assert sorted(star for group in own_members(groups) for star in group) == list(range(2000))
    for first, last, own in zip(groups.firsts[:-1], groups.firsts[1:], groups.own, strict=True):
        mine, guests = groups.members[first : first + own], groups.members[first + own : last]
        assert not set(mine) & set(guests)
        for guest in guests:
            assert np.hypot(x[mine] - x[guest], y[mine] - y[guest]).min() < 4


def test_footprints_are_kept_apart():
    x, y = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    groups = groups_of(x, y, np.array([0, 0, 1], np.int32), 1.5, 12)
    assert set(own_members(groups)) == {frozenset({0, 1}), frozenset({2})}


def test_stars_on_one_place_are_cut_too():
    groups = groups_of(np.full(30, 5.0), np.full(30, 5.0), np.zeros(30, np.int32), 4.0, 12)
    assert sorted(groups.own) == [6, 12, 12]
