import numpy as np

from roman_dms.psf.validation.rho import rho_statistics


def test_against_all_pairs_one_by_one():
    rng = np.random.default_rng(8)
    x, y = rng.uniform(0, 1000, (2, 60))
    shape, error = (rng.normal(0, s, (2, 60)) @ np.eye(60) for s in (0.03, 0.01))
    shape, error = shape[0] + 1j * shape[1], error[0] + 1j * error[1]
    size = rng.normal(0, 0.02, 60)

    found = rho_statistics(x, y, shape, size, error)

    edges = np.geomspace(50, np.hypot(np.ptp(x), np.ptp(y)), 7)
    products = [(error, error), (shape, error), (shape * size, shape * size)]
    products += [(error, shape * size), (shape, shape * size)]
    for number, (one, other) in enumerate(products):
        bins = [[] for _ in range(6)]
        for i in range(60):
            for j in range(60):
                distance = np.hypot(x[i] - x[j], y[i] - y[j])
                at = np.searchsorted(edges, distance, side="right") - 1
                if i != j and 0 <= at < 6:
                    bins[at].append((np.conj(one[i]) * other[j]).real)
        means = [np.mean(found) for found in bins]
        np.testing.assert_allclose(found.values[number], means, rtol=1e-9)
        assert list(found.pairs) == [len(of) // 2 for of in bins]


def test_too_few_stars():
    nothing = np.zeros(5)
    assert rho_statistics(nothing, nothing, nothing, nothing, nothing) is None
