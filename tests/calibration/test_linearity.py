"""Linearity, on reads through a closed-form response and an imperfect converter."""

import numpy as np
import pytest

from roman_dms.calibration.linearity import linearize
from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.quality import Pixel, Resultant
from roman_dms.instrument.read_patterns import ReadPattern

PATTERN = ReadPattern([[1], [2, 3], [4, 5, 6, 7, 8, 9], [10, 11, 12, 13, 14, 15, 16], [17]], 3.0)
ROWS, COLUMNS, WIDTH = 3, 256, 128
VALUE = np.arange(65_536, dtype=np.uint16)
TABLES = np.array(
    [3 * np.sin(VALUE / 90.0 + phase) + 2 * np.sin(VALUE / 7000.0) for phase in (0, 1)], np.float32
)


def response_constants(shape):
    """Signal K at which counts are half of linear: counts = q / (1 + q / K)."""
    return np.random.default_rng(5).uniform(8e5, 2e6, shape)


def taylor(k, terms, sign):
    """Coefficients of q = c / (1 - c / K), sign +1, or of its inverse, sign -1."""
    constant = np.zeros_like(k)
    return np.array([constant, *[(sign / k) ** i for i in range(terms - 1)]], np.float32)


def converter(counts, table):
    """What a converter reads that needs ``table`` to be added to its output."""
    return np.interp(counts, VALUE + table, VALUE)


def simulate(rate, k, tables=TABLES):
    """Averaged resultants and the mean linear signal behind them."""
    measured, truth = [], []
    for resultant in PATTERN:
        signals = [400 + rate * read for read in resultant]
        counts = [signal / (1 + signal / k) for signal in signals]
        if tables is not None:
            for count in counts:
                for channel, table in enumerate(tables):
                    part = np.s_[:, channel * WIDTH : (channel + 1) * WIDTH]
                    count[part] = converter(count[part], table)
        measured.append(np.mean(counts, axis=0))
        truth.append(np.mean(signals, axis=0))
    return np.array(measured, np.float32), np.array(truth)


def run(data, k, *, flags=None, lin_dq=None, terms=6, **changes):
    arguments = {
        "data": data,
        "resultant_dq": np.zeros(data.shape, np.uint8) if flags is None else flags,
        "coeffs": taylor(k, terms, 1),
        "lin_dq": np.zeros(k.shape, np.uint32) if lin_dq is None else lin_dq,
        "inverse_coeffs": taylor(k, terms, -1),
        "inl_value": VALUE,
        "inl_corrections": TABLES,
        "pattern": PATTERN,
        "channel_width": WIDTH,
    }
    return linearize(**(arguments | changes))


@pytest.fixture(scope="module")
def scene():
    """Rates over four decades, up to 50,000 DN at the last read."""
    rate = np.logspace(-0.55, 3.47, COLUMNS) * np.ones((ROWS, 1))
    k = response_constants(rate.shape)
    return rate, k, *simulate(rate, k)


def slopes(data):
    reads = PATTERN.mean_times / PATTERN.frame_time
    return np.polyfit(reads, data.reshape(len(reads), -1), 1)[0].reshape(data.shape[1:])


def test_flux_is_linear_over_four_decades(scene):
    rate, k, data, truth = scene
    before = data.copy()
    result = run(data, k)
    assert rate.max() / rate.min() > 1e4
    assert np.max(np.abs(slopes(data) / rate - 1)) > 0.02
    assert np.max(np.abs(slopes(result.data) / rate - 1)) < 1e-3
    assert np.max(np.abs(result.data - truth)) < 0.2
    assert not result.flags.any() | result.resultant_dq.any()
    np.testing.assert_array_equal(data, before)


def test_reads_are_corrected_one_by_one(scene):
    """A polynomial of the mean is not the mean of polynomials: 30 DN apart here."""
    _, k, data, truth = scene
    alone = ReadPattern([[i + 1] for i in range(5)], 3.0)
    naive = run(data, k, pattern=alone)
    assert np.max(np.abs(naive.data - truth)) > 20
    assert np.max(np.abs(run(data, k).data - truth)) < 0.2


def test_perfect_converters_need_no_table(scene):
    rate, k, _, truth = scene
    data, _ = simulate(rate, k, tables=None)
    for absent in ({"inl_value": None}, {"inl_corrections": None}):
        np.testing.assert_allclose(run(data, k, **absent).data, truth, rtol=3e-6, atol=0.02)


def test_a_coarse_table_is_linear_between_its_values(scene):
    _, k, data, _ = scene
    coarse = np.array([0, 1000, 30_000, 65_535], np.uint16)
    corrections = np.array([[0, 1, 3, -2], [1, 1, 0, 2.0]])
    fine = np.array([np.interp(VALUE, coarse, row) for row in corrections])
    one = run(data, k, inl_value=coarse, inl_corrections=corrections)
    two = run(data, k, inl_corrections=fine)
    np.testing.assert_allclose(one.data, two.data, rtol=1e-6)


def test_saturated_resultants_stay_and_do_not_spoil_the_others(scene):
    _, k, data, truth = scene
    spoiled, flags = data.copy(), np.zeros(data.shape, np.uint8)
    spoiled[3:] = 64_000
    flags[3:] = Resultant.SATURATED
    result = run(spoiled, k, flags=flags)
    np.testing.assert_array_equal(result.data[3:], 64_000)
    assert np.max(np.abs(result.data[:3] - truth[:3])) < 0.2


@pytest.mark.parametrize("kind", ["nan", "zero slope", "flag", "inverse"])
def test_pixels_without_a_polynomial_keep_their_counts(scene, kind):
    _, k, data, _ = scene
    coeffs, inverse = taylor(k, 6, 1), taylor(k, 6, -1)
    lin_dq = np.zeros(k.shape, np.uint32)
    if kind == "nan":
        coeffs[4, 1, 7] = np.nan
    elif kind == "zero slope":
        coeffs[1, 1, 7] = 0
    elif kind == "inverse":
        inverse[0, 1, 7] = np.inf
    else:
        lin_dq[1, 7] = Pixel.NO_LIN_CORR
    result = run(data, k, lin_dq=lin_dq, coeffs=coeffs, inverse_coeffs=inverse, inl_value=None)
    np.testing.assert_allclose(result.data[:, 1, 7], data[:, 1, 7], rtol=1e-6)
    expected = np.zeros(k.shape, np.uint32)
    expected[1, 7] = Pixel.NO_LIN_CORR
    np.testing.assert_array_equal(result.flags, expected)


@pytest.mark.parametrize("runaway", [1.0, -1.0])
def test_implausible_signals_are_cut_and_not_used(scene, runaway):
    _, k, data, _ = scene
    coeffs = taylor(k, 6, 1)
    coeffs[5, 0, 200] = runaway
    result = run(data, k, coeffs=coeffs)
    np.testing.assert_array_equal(np.abs(result.data[:, 0, 200]), 1e6)
    assert (result.resultant_dq[:, 0, 200] == Resultant.DO_NOT_USE).all()
    assert np.count_nonzero(result.resultant_dq) == len(PATTERN)


@pytest.mark.parametrize("terms", [4, 8])
def test_polynomials_of_any_degree(scene, terms):
    _, k, data, truth = scene
    small = truth[-1] < 5_000
    result = run(data, k, terms=terms)
    assert np.max(np.abs(result.data - truth)[:, small]) < 0.2


def test_one_resultant():
    pattern = ReadPattern([[1, 2]], 3.0)
    k = response_constants((2, 128))
    counts = np.full((1, 2, 128), 20_000, np.float32)
    result = run(counts, k, pattern=pattern, inl_value=None)
    np.testing.assert_allclose(result.data[0], 20_000 / (1 - 20_000 / k), rtol=1e-5)


def test_references_that_do_not_fit_are_an_error(scene):
    _, k, data, _ = scene
    with pytest.raises(ReferenceDataError, match="polynomials"):
        run(data, k, coeffs=taylor(k[:2], 6, 1))
    with pytest.raises(ReferenceDataError, match="integral"):
        run(data, k, inl_corrections=TABLES[:1])
