import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.mosaics.sky_levels import match_levels, overlap, sky_mesh

SIDE = 640


def scene(random, covered):
    """Sources as blobs on a plane of (1000, 1000) pixels, brighter than the noise on a share of
    it; returns a function of the place."""
    light = np.zeros((1000, 1000))
    rows, columns = np.mgrid[-30:31, -30:31]
    while np.mean(light > 1) < covered:
        for row, column in random.integers(30, 970, (50, 2)):
            width = random.uniform(2, 8)
            blob = random.pareto(1.2) * 5 * np.exp(-(rows**2 + columns**2) / 2 / width**2)
            light[row - 30 : row + 31, column - 30 : column + 31] += blob
    return light


def image(random, light, x0, y0, level, noise=1.0):
    part = light[y0 : y0 + SIDE, x0 : x0 + SIDE]
    data = part + level + noise * random.standard_normal(part.shape)
    return data.astype(np.float32), random.random(part.shape) > 0.03


@pytest.mark.parametrize("covered", [0.0, 0.3])
def test_differences_are_right_under_any_sources(covered):
    """Offsets of pairs that share a part of the sky: bias and pulls."""
    random = np.random.default_rng(int(10 * covered) + 1)
    pulls, errors = [], []
    for _ in range(6):
        light = scene(random, covered)
        shifts = random.integers(0, 360, (3, 2))
        levels = random.uniform(10, 20, 3)
        meshes = [
            sky_mesh(*image(random, light, x, y, level))
            for (x, y), level in zip(shifts, levels, strict=True)
        ]
        for i, j in ((0, 1), (1, 2), (0, 2)):
            dx, dy = shifts[i] - shifts[j]
            found = overlap(meshes[i], meshes[j], lambda x, y, dx=dx, dy=dy: (x + dx, y + dy))
            assert found is not None
            pulls.append((found[0] - levels[i] + levels[j]) / found[1])
            errors.append(found[1])
    assert abs(np.mean(pulls)) < 3 / np.sqrt(len(pulls))
    assert 0.6 < np.std(pulls) < 1.45
    assert np.max(errors) < (0.05 if covered else 0.03)


def test_meshes_do_not_depend_on_threads_and_know_their_errors():
    random = np.random.default_rng(2)
    data = random.normal(7, 2, (1024, 1024)).astype(np.float32)
    usable = np.ones(data.shape, bool)
    usable[:64, :128] = False
    one, two = sky_mesh(data, usable, workers=1), sky_mesh(data, usable, workers=3)
    np.testing.assert_array_equal(one.level, two.level)
    assert np.isnan(one.level[0, :2]).all()
    assert np.isfinite(one.level).sum() == 254
    pulls = (one.level - 7) / one.error
    assert abs(np.nanmean(pulls)) < 0.25
    assert 0.85 < np.nanstd(pulls) < 1.2
    assert one.x[0] == 31.5
    assert one.y[-1] == 1024 - 32.5


def test_images_apart_have_no_difference():
    random = np.random.default_rng(3)
    mesh = sky_mesh(random.normal(0, 1, (256, 256)).astype(np.float32), np.ones((256, 256), bool))
    assert overlap(mesh, mesh, lambda x, y: (x + 300, y)) is None
    assert overlap(mesh, mesh, lambda x, y: (x * np.nan, y)) is None
    nothing = sky_mesh(np.zeros((256, 256), np.float32), np.zeros((256, 256), bool))
    assert overlap(mesh, nothing, lambda x, y: (x, y)) is None
    assert overlap(nothing, mesh, lambda x, y: (x, y)) is None


def pairs_of(random, truth, error, every=1.0):
    pairs = []
    for i in range(len(truth)):
        for j in range(i):
            if random.random() < every or i == j + 1:
                off = truth[i] - truth[j] + error * random.standard_normal()
                pairs.append((i, j, off, error))
    return pairs


def test_offsets_and_their_errors():
    """Pulls of the offsets against truth are normal; chi2 is as the freedom."""
    random = np.random.default_rng(4)
    pulls, ratios = [], []
    for _ in range(60):
        truth = random.normal(0, 1, 12)
        matched = match_levels(pairs_of(random, truth, 0.01, 0.5), 12)
        pulls.append((matched.offsets - truth + truth.mean()) / matched.errors)
        ratios.append(matched.chi2 / matched.freedom)
        assert matched.offsets.mean() == pytest.approx(0, abs=1e-12)
    assert 0.85 < np.std(pulls) < 1.1
    assert 0.9 < np.mean(ratios) < 1.15


def test_a_wrong_difference_does_little():
    random = np.random.default_rng(5)
    truth = random.normal(0, 1, 10)
    pairs = pairs_of(random, truth, 0.01)
    i, j, off, error = pairs[7]
    pairs[7] = (i, j, off + 1.0, error)
    matched = match_levels(pairs, 10)
    assert np.abs(matched.offsets - truth + truth.mean()).max() < 0.02
    assert matched.chi2 > 1000


def test_groups_keep_their_own_mean():
    truth = np.array([1.0, 3.0, -2.0, 10.0, 14.0, 7.0])
    pairs = [(0, 1, -2.0, 0.1), (3, 2, 12.0, 0.1), (4, 3, 4.0, 0.2)]
    weights = np.array([1.0, 3.0, 1.0, 1.0, 2.0, 1.0])
    matched = match_levels(pairs, 6, weights=weights)
    np.testing.assert_array_equal(matched.groups, [0, 0, 1, 1, 1, 2])
    np.testing.assert_allclose(matched.offsets[:2], [-1.5, 0.5])
    np.testing.assert_allclose(np.diff(matched.offsets[2:5]), np.diff(truth[2:5]))
    assert np.average(matched.offsets[2:5], weights=weights[2:5]) == pytest.approx(0, abs=1e-12)
    assert matched.offsets[5] == 0
    assert matched.errors[5] == pytest.approx(0, abs=1e-9)
    assert matched.freedom == 0


def test_subtracting_removes_the_mean_sky_too():
    truth = np.array([10.0, 12.0, 11.0])
    pairs = [(1, 0, 2.0, 0.1), (2, 1, -1.0, 0.1)]
    noisy = [10.3, 11.7, np.nan]
    matched = match_levels(pairs, 3, levels=noisy, mode="subtract")
    np.testing.assert_allclose(np.diff(matched.offsets), [2, -1])
    assert matched.offsets.mean() == pytest.approx(11.0)
    apart = match_levels([], 3, levels=truth, mode="subtract")
    np.testing.assert_allclose(apart.offsets, truth)


def test_nothing_is_subtracted_if_so_asked():
    matched = match_levels([(1, 0, 2.0, 0.1)], 2, mode="none")
    assert not matched.offsets.any()


@pytest.mark.parametrize(
    "wrong", [(0, 0, 1.0, 0.1), (0, 5, 1.0, 0.1), (0, 1, np.nan, 0.1), (0, 1, 1.0, 0.0)]
)
def test_impossible_differences_are_refused(wrong):
    with pytest.raises(UsageError, match="differences"):
        match_levels([wrong], 3)


def test_unknown_skies_are_refused():
    with pytest.raises(UsageError, match="No sky"):
        match_levels([(0, 1, 1.0, 0.1)], 3, levels=[1, 1, np.nan], mode="subtract")
    with pytest.raises(UsageError, match="are known"):
        match_levels([(0, 1, 1.0, 0.1)], 2, mode="subtract")


def test_narrow_cells_are_refused():
    with pytest.raises(UsageError, match="16"):
        sky_mesh(np.zeros((64, 64), np.float32), np.ones((64, 64), bool), box=8)
