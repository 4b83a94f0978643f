"""White and shared noise, reference pixels and transients of the readout."""

import numpy as np
import pytest
from scipy import signal

from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.instrument.readout import read_times
from roman_dms.simulation.signatures.correlated_noise import CorrelatedNoise, pink
from roman_dms.simulation.signatures.dark_decay import DarkDecay
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.read_noise import ReadNoise
from roman_dms.simulation.signatures.read_out import read_out
from roman_dms.simulation.signatures.reference_pixels import ReferencePixels
from roman_dms.simulation.signatures.reset import Reset
from roman_dms.simulation.signatures.wfi18_transient import Transient

LEVEL = Reset(level=3000, noise=0)


def dark(detector, pattern, effects, seed=1, **properties):
    """An exposure without light, gain 1."""
    zero = np.zeros(detector.science_shape)
    known = Properties(**{"gain": 1.0, **properties})
    return read_out(zero, known, detector, pattern, effects, seed)


def test_read_noise_of_each_pixel_and_its_average(small):
    noise = np.linspace(2, 12, 256)[None, :].repeat(64, 0)
    pattern = ReadPattern([[n] for n in range(1, 101)] + [list(range(101, 105))], 3.0)
    effects = Effects.only("read_noise", reset=LEVEL)
    data = dark(small, pattern, effects, read_noise=noise).data[:, 4:-4, 4:-4].astype(float)
    variance = data[:100].var(axis=(0, 1))
    expected = noise[4:-4, 4:-4][0] ** 2 + 1 / 12
    assert np.mean(variance / expected) == pytest.approx(1, abs=0.005)
    assert np.all(np.abs(variance / expected - 1) < 5 * np.sqrt(2 / 5600))
    averaged = (data[100] - 3000) / np.sqrt(noise[4:-4, 4:-4] ** 2 / 4 + 1 / 12)
    assert averaged.std() == pytest.approx(1, abs=4 / np.sqrt(2 * averaged.size))
    both = dark(
        small, pattern, Effects.only(read_noise=ReadNoise(scale=0.0), reset=LEVEL), read_noise=noise
    )
    assert (both.data[:, 4:-4, 4:-4] == 3000).all()


def test_reset_noise_stays_the_whole_exposure(small, pattern):
    effects = Effects.only(reset=Reset(level=20000, noise=50))
    data = dark(small, pattern, effects, gain=2.0).data[:, 4:-4, 4:-4].astype(float)
    assert np.array_equal(data[0], data[-1])
    assert data[0].mean() == pytest.approx(10000, abs=1)
    assert data[0].std() == pytest.approx(25, rel=0.03)


def test_shared_noise_is_one_over_f():
    """Slope and level of the spectrum, over 40 reads of the whole detector."""
    detector, random = Detector("WFI01"), np.random.default_rng(1)
    clocks = 4096 * 140
    noise = np.stack([pink(random, clocks, detector) for _ in range(10)])
    frequency, density = signal.periodogram(noise, detrend=False)
    density = density.mean(axis=0)
    expected = 1 / np.log(0.5 * clocks) / frequency[1:]  # one-sided
    for low, high in ((1, 10), (10, 1000), (1000, 100_000), (100_000, clocks // 2 - 1)):
        ratio = np.mean(density[low:high] / expected[low - 1 : high - 1])
        assert ratio == pytest.approx(1, abs=5 / np.sqrt(10 * (high - low)))
    harmonic = np.sum(1 / np.arange(1, clocks // 2 + 1)) / np.log(0.5 * clocks)
    assert noise.var() == pytest.approx(harmonic, rel=0.2)


def test_channels_border_and_amplifier_33_share_noise(small):
    """Couplings by regression on streams that are put together from the image."""
    noise = CorrelatedNoise(supply=60.0, bias=40.0, couplings=(1.1, 0.9))
    effects = Effects.only(
        correlated_noise=noise,
        reset=LEVEL,
        reference_pixels=ReferencePixels(3000.0, 0.0, 3000.0, 0.0),
    )
    pattern = ReadPattern([[n] for n in range(1, 9)], 3.0)
    result = dark(small, pattern, effects)
    data, u = result.data.astype(float) - 3000, result.amp33.astype(float) - 3000
    first, second = data[:, :, :128], data[:, :, :127:-1]  # the second is read backwards
    assert np.abs((first - second) - 0.2 * u).max() < 2
    v = first - 1.1 * u
    assert abs(np.corrcoef(u.ravel(), v.ravel())[0, 1]) < 0.3
    one_over_f = np.sum(1 / np.arange(1, 64 * 70 + 1)) / np.log(0.5 * 4096 * 140)
    assert u.std() == pytest.approx(60 * np.sqrt(one_over_f), rel=0.2)
    assert v.std() == pytest.approx(40 * np.sqrt(one_over_f), rel=0.2)
    correlation = np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]
    assert abs(correlation) < 0.3  # reads are independent


def test_couplings_belong_to_the_detector(small, pattern):
    noise = CorrelatedNoise(supply=60.0, bias=0.0)
    effects = Effects.only(correlated_noise=noise, reset=LEVEL)
    ratios = []
    for seed in (1, 2):
        result = dark(small, pattern, effects, seed)
        signal_there = result.data[0, 8:-8, 8:128].astype(float) - 3000
        clocks = np.clip(result.amp33[0, 8:-8, 8:].astype(float), 0, None)
        positive = clocks > 20
        ratios.append(np.sum(signal_there[positive]) / np.sum(clocks[positive]))
    assert ratios[0] == pytest.approx(ratios[1], rel=0.02)
    assert ratios[0] != pytest.approx(1, abs=1e-4)


def test_border_and_amplifier_33_see_no_light(small, pattern, ramp_rate):
    rate = 100 * ramp_rate
    properties = Properties(gain=1.0, dark_rate=100.0, read_noise=20.0, saturation=50000.0)
    effects = Effects.only(
        "photon_noise", "dark_current", "ipc", "reset", "read_noise", "cosmic_rays", "saturation",
        reference_pixels=ReferencePixels(5500, 5, 5300, 2),
    )  # fmt: skip
    result = read_out(rate, properties, small, pattern, effects, 3)
    border = np.ones(small.shape, bool)
    border[4:-4, 4:-4] = False
    seen = result.data[:, border].astype(float)
    counts = pattern.counts
    for index, count in enumerate(counts):
        assert seen[index].mean() == pytest.approx(5500, abs=4 * 5 / np.sqrt(count * border.sum()))
        assert seen[index].std() == pytest.approx(np.sqrt(25 / count + 1 / 12), rel=0.06)
        white = result.amp33[index].astype(float)
        assert white.mean() == pytest.approx(5300, abs=0.1)
        assert white.std() == pytest.approx(np.sqrt(4 / count + 1 / 12), rel=0.03)
    left, right = result.data[0, 4:-4, :4].astype(float), result.data[0, 4:-4, -4:].astype(float)
    assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 0.3


def test_dark_decay_is_an_exponential_in_the_time_of_reading(small, pattern):
    properties = {"dark_decay": (400.0, 23.0)}
    effects = Effects.only("dark_decay", reset=LEVEL)
    data = dark(small, pattern, effects, **properties).data[:, 4:-4, 4:-4].astype(float)
    within = read_times(small, 3.0)[4:-4, 4:-4]
    for index, reads in enumerate(pattern):
        decays = [400 * np.exp(-((read - 1.5) * 3.0 + within) / 23) for read in reads]
        assert np.abs(data[index] - 3000 - np.mean(decays, axis=0)).max() < 0.52
    half = dark(small, pattern, Effects.only(dark_decay=DarkDecay(0.5), reset=LEVEL), **properties)
    assert half.data[0, 30, 30] - 3000 == pytest.approx((data[0, 26, 26] - 3000) / 2, abs=1)


def test_transient_is_in_the_first_read_of_wfi18_alone():
    effects = Effects.only(wfi18_transient=Transient((200.0, -50.0), (0.3, 0.8)), reset=LEVEL)
    pattern = ReadPattern([[1, 2], [3]], 3.0)
    eighteen = Detector("WFI18", 64, 256)
    data = dark(eighteen, pattern, effects).data[:, 4:-4, 4:-4].astype(float) - 3000
    times = read_times(eighteen, 3.0)[4:-4, 4:-4]
    expected = (200 * np.exp(-times / 0.3) - 50 * np.exp(-times / 0.8)) / 2
    assert np.abs(data[0] - expected).max() < 0.52
    assert not data[1].any()
    one = dark(Detector("WFI01", 64, 256), pattern, effects).data[:, 4:-4, 4:-4]
    assert (one == 3000).all()
