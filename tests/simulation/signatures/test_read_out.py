"""The whole readout against closed forms, an independent inversion and itself."""

import dataclasses

import numpy as np
import pytest
from numpy.polynomial import polynomial

from roman_dms.errors import FormatError, UsageError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.ma_tables import ma_table
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures import read_out as reading
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.quantisation import Quantisation
from roman_dms.simulation.signatures.read_out import read_out
from roman_dms.simulation.signatures.reference_pixels import ReferencePixels
from roman_dms.simulation.signatures.reset import Reset

VALUE = np.arange(65536, dtype=np.uint16)


@pytest.fixture
def properties(small):
    random = np.random.default_rng(1)
    around = random.uniform(0.95, 1.05, small.shape)
    inverse = np.stack([0 * around, 1 + 0 * around, -4e-7 * around, 1e-12 * around])
    return Properties(
        gain=1.8 * around,
        read_noise=5 * around,
        dark_rate=0.05 * around,
        saturation=54000 * around,
        inverse_linearity=inverse.astype(np.float32),
        flat=around[4:-4, 4:-4],
        converter=(VALUE, np.stack([np.sin(VALUE / 2000.0), np.cos(VALUE / 3000.0)])),
        dark_decay=(0.4, 23.0),
    )


@pytest.mark.parametrize(("number", "rate"), [(3, 0.5), (109, 12.0)])
def test_covariance_of_averaged_reads(small, number, rate):
    """100 realisations against Casertano (2022): sigma^2 / N + f tau, and f t between."""
    pattern = ma_table(number).read_pattern
    image = np.full(small.science_shape, rate, np.float32)
    properties = Properties(gain=1.0, read_noise=6.0)
    effects = Effects.only("photon_noise", "read_noise", reset=Reset(level=500, noise=0))
    n = len(pattern)
    sums, products, count = np.zeros(n), np.zeros((n, n)), 0
    for seed in range(100):
        data = read_out(image, properties, small, pattern, effects, seed, workers=1).data
        values = data[:, 4:-4, 4:-4].reshape(n, -1) - 500.0 - rate * pattern.mean_times[:, None]
        sums, products = sums + values.sum(axis=1), products + values @ values.T
        count += values.shape[1]
    found = products / count - np.outer(sums, sums) / count**2
    expected = rate * np.minimum.outer(pattern.mean_times, pattern.mean_times)
    np.fill_diagonal(expected, 36 / pattern.counts + rate * pattern.variance_times + 1 / 12)
    diagonal = np.diag(found) / np.diag(expected)
    assert np.abs(diagonal - 1).max() < 0.01
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs((found - expected) / scale).max() < 0.01
    assert np.abs(sums / count).max() < 5 * np.sqrt(np.diag(expected).max() / count)


@pytest.mark.parametrize(
    ("quantisation", "shift"),
    [
        (Quantisation("round", "round"), lambda n: (n % 2 == 0) / (2 * n)),
        (Quantisation("floor", "floor"), lambda n: -0.5 - 0.5 * (n - 1) / n),
        (Quantisation("floor", "round"), lambda n: -0.5 + (n % 2 == 0) / (2 * n)),
        (None, lambda n: 0 * n),
    ],
)
def test_bias_of_quantisation(small, quantisation, shift):
    """Cut counts are half a DN too small, cut means (N - 1) / 2N; halves are rounded up."""
    pattern = ReadPattern([[1], [2, 3], [4, 5, 6, 7], list(range(8, 16))], 3.0)
    effects = Effects.only("read_noise", reset=Reset(5000, 0), quantisation=quantisation)
    properties = Properties(gain=1.0, read_noise=6.0)
    found = np.zeros(4)
    for seed in range(40):
        zero = np.zeros(small.science_shape)
        data = read_out(zero, properties, small, pattern, effects, seed, workers=1).data
        found += data[:, 4:-4, 4:-4].mean(axis=(1, 2)) / 40
    assert np.allclose(found - 5000, shift(pattern.counts), atol=5 * 6 / np.sqrt(40 * 56 * 248))


def test_dark_rates_below_zero_and_without_end(small):
    dark = np.zeros(small.shape)
    dark[20, 30], dark[21, 30], dark[22, 30], dark[:, 200] = np.inf, np.nan, -5, -0.01
    effects = Effects.only("dark_current", "photon_noise")
    zero = np.zeros(small.science_shape)
    properties = Properties(gain=1.0, dark_rate=dark)
    data = read_out(zero, properties, small, ReadPattern([[9]], 3.0), effects).data[0]
    assert data[20, 30] == 65535
    data[20, 30] = 0
    assert not data.any()


def test_counts_stay_within_16_bits(small):
    effects = Effects.only("quantisation")
    rate = np.full(small.science_shape, 1e7)
    data = read_out(rate, Properties(gain=1.0), small, ReadPattern([[1, 2]], 3.0), effects).data
    assert (data[0, 4:-4, 4:-4] == 65535).all()


def test_linear_rate_comes_back(small, properties):
    """An inversion of the whole chain by numpy: converter, polynomial, gain, dark, flat."""
    pattern = ReadPattern([[n] for n in range(1, 41)], 3.0)
    rng = np.random.default_rng(2)
    rate = rng.uniform(50, 300, small.science_shape).astype(np.float32)
    effects = Effects().without("ipc", "cosmic_rays", "persistence", "correlated_noise")
    effects = dataclasses.replace(effects, quantisation=None)
    data = read_out(rate, properties, small, pattern, effects, seed=4).data.astype(float)
    for channel, correction in enumerate(properties.converter[1]):
        part = data[:, :, 128 * channel : 128 * channel + 128]
        part += np.interp(part, VALUE, correction)
    inside = (slice(None), slice(4, -4), slice(4, -4))
    x = np.linspace(0, 60000, 4001)
    for row in range(56):
        for column in range(248):
            y = polynomial.polyval(x, properties.inverse_linearity[:, row + 4, column + 4])
            line = data[inside][:, row, column]
            data[inside][:, row, column] = np.interp(line, y, x)
    electrons = data[inside] * properties.gain[4:-4, 4:-4]
    dark = properties.dark_rate * properties.gain
    slopes = (electrons[-1] - electrons[0]) / (39 * 3.0) - dark[4:-4, 4:-4]
    found = slopes / properties.flat
    variance = 2 * (9.0**2 + 1) + rate * 117
    pulls = (found - rate) * 117 / np.sqrt(variance)
    # The dark decay falls by 0.4 DN in the meantime, which is 0.05 of a sigma.
    assert pulls.mean() == pytest.approx(0, abs=5 / np.sqrt(pulls.size))
    assert pulls.std() == pytest.approx(1, abs=0.03)


def test_bit_identical_whatever_threads_and_bands(
    small, pattern, properties, ramp_rate, monkeypatch
):
    def run(workers, seed=7):
        arguments = (ramp_rate, properties, small, pattern, Effects(), seed, workers)
        return read_out(*arguments, start=61000.0)

    first = run(1)
    results = [run(2), run(3)]
    for rows in (5, 64):
        monkeypatch.setattr(reading, "BAND_ROWS", rows)
        results.append(run(2))
    for other in results:
        assert np.array_equal(first.data, other.data)
        assert np.array_equal(first.amp33, other.amp33)
        assert np.array_equal(first.cosmic_rays.electrons, other.cosmic_rays.electrons)
        assert np.array_equal(first.trapped.charge, other.trapped.charge)
    assert not np.array_equal(first.data, run(2, seed=8).data)


RANDOM = (
    "photon_noise", "cosmic_rays", "reset", "read_noise", "reference_pixels", "correlated_noise",
)  # fmt: skip

MORE = ("dark_current", "dark_decay", "wfi18_transient")


@pytest.mark.parametrize("name", RANDOM)
def test_effects_have_seeds_of_their_own(small, pattern, ramp_rate, name):
    """A new seed for one effect leaves all others as they were: signals are sums."""
    properties = Properties(gain=1.0, read_noise=5.0)
    linear = Effects.only(*RANDOM)
    changed = dataclasses.replace(getattr(linear, name), seed=99)

    def run(effects):
        result = read_out(ramp_rate, properties, small, pattern, effects, seed=5)
        return np.concatenate([result.data.ravel(), result.amp33.ravel()]).astype(float)

    quiet = ReferencePixels(border_noise=0.0, amp33_noise=0.0)
    levels = {"reset": Reset(noise=0), "reference_pixels": quiet}
    with_all, alone = run(linear), run(Effects.only(**levels | {name: getattr(linear, name)}))
    other_all = run(dataclasses.replace(linear, **{name: changed}))
    other_alone = run(Effects.only(**levels | {name: changed}))
    assert np.any(other_all != with_all)
    difference = (other_all - with_all) - (other_alone - alone)
    assert np.abs(difference).max() <= 2  # four roundings


@pytest.mark.parametrize("name", [*RANDOM, *MORE])
def test_an_effect_that_is_off_changes_nothing_else(small, pattern, ramp_rate, name):
    """Its part alone is what the exposure with it has more than the one without."""
    detector = Detector("WFI18", *small.shape)
    properties = Properties(gain=1.0, read_noise=5.0, dark_rate=9.0, dark_decay=(50.0, 20.0))
    quiet = ReferencePixels(border_noise=0.0, amp33_noise=0.0)
    levels = {"reset": Reset(noise=0), "reference_pixels": quiet}
    # Photon noise is not a sum of those of light and dark current.
    other = "photon_noise" if name == "dark_current" else "dark_current"
    effects = dataclasses.replace(Effects.only(*RANDOM, *MORE), **{other: None})
    if name not in ("photon_noise", "dark_current"):
        effects = effects.without("photon_noise")
    lesser = dataclasses.replace(effects, **{name: levels.get(name)})

    def run(chosen, light):
        result = read_out(light, properties, detector, pattern, chosen, seed=5)
        return np.concatenate([result.data.ravel(), result.amp33.ravel()]).astype(float)

    part = run(Effects.only(**levels | {name: getattr(effects, name)}), ramp_rate)
    part -= run(Effects.only(**levels), ramp_rate)
    difference = run(effects, ramp_rate) - run(lesser, ramp_rate)
    assert np.any(part != 0)
    assert np.abs(difference - part).max() <= 2  # four roundings


def test_pixels_without_cosmic_rays_are_untouched_by_them(small, pattern, ramp_rate, properties):
    effects = Effects().without("ipc")
    full = read_out(ramp_rate, properties, small, pattern, effects, 5)
    without = read_out(ramp_rate, properties, small, pattern, effects.without("cosmic_rays"), 5)
    hit = np.zeros(small.shape, bool)
    hit[full.cosmic_rays.row + 4, full.cosmic_rays.column + 4] = True
    assert np.array_equal(full.data[:, ~hit], without.data[:, ~hit])
    assert np.mean(full.data[-1, hit] > without.data[-1, hit]) > 0.9
    assert len(without.cosmic_rays) == 0


def test_maps_may_be_read_by_rows(small, pattern, properties, ramp_rate):
    class Stored:
        def __init__(self, array):
            self.array, self.shape = array, array.shape

        def rows(self, start, stop):
            return self.array[..., start:stop, :].copy()

    names = ("gain", "read_noise", "dark_rate", "saturation", "inverse_linearity", "flat")
    stored = {name: Stored(getattr(properties, name)) for name in names}
    there = read_out(ramp_rate, dataclasses.replace(properties, **stored), small, pattern)
    here = read_out(ramp_rate, properties, small, pattern)
    assert np.array_equal(there.data, here.data)


def test_reads_are_the_same_however_they_are_grouped(small, properties, ramp_rate):
    effects = Effects().without("cosmic_rays")  # drawn for the whole exposure

    def run(reads):
        pattern = ReadPattern(reads, 3.0)
        return read_out(ramp_rate, properties, small, pattern, effects, 2).data.astype(int)

    alone, grouped = run([[1], [2], [3], [4]]), run([[1], [2, 4]])
    assert np.array_equal(grouped[1], (alone[1] + alone[3]) // 2)


def test_an_effect_may_be_replaced(small, pattern):
    class Banding:
        def prepare(self, exposure):
            def open_band(band):
                lines = 10.0 * (np.arange(band.start, band.stop) % 2)[:, None]

                def add(signal, read):
                    signal += (lines * read).astype(np.float32)

                return add

            return open_band

    effects = Effects.only(read_noise=Banding())
    zero = np.zeros(small.science_shape)
    data = read_out(zero, Properties(), small, ReadPattern([[1], [3]], 3.0), effects).data
    assert (data[1, 5:-4:2, 4:-4] == 30).all()
    assert (data[1, 4:-4:2, 4:-4] == 0).all()


def test_progress_ends_at_one(small, pattern):
    seen = []
    zero = np.zeros(small.science_shape)
    read_out(zero, Properties(), small, pattern, Effects.none(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_bad_rates_are_named(small, pattern, value):
    rate = np.zeros(small.science_shape)
    rate[17, 33] = value
    with pytest.raises(UsageError, match="row 17, column 33"):
        read_out(rate, Properties(), small, pattern)


def test_shapes_that_do_not_fit(small, pattern):
    zero = np.zeros(small.science_shape)
    with pytest.raises(FormatError, match="rate image"):
        read_out(np.zeros(small.shape), Properties(), small, pattern)
    for wrong in (
        {"gain": np.ones((3, 3))},
        {"inverse_linearity": np.ones(small.shape)},
        {"converter": (VALUE, np.zeros((3, 65536)))},
        {"ipc_kernel": np.ones((5, 5))},
    ):
        with pytest.raises(FormatError, match=next(iter(wrong))):
            read_out(zero, Properties(**wrong), small, pattern)
