"""Light curves against their published forms."""

from __future__ import annotations

import numpy as np
import pytest

from roman_dms.simulation.scenes.variability import KINDS


def _curve(kind, time, timescale, amplitude):
    time = np.asarray(time, float)
    return KINDS[kind](time, np.full(time.shape, timescale), np.full(time.shape, amplitude))


def test_microlensing_is_paczynskis():
    """A(u = 1) = 3 / sqrt(5) = 1.342, the definition of an event; A(u) -> 1 / u inside."""
    assert _curve("microlensing", [0.0], 20, 1.0)[0] == pytest.approx(3 / 5**0.5)
    assert _curve("microlensing", [0.0], 20, 1e-3)[0] == pytest.approx(1000, rel=1e-5)
    time = np.linspace(-40, 40, 41)
    u = np.hypot(0.3, time / 20)
    expected = (u**2 + 2) / (u * np.sqrt(u**2 + 4))
    np.testing.assert_allclose(_curve("microlensing", time, 20, 0.3), expected, rtol=1e-12)
    assert np.isfinite(_curve("microlensing", [0.0], 20, 0.0)[0])


def test_sine_and_sawtooth_have_their_range_and_period():
    time = np.linspace(0, 4, 100001)
    for kind in ("sine", "sawtooth"):
        magnitudes = -2.5 * np.log10(_curve(kind, time, 0.8, 0.6))
        assert np.ptp(magnitudes) == pytest.approx(0.6, abs=1e-3)
        assert magnitudes.mean() == pytest.approx(0, abs=1e-3)
        assert magnitudes[0] == pytest.approx(-0.3)
        np.testing.assert_allclose(magnitudes[:20000], magnitudes[20000:40000], atol=1e-9)


def test_sawtooth_rises_faster_than_it_falls():
    flux = _curve("sawtooth", np.linspace(0, 1, 1001), 1.0, 1.0)
    assert np.mean(np.diff(flux) > 0) == pytest.approx(0.15, abs=0.01)


def test_eclipses():
    flux = _curve("eclipse", [0.0, 1.0, 2.0, 3.0, 4.0, 0.05], 4.0, 0.4)
    np.testing.assert_allclose(flux[[0, 4]], 0.6)
    np.testing.assert_allclose(flux[[1, 3]], 1.0)
    assert flux[2] == pytest.approx(0.8)
    assert flux[5] == pytest.approx(0.6)  # still total


def test_supernova_is_bazins():
    """Eq. 1 of Bazin et al. (2009) with t0 so that the peak is at 0, written out."""
    fall, rise = 20.0, 0.18 * 20.0
    t0 = -rise * np.log(fall / rise - 1)
    time = np.linspace(-30, 120, 2001)

    def bazin(t):
        return np.exp(-(t - t0) / fall) / (1 + np.exp(-(t - t0) / rise))

    expected = bazin(time) / bazin(0.0)
    found = _curve("supernova", time, fall, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found.max() == pytest.approx(1, abs=1e-5)
    assert time[np.argmax(found)] == pytest.approx(0, abs=0.1)
    late = _curve("supernova", [100.0, 120.0], fall, 0.0)
    assert late[1] / late[0] == pytest.approx(np.exp(-1), rel=1e-3)


def test_supernova_long_before_and_after_is_finite_and_dark():
    flux = _curve("supernova", [-1e5, -300.0, 1e5], 20.0, 0.0)
    assert np.all(np.isfinite(flux))
    assert np.all(flux < 1e-10)
