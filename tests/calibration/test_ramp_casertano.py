import numpy as np
import pytest

from roman_dms.calibration.ramp_casertano import weights
from roman_dms.calibration.ramp_fit import fit_casertano
from roman_dms.instrument.quality import Pixel, Resultant

from .ramp_truth import PATTERNS, covariances, simulate

IMAGING = PATTERNS["imaging"]


def fit(data, dq=None, pattern=IMAGING, **parameters):
    shape = data.shape[1:]
    dq = np.zeros(data.shape, np.uint8) if dq is None else dq
    gain, noise = np.full(shape, 2, np.float32), np.full(shape, 4, np.float32)
    return fit_casertano(data, dq, gain, noise, pattern, **parameters)


@pytest.mark.parametrize(
    ("signal_to_noise", "power"),
    [(-3, 0), (4.9, 0), (5.1, 0.4), (11, 1), (30, 3), (60, 6), (130, 10)],
)
def test_line_has_the_published_weights(signal_to_noise, power):
    t, n = IMAGING.mean_times, IMAGING.counts
    s, noise = abs(signal_to_noise), 8.0
    signal = np.sign(signal_to_noise) * (s**2 + s * np.sqrt(s**2 + 4 * noise**2)) / 2
    bumps = np.array([0, 3, -2, 5, -4, 1, 2, -3, 0.0])
    data = (signal * (t - t[0]) / (t[-1] - t[0]) + bumps).astype(np.float32) / 2
    result = fit(data[:, None, None], jumps=False)
    distance = np.abs((2 * t - t[0] - t[-1]) / (t[-1] - t[0]))
    weight = (1 + power) * n / (1 + power * n) * distance**power
    slope = np.polynomial.polynomial.polyfit(t, data.astype(float), 1, w=np.sqrt(weight))[1]
    assert result.rate[0, 0] == pytest.approx(slope, rel=1e-5, abs=1e-6)
    assert result.chisq[0, 0] == 0


def test_variances_are_those_of_the_reads():
    photon, read, _ = covariances(IMAGING)
    table = weights(IMAGING)
    for level in range(6):
        # As weights on differences: the sum of all weights that follow.
        w = np.cumsum(table.slope[level, 0, 8][::-1])[::-1][1:]
        assert table.photon[level, 0, 8] == pytest.approx(w @ photon @ w)
        assert table.read[level, 0, 8] == pytest.approx(w @ read @ w)


@pytest.mark.parametrize("rate", [3.0, 100.0])
def test_no_bias_and_true_errors(rate):
    data = simulate(np.random.default_rng(1), IMAGING, rate, (64, 1024))
    result = fit(data)
    rates, error = (
        2 * result.rate.astype(float),
        2 * np.sqrt(result.var_poisson + result.var_rnoise),
    )
    assert rates.mean() == pytest.approx(rate, rel=1e-3)
    assert np.std((rates - rate) / error) == pytest.approx(1, abs=0.02)
    assert np.mean(result.dq & Pixel.JUMP_DET > 0) < 1e-3


def test_ramp_is_cut_at_a_jump():
    data = (IMAGING.mean_times * 5).astype(np.float32)[:, None, None] * np.ones((1, 2), np.float32)
    data[5:, 0, 1] += 400
    result = fit(data)
    assert result.jumps.tolist() == [[4, 0, 1], [5, 0, 1]]
    np.testing.assert_array_equal(result.dq[0], [0, Pixel.JUMP_DET])
    np.testing.assert_allclose(result.rate, 5, rtol=1e-5)
    assert fit(data, jumps=False).rate[0, 1] > 6
    assert len(fit(data, threshold_intercept=1e4).jumps) == 0


def test_parts_are_averaged_by_their_read_noise():
    data = simulate(np.random.default_rng(2), IMAGING, 0.1, (1, 200))
    dq = np.zeros(data.shape, np.uint8)
    dq[5] = Resultant.DO_NOT_USE
    whole = fit(data, dq, jumps=False)
    first, second = dq.copy(), dq.copy()
    first[6:] = second[:5] = Resultant.DO_NOT_USE
    a, b = fit(data, first, jumps=False), fit(data, second, jumps=False)
    total = 1 / a.var_rnoise + 1 / b.var_rnoise
    expected = (a.rate / a.var_rnoise + b.rate / b.var_rnoise) / total
    np.testing.assert_allclose(whole.rate, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(whole.var_rnoise, 1 / total, rtol=1e-4)
