from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from roman_dms.calibration import ramp_fit
from roman_dms.calibration.ramp_fit import fit_casertano, fit_likelihood
from roman_dms.errors import CalibrationError
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

from .ramp_truth import PATTERNS, Dense, jump_noise, simulate

IMAGING = PATTERNS["imaging"]
METHODS = [fit_likelihood, fit_casertano]


def fit(data, pattern, dq=None, gain=2.0, read_noise=4.0, method=fit_likelihood, **parameters):
    shape = data.shape[1:]
    dq = np.zeros(data.shape, np.uint8) if dq is None else dq
    gain = np.broadcast_to(np.float32(gain), shape)
    read_noise = np.broadcast_to(np.float32(read_noise), shape)
    return method(data, dq, gain, read_noise, pattern, **parameters)


def mixed(pattern, seed=1, rows=4, columns=150):
    """Ramps of all brightnesses, with gains, read noises and flags that vary."""
    rng = np.random.default_rng(seed)
    shape = rows, columns
    rates = 10 ** rng.uniform(-1, 4, shape)
    gain = rng.uniform(1, 3, shape).astype(np.float32)
    read_noise = rng.uniform(2, 8, shape).astype(np.float32)
    data = simulate(rng, pattern, rates, shape, gain, read_noise)
    dq = np.zeros(data.shape, np.uint8)
    bad = rng.random(data.shape) < 0.1
    dq[bad & (rng.random(data.shape) < 0.5)] = Resultant.DO_NOT_USE
    dq[bad & (dq == 0)] = Resultant.JUMP_DET
    dq[:, :, ::2] = 0
    return data, dq, gain, read_noise


def usable(dq):
    out = dq & (Resultant.DO_NOT_USE | Resultant.SATURATED) > 0
    return ~(out[1:] | out[:-1] | (dq[1:] & Resultant.JUMP_DET > 0))


@pytest.mark.parametrize("name", PATTERNS)
def test_fit_equals_dense_least_squares(name):
    pattern = PATTERNS[name]
    data, dq, gain, read_noise = mixed(pattern)
    result = fit_likelihood(data, dq, gain, read_noise, pattern, jump_threshold=None)
    d, used = np.diff(data.astype(float), axis=0), usable(dq)
    for row, column in np.ndindex(gain.shape):
        mask = used[:, row, column]
        if not mask.any():
            assert result.dq[row, column] & Pixel.DO_NOT_USE
            continue
        dense = Dense(pattern, gain[row, column], read_noise[row, column])
        rate, photon, read, chisq, _ = dense.solve(d[:, row, column], mask)
        error = np.sqrt(photon + read)
        assert result.rate[row, column] == pytest.approx(rate, rel=1e-5, abs=1e-4 * error)
        assert result.var_poisson[row, column] == pytest.approx(photon, rel=1e-4, abs=2e-5 * read)
        assert result.var_rnoise[row, column] == pytest.approx(read, rel=1e-4)
        assert result.chisq[row, column] == pytest.approx(chisq, rel=1e-4, abs=2e-3)


@pytest.mark.parametrize("name", PATTERNS)
def test_jumps_equal_a_full_dense_search_of_every_pixel(name):
    pattern = PATTERNS[name]
    data, dq, gain, read_noise = mixed(pattern, seed=2, rows=2, columns=200)
    rng = np.random.default_rng(3)
    for _ in range(2):  # a third of the pixels is hit, some twice
        step = rng.uniform(0, 300, gain.shape) * (rng.random(gain.shape) < 0.2)
        data += (
            rng.integers(1, len(pattern), gain.shape) <= np.arange(len(pattern))[:, None, None]
        ) * step
    result = fit_likelihood(data.astype(np.float32), dq, gain, read_noise, pattern)
    found = np.zeros(dq.shape, bool)
    found[tuple(result.jumps.T)] = True
    one, two = ramp_fit.improvements(ramp_fit.JUMP_THRESHOLD, pattern)
    d, used = np.diff(data.astype(np.float32).astype(float), axis=0), usable(dq)
    for row, column in np.ndindex(gain.shape):
        mask = used[:, row, column]
        if not mask.any():
            continue
        dense = Dense(pattern, gain[row, column], read_noise[row, column])
        left = dense.search(d[:, row, column], mask, one, two)
        np.testing.assert_array_equal(found[1:, row, column], mask & ~left)
        rate, photon, read, *_ = dense.solve(d[:, row, column], left)
        error = np.sqrt(photon + read)
        assert result.rate[row, column] == pytest.approx(rate, rel=1e-5, abs=2e-4 * error)
        flagged = result.dq[row, column] & Pixel.JUMP_DET > 0
        seen = (dq[:, row, column] & Resultant.JUMP_DET).any()
        assert flagged == (seen or (mask & ~left).any())
    assert not found[0].any()
    assert found.any() == (len(pattern) > 2)


@pytest.mark.parametrize("rate", [0.3, 1.0, 100.0])
@pytest.mark.parametrize("name", ["imaging", "uneven gaps", "long"])
def test_no_bias_and_true_errors(name, rate):
    pattern, shape = PATTERNS[name], (64, 1024)
    data = simulate(np.random.default_rng(4), pattern, rate, shape)
    result = fit(data, pattern)
    rates = 2 * result.rate.astype(float)
    error = 2 * np.sqrt(result.var_poisson + result.var_rnoise)
    standard_error = rates.std() / np.sqrt(rates.size)
    assert abs(rates.mean() - rate) < 4 * standard_error + 2e-4 * rate
    assert np.std((rates - rate) / error) == pytest.approx(1, abs=0.02)
    assert result.chisq.mean() == pytest.approx(len(pattern) - 2, rel=0.02)


def hits(pattern, rate, amplitudes, seed):
    """Ramps hit before every read in turn, by ``amplitudes`` in units of the noise."""
    reads = np.concatenate(pattern.reads)[1:]
    read = np.resize(reads, amplitudes.shape)
    noise = np.resize([jump_noise(pattern, rate, r) for r in reads], amplitudes.shape)
    rng = np.random.default_rng(seed)
    return simulate(rng, pattern, rate, read.shape, hit_read=read, hit=amplitudes * noise)


@pytest.mark.parametrize("rate", [0.3, 3.0, 100.0])
def test_hits_beyond_6_sigma_are_found(rate):
    amplitudes = np.random.default_rng(5).uniform(6, 20, (100, 430))
    result = fit(hits(IMAGING, rate, amplitudes, 6), IMAGING)
    assert np.mean(result.dq & Pixel.JUMP_DET > 0) > 0.97


@pytest.mark.parametrize("rate", [1.0, 100.0])
def test_false_jumps_are_rare(rate):
    result = fit(simulate(np.random.default_rng(7), IMAGING, rate, (256, 1024)), IMAGING)
    assert np.mean(result.dq & Pixel.JUMP_DET > 0) < 1e-4


def test_a_hit_leaves_no_bias():
    amplitudes = np.random.default_rng(8).uniform(6, 100, (100, 430))
    result = fit(hits(IMAGING, 30.0, amplitudes, 9), IMAGING)
    hit = result.dq & Pixel.JUMP_DET > 0
    assert 2 * result.rate[hit].mean() == pytest.approx(30, rel=2e-3)
    unsearched = fit(hits(IMAGING, 30.0, amplitudes, 9), IMAGING, jump_threshold=None)
    assert 2 * unsearched.rate.mean() > 30.6


def test_jump_is_flagged_in_the_resultant_after_it():
    data = np.linspace(0, 80, 9, dtype=np.float32)[:, None, None] * np.ones((2, 3), np.float32)
    pattern = ReadPattern([[k] for k in range(1, 10)], 1.0)
    data[4:, 1, 2] += 500
    result = fit(data, pattern)
    assert result.jumps.tolist() == [[4, 1, 2]]
    assert (result.dq != 0).sum() == 1
    np.testing.assert_allclose(result.rate, 10, rtol=1e-6)


def test_dumo_is_the_line_through_equally_weighted_reads():
    data, dq, gain, read_noise = mixed(IMAGING)
    uniform = np.polynomial.polynomial.polyfit(
        IMAGING.mean_times, data.reshape(9, -1).astype(float), 1, w=np.sqrt(IMAGING.counts)
    )[1].reshape(gain.shape)
    for method in METHODS:
        result = method(data, dq, gain, read_noise, IMAGING)
        good = result.dq & Pixel.DO_NOT_USE == 0
        np.testing.assert_allclose(
            (result.rate + result.dumo)[good], uniform[good], rtol=1e-5, atol=1e-3
        )


@pytest.mark.parametrize("method", METHODS)
class TestBadInput:
    def ramp(self, *names):
        data = (IMAGING.mean_times * 5).astype(np.float32)[:, None, None] * np.ones(
            (1, 4), np.float32
        )
        return data, np.zeros(data.shape, np.uint8)

    def test_values_that_are_no_number_are_left_out(self, method):
        data, dq = self.ramp()
        data[3, 0, 1] = np.nan
        data[:, 0, 2] = np.inf
        result = fit(data, IMAGING, dq, method=method)
        np.testing.assert_allclose(result.rate[0], [5, 5, 0, 5], rtol=1e-5)
        lost = Pixel.DO_NOT_USE | Pixel.OTHER_BAD_PIXEL
        np.testing.assert_array_equal(result.dq[0], [0, Pixel.OTHER_BAD_PIXEL, lost, 0])
        assert all(np.isfinite(array).all() for array in result)

    def test_saturated_resultants_are_left_out(self, method):
        data, dq = self.ramp()
        data[4:, 0, 1] = data[:, 0, 2] = 60000
        dq[4:, 0, 1] = dq[:, 0, 2] = Resultant.SATURATED
        dq[1:, 0, 3] = Resultant.SATURATED
        result = fit(data, IMAGING, dq, method=method)
        np.testing.assert_allclose(result.rate[0], [5, 5, 0, 0], rtol=1e-5)
        lost = Pixel.DO_NOT_USE | Pixel.SATURATED
        np.testing.assert_array_equal(result.dq[0], [0, Pixel.SATURATED, lost, lost])
        assert result.var_rnoise[0, 1] > result.var_rnoise[0, 0] > result.var_rnoise[0, 2] == 0

    @pytest.mark.parametrize("gain", [0, -1, np.nan, np.inf])
    def test_pixel_without_gain(self, method, gain):
        data, dq = self.ramp()
        result = fit(data, IMAGING, dq, gain=[[2, gain, 2, 2]], method=method)
        np.testing.assert_allclose(result.rate, 5, rtol=1e-5)
        lost = Pixel.DO_NOT_USE | Pixel.NO_GAIN_VALUE
        np.testing.assert_array_equal(result.dq[0], [0, lost, 0, 0])
        assert result.var_poisson[0, 1] == 0 < result.var_poisson[0, 0]

    @pytest.mark.parametrize("read_noise", [0, -1, np.nan, np.inf])
    def test_pixel_without_read_noise(self, method, read_noise):
        data, dq = self.ramp()
        result = fit(data, IMAGING, dq, read_noise=[[4, read_noise, 4, 4]], method=method)
        np.testing.assert_array_equal(result.dq[0], [0, Pixel.DO_NOT_USE, 0, 0])
        np.testing.assert_allclose(result.rate[0], [5, 0, 5, 5], rtol=1e-5)
        assert all(np.isfinite(array).all() for array in result)

    def test_single_resultant_has_no_slope(self, method):
        data, dq = self.ramp()
        dq[0, 0, 2] = Resultant.SATURATED
        result = fit(data[:1], ReadPattern([[1, 2]], 3.0), dq[:1], method=method)
        saturated = Pixel.DO_NOT_USE | Pixel.SATURATED
        np.testing.assert_array_equal(result.dq[0], [1, 1, saturated, 1])
        assert not result.rate.any()
        assert result.jumps.shape == (0, 3)

    def test_ramp_is_cut_at_a_known_jump(self, method):
        data, dq = self.ramp()
        data[5:, 0, 1] += 1000
        dq[5, 0, 1] = Resultant.JUMP_DET
        result = fit(data, IMAGING, dq, method=method)
        np.testing.assert_allclose(result.rate, 5, rtol=1e-5)
        np.testing.assert_array_equal(result.dq[0], [0, Pixel.JUMP_DET, 0, 0])
        assert len(result.jumps) == 0

    def test_shapes_must_agree(self, method):
        data, dq = self.ramp()
        with pytest.raises(CalibrationError, match="as many as the read pattern"):
            fit(data[1:], IMAGING, dq[1:], method=method)
        with pytest.raises(CalibrationError, match="flags of the resultants"):
            fit(data, IMAGING, dq[:, :, 1:], method=method)


def test_threshold_must_be_positive():
    with pytest.raises(CalibrationError, match="positive"):
        fit(np.zeros((9, 1, 1), np.float32), IMAGING, jump_threshold=0)


def test_bands_in_threads_equal_the_whole():
    data, dq, gain, read_noise = mixed(IMAGING, rows=32, columns=1500)
    data[5:] += np.random.default_rng(1).exponential(20, gain.shape).astype(np.float32)
    whole = fit_likelihood(data, dq, gain, read_noise, IMAGING)

    def band(start):
        rows = slice(start, start + 4)
        return fit_likelihood(data[:, rows], dq[:, rows], gain[rows], read_noise[rows], IMAGING)

    with ThreadPoolExecutor(2) as threads:
        bands = list(threads.map(band, range(0, 32, 4)))
    for k in range(6):
        np.testing.assert_array_equal(whole[k], np.concatenate([b[k] for b in bands]))
    assert len(whole.jumps) == sum(len(b.jumps) for b in bands) > 2 * 1024
