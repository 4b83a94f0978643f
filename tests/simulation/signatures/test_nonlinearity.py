"""Classic and integral non-linearity, saturation, against numpy."""

import numpy as np
import pytest

from roman_dms.errors import ReferenceDataError
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.integral_nonlinearity import departures
from roman_dms.simulation.signatures.nonlinearity import Nonlinearity
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.read_out import read_out
from roman_dms.simulation.signatures.reset import Reset


@pytest.fixture
def coefficients(small):
    random = np.random.default_rng(1)
    factors = random.uniform(0.8, 1.2, small.shape)
    return np.stack([0 * factors + 3, 1 + 0 * factors, -5e-7 * factors, 2e-12 * factors]).astype(
        np.float32
    )


def test_classic_nonlinearity_is_the_polynomial_of_reset_and_signal(small, ramp_rate, coefficients):
    pattern = ReadPattern([[1], [5], [20]], frame_time=3.0)
    properties = Properties(gain=1.6, inverse_linearity=coefficients)
    effects = Effects.only("nonlinearity", reset=Reset(level=8000, noise=0))
    data = read_out(ramp_rate, properties, small, pattern, effects).data[:, 4:-4, 4:-4]
    for index, time in enumerate((3.0, 15.0, 60.0)):
        linear = (8000 + ramp_rate.astype(float) * time) / 1.6
        inside = coefficients[:, 4:-4, 4:-4].astype(float)
        expected = sum(c * linear**power for power, c in enumerate(inside))
        assert np.abs(data[index] - expected).max() < 0.52


def test_pixels_without_coefficients_stay_linear(small, ramp_rate, coefficients):
    coefficients[2, 20, 30] = np.nan
    pattern = ReadPattern([[20]], frame_time=3.0)
    properties = Properties(gain=1.0, inverse_linearity=coefficients)
    data = read_out(ramp_rate, properties, small, pattern, Effects.only("nonlinearity")).data
    assert data[0, 20, 30] == round(float(ramp_rate[16, 26]) * 60)


def test_charge_beyond_the_polynomial_reads_as_its_end(small):
    """A cubic that turns over must not send bright stars down as faint."""
    falling = np.zeros((4, *small.shape), np.float32)
    falling[1], falling[3] = 1, -3e-11
    properties = Properties(gain=1.0, inverse_linearity=falling)
    effects = Effects.only(nonlinearity=Nonlinearity(largest=60000.0))
    rate = np.full(small.science_shape, 1e6, np.float32)
    data = read_out(rate, properties, small, ReadPattern([[1]], 3.0), effects).data
    assert (data[0, 4:-4, 4:-4] == round(60000 - 3e-11 * 60000**3)).all()


def test_saturation_clips_each_read_with_headroom(small, ramp_rate):
    threshold = np.full(small.shape, 10000, np.float32)
    threshold[30, 200] = np.nan
    pattern = ReadPattern([[10], [20, 40]], frame_time=3.0)
    properties = Properties(gain=1.0, saturation=threshold)
    data = read_out(ramp_rate, properties, small, pattern, Effects.only("saturation")).data
    reads = [np.minimum(ramp_rate.astype(float) * time, 11000) for time in (60, 120)]
    expected = np.rint(np.mean(reads, axis=0))
    found = data[1, 4:-4, 4:-4].astype(float)
    found[26, 196] = expected[26, 196]
    assert np.abs(found - expected).max() <= 1
    assert data[1, 30, 200] == pytest.approx(ramp_rate[26, 196] * 90, abs=1)


def test_converter_gives_the_count_whose_correction_leads_back(small):
    value = np.arange(65536, dtype=np.uint16)
    wave = np.sin(2 * np.pi * value / 16384)
    corrections = np.stack([3 * wave, -2 * wave + 1])
    rate = np.linspace(100, 60000, small.science_shape[1], dtype=np.float32)
    rate = np.broadcast_to(rate, small.science_shape).copy()
    properties = Properties(gain=1.0, converter=(value, corrections))
    effects = Effects.only("integral_nonlinearity")
    data = read_out(rate, properties, small, ReadPattern([[1]], 1.0), effects).data[0]
    for channel, correction in enumerate(corrections):
        first = slice(4, 128) if channel == 0 else slice(128, 252)
        counts = data[4:-4, first]
        given = rate[:, first.start - 4 : first.stop - 4]
        assert np.abs(counts + correction[counts] - given).max() < 0.52


def test_converter_tables_on_a_coarse_grid():
    value = np.arange(0, 65536, 257)
    table = departures(value, np.full((1, value.size), 2.5))
    assert np.allclose(table[0, 3:], -2.5)


def test_a_falling_converter_is_refused():
    correction = np.zeros((1, 65536))
    correction[0, 5000:] = -4
    with pytest.raises(ReferenceDataError, match="channel 1"):
        departures(np.arange(65536), correction)
