"""Reference-pixel correction on noise made from an explicit model.

A hidden process of 1/f noise is read by everything: amplifier 33 and the
borders see it with white noise of their own, channel c sees it through a known
filter.  The weights are the Wiener filter of that model in closed form.
"""

import numpy as np
import pytest

from roman_dms.calibration.reference_pixels import correct
from roman_dms.errors import CalibrationError, ReferenceDataError
from roman_dms.instrument.detectors import Detector

DETECTOR = Detector("WFI01", 256, 256)
RESULTANTS, ROWS, CLOCKS = 8, 256, 140
SAMPLES = ROWS * CLOCKS
FREQUENCIES = SAMPLES // 2 + 1
WHITE = 2.0
"""Independent noise of every sample [DN]."""
NO_BAD = np.zeros(DETECTOR.shape, bool)


def power():
    """Variance of the hidden process at each of all frequencies, 1/f: 20 DN rms in all."""
    f = np.abs(np.fft.fftfreq(SAMPLES, 1 / SAMPLES))
    density = 1 / np.maximum(f, 3)
    return 400 * density / density.sum()


def transfer(channel):
    """How a channel sees the process: a gain, low-passed, and late by some clocks."""
    f = np.fft.rfftfreq(SAMPLES)
    gain, delay = (0.9, 3) if channel == 0 else (-0.6, 11)
    return gain * np.exp(-2j * np.pi * f * delay) / (1 + (f / 0.05) ** 2)


def wiener():
    """Weights of left, right and amplifier 33 for the process itself, and what they leave.

    The borders are sampled in 4 of 140 clocks, so that their spectra are the
    spectrum of the process folded at the frequency of the rows.
    """
    p = power()
    comb = np.abs(np.fft.fft(np.tile(np.r_[np.full(4, 35.0), np.zeros(136)], ROWS)) / SAMPLES) ** 2
    folded = np.fft.ifft(np.fft.fft(comb) * np.fft.fft(p)).real[:FREQUENCIES]
    p = p[:FREQUENCIES]
    white = WHITE**2 / SAMPLES
    covariance = np.broadcast_to(p[:, None, None], (FREQUENCIES, 3, 3)).copy()
    covariance[:, :2, :2] = folded[:, None, None]
    covariance[:, 0, 0] += 35 * white
    covariance[:, 1, 1] += 35 * white
    covariance[:, 2, 2] += white
    gains = np.linalg.solve(covariance, np.broadcast_to(p[:, None, None], (FREQUENCIES, 3, 1)))[
        ..., 0
    ]
    return gains.T, p * (1 - gains.sum(axis=1))


def weights(channel):
    gamma, zeta, alpha = wiener()[0] * transfer(channel)
    return gamma, zeta, alpha


def to_frame(times, channel):
    """Signal in time of a channel as it lies on the detector, (n, rows, 128)."""
    frame = times.reshape(-1, ROWS, CLOCKS)[..., :128]
    return frame[..., ::-1] if channel % 2 else frame


@pytest.fixture(scope="module")
def noise():
    """Raw resultants, amplifier 33, and the correlated part of the channels."""
    rng = np.random.default_rng(7)
    amplitude = np.sqrt(power()[:FREQUENCIES] / 2) * SAMPLES
    draw = rng.normal(size=(2, RESULTANTS, FREQUENCIES))
    spectrum = (draw[0] + 1j * draw[1]) * amplitude
    hidden = np.fft.irfft(spectrum, n=SAMPLES)
    seen = np.concatenate(
        [to_frame(np.fft.irfft(spectrum * transfer(c), n=SAMPLES), c) for c in (0, 1)], axis=2
    )
    correlated = seen.copy()
    correlated[:, :, :4] = to_frame(hidden, 0)[:, :, :4]
    correlated[:, :, -4:] = to_frame(hidden, 1)[:, :, -4:]
    bias = rng.uniform(4000, 6000, DETECTOR.shape)
    white = rng.normal(0, WHITE, correlated.shape)
    amp33 = 5000 + to_frame(hidden, 0) + rng.normal(0, WHITE, (RESULTANTS, ROWS, 128))
    return bias + white + correlated, amp33, bias + white, seen


def corrected(raw, amp33, bad=NO_BAD, gains=weights, workers=1):
    return correct(
        lambda start, stop: raw[:, start:stop], raw.shape, amp33, bad, gains, DETECTOR, workers
    )


def run(*arguments, **options):
    return corrected(*arguments, **options).data


def nothing(channel):
    return (np.zeros(FREQUENCIES, complex),) * 3


def test_correlated_noise_is_removed_as_far_as_it_can_be(noise):
    raw, amp33, ideal, seen = noise
    science = np.s_[:, 4:-4, 4:-4]
    left = (run(raw, amp33, workers=2) - ideal)[science]
    # What resultants have in common is bias, and drops out of a ramp.
    left -= left.mean(axis=0)
    seen = seen[science] - seen[science].mean(axis=0)
    for channel, columns in enumerate((np.s_[:124], np.s_[124:])):
        response = np.abs(transfer(channel)) ** 2
        unavoidable = np.sum(wiener()[1] * response) / np.sum(power()[:FREQUENCIES] * response)
        removed = 1 - np.var(left[..., columns]) / np.var(seen[..., columns])
        assert unavoidable < 0.1
        assert removed > 0.9 * (1 - unavoidable)


def test_a_drift_over_the_frame_is_removed_in_each_channel_and_resultant():
    drift = np.linspace(-1, 1, ROWS)[:, None]
    scale = np.repeat(np.random.default_rng(1).normal(0, 30, (RESULTANTS, 1, 2)), 128, axis=2)
    level = np.repeat(np.random.default_rng(2).normal(0, 30, (RESULTANTS, 1, 2)), 128, axis=2)
    bias = np.random.default_rng(3).uniform(4000, 6000, DETECTOR.shape)
    result = run(bias + scale * drift + level, np.full((RESULTANTS, ROWS, 128), 7), gains=nothing)
    expected = bias + scale.mean(axis=0) * drift + level.mean(axis=0)
    # The drift of the test goes by rows, that of the correction by clocks: half a row apart.
    np.testing.assert_allclose(result, np.broadcast_to(expected, result.shape), atol=0.4)


def test_a_bright_star_changes_nothing_else(noise):
    raw, amp33, _, _ = noise
    star = np.zeros_like(raw)
    star[:, 100:110, 60:70] = 25_000 * np.arange(RESULTANTS)[:, None, None] / RESULTANTS
    with_star, without = run(raw + star, amp33), run(raw, amp33)
    np.testing.assert_allclose(with_star - without, star, atol=4e-3)  # float32 of 30,000
    elsewhere = star == 0
    np.testing.assert_array_equal(with_star[elsewhere], without[elsewhere])


@pytest.mark.parametrize("by", ["flag", "zero"])
def test_bad_reference_pixels_do_not_count(noise, by):
    raw, amp33, _, _ = noise
    bad = np.zeros(DETECTOR.shape, bool)
    bad[[0, 2, 80, 200, 255], [9, 254, 1, 255, 140]] = True
    spoiled = raw.copy()
    rng = np.random.default_rng(4)
    spoiled[:, bad] = rng.uniform(1, 60_000, (RESULTANTS, 5)) if by == "flag" else 0
    first = run(spoiled, amp33, bad if by == "flag" else NO_BAD)
    second = run(raw, amp33, bad)
    np.testing.assert_array_equal(first[:, ~bad], second[:, ~bad])
    assert np.max(np.abs(second - run(raw, amp33))) < 2


def test_gaps_in_amplifier_33_are_filled(noise):
    raw, amp33, ideal, _ = noise
    gappy = amp33.copy()
    gappy[:, 50:60, 30:34] = 0
    difference = run(raw, gappy) - run(raw, amp33)
    assert np.std(difference[:, 50:60]) < 0.5 * WHITE
    assert np.std(run(raw, gappy) - ideal) < 1.1 * np.std(run(raw, amp33) - ideal)


def test_missing_streams_are_told(noise):
    raw, amp33, _, _ = noise
    blind = corrected(raw, np.zeros_like(amp33))
    assert blind.missing == ("amplifier 33",)
    assert np.isfinite(blind.data).all()
    assert corrected(raw, amp33).missing == ()
    borders = np.ones(DETECTOR.shape, bool)
    borders[4:-4, 4:-4] = False
    assert corrected(raw, amp33, borders).missing == (
        "left border",
        "right border",
        "top and bottom borders",
    )


def test_without_any_stream_the_data_stay(noise):
    raw = noise[0].copy()
    for edge in (np.s_[:, :4], np.s_[:, -4:], np.s_[:, :, :4], np.s_[:, :, -4:]):
        raw[edge] = 0
    result = run(raw, np.zeros((RESULTANTS, ROWS, 128), np.uint16))
    np.testing.assert_array_equal(result, raw.astype(np.float32))


def test_a_single_resultant_has_no_deviation_to_correct(noise):
    raw, amp33, _, _ = noise
    np.testing.assert_array_equal(run(raw[:1], amp33[:1]), raw[:1].astype(np.float32))


def test_inputs_that_do_not_fit_are_errors(noise):
    raw, amp33, _, _ = noise
    with pytest.raises(CalibrationError, match="Amplifier 33"):
        run(raw, amp33[:, :, :100])
    with pytest.raises(CalibrationError, match="bad reference"):
        run(raw[:, :128], amp33)
    with pytest.raises(ReferenceDataError, match="channel 0"):
        run(raw, amp33, gains=lambda channel: (np.zeros(9, complex),) * 3)
