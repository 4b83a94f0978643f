"""Persistence against the published decay of the flight detectors."""

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.detectors import Detector
from roman_dms.instrument.installed_tables import instrument_table
from roman_dms.instrument.read_patterns import ReadPattern
from roman_dms.simulation.signatures.deposits import Deposits
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.persistence import Persistence, Trapped, decay
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.read_out import read_out

START = 61200.0


@pytest.mark.parametrize("number", [1, 4, 18])
def test_decay_is_near_the_measurements(number):
    """The fit of the mission against the measurements of the mission."""
    table = instrument_table("FPSPerformance/WFI_Persistence_summary.ecsv")
    time, measured = (np.array(table[name], float) for name in ("time", f"SCU {number}"))
    assert np.allclose(decay(number, time), measured, atol=0.015, rtol=0.15)


def test_decay_goes_on_falling_after_the_measurements():
    late = decay(4, np.array([1770.0, 3541.44, 17707.2]))
    assert late[1] == pytest.approx(late[0] / 2, rel=0.01)
    assert late[2] == pytest.approx(late[0] / 10, rel=0.01)
    assert np.all(decay(5, np.linspace(0, 1e5, 1000)) >= 0)  # its constant is negative


def test_current_is_proportional_to_charge_until_full():
    trapped = Trapped.of([1, 2, 3], [1, 1, 1], START, [1000, 50000, 1e7])
    current = Persistence(full=100_000.0).current(trapped, 2, START + 100 / 86400)
    assert current[1] / current[0] == pytest.approx(50, rel=1e-5)
    assert current[2] / current[1] == pytest.approx(2, rel=1e-5)
    assert not Persistence().current(trapped, 2, START - 1).any()


def test_later_exposure_shows_the_afterglow(small):
    """Mean signal against the integral of the decay."""
    detector = Detector("WFI04", 64, 256)
    pattern = ReadPattern([[1], [10], [20]], frame_time=3.0)
    everywhere = np.indices(detector.science_shape).reshape(2, -1)
    charge = np.full(everywhere.shape[1], 80000.0)
    trapped = Trapped.of(*everywhere, START, charge)
    result = read_out(
        np.zeros(detector.science_shape),
        Properties(gain=1.0),
        detector,
        pattern,
        Effects.only("persistence"),
        start=START + 50 / 86400,
        trapped=trapped,
    )
    times = np.linspace(50, 110, 6001)
    current = 80000 / 159000 * decay(4, times)
    for index, time in enumerate((3, 30, 60)):
        expected = np.trapezoid(current[: time * 100 + 1], times[: time * 100 + 1])
        found = result.data[index, 4:-4, 4:-4].mean()
        assert found == pytest.approx(expected, abs=4 * np.sqrt(expected / charge.size))
    old = START + (50 + 60) / 86400
    assert np.all(result.trapped.time <= old)
    assert len(result.trapped) > 0


def test_bright_pixels_are_trapped_and_fade(small, pattern):
    rate = np.full(small.science_shape, 1.0, np.float32)
    rate[20, 30] = 3000
    arguments = (Properties(gain=1.0), small, pattern, Effects.only("persistence"))
    trapped = read_out(rate, *arguments, start=START).trapped
    assert (trapped.row.tolist(), trapped.column.tolist()) == ([20], [30])
    assert trapped.charge[0] == pytest.approx(3000 * pattern.exposure_time)
    assert trapped.time[0] == pytest.approx(START + pattern.exposure_time / 86400)
    twice = trapped.merged(trapped)
    assert len(twice) == 2
    assert len(Persistence().pruned(twice, 1, START + 0.001)) == 2
    assert len(Persistence().pruned(twice, 1, START + 30)) == 0


def test_trapped_charge_needs_a_time(small, pattern):
    trapped = Trapped.of([1], [1], START, [1e5])
    with pytest.raises(UsageError, match="no time"):
        read_out(np.zeros(small.science_shape), Properties(), small, pattern, trapped=trapped)


def test_moving_light_arrives_in_its_reads(small, pattern):
    moving = Deposits.of([1, 5, 5], [10, 20, 20], [30, 40, 40], [50, 300, 400])
    effects = Effects.none()
    zero = np.zeros(small.science_shape)
    data = read_out(zero, Properties(gain=1.0), small, pattern, effects, moving=moving).data
    assert data[:, 14, 34].tolist() == [50, 50, 50, 50]
    assert data[:, 24, 44].tolist() == [0, 0, 700, 700]
    beside = Deposits.of([1, 1, 1], [-1, 3, 60], [30, -1, 40], [5000, 5000, 5000])
    effects_ipc = Effects.only("ipc")
    data = read_out(zero, Properties(), small, pattern, effects_ipc, moving=beside).data
    assert not data.any()
    wrong = Deposits.of([2], [5], [6], [-1])
    with pytest.raises(UsageError, match="row 5, column 6, read 2"):
        read_out(zero, Properties(), small, pattern, effects, moving=wrong)
    noisy = [
        read_out(
            zero, Properties(gain=1.0), small, pattern, Effects.only("photon_noise"), seed,
            moving=moving,
        ).data[3, 24, 44]
        for seed in range(60)
    ]  # fmt: skip
    assert np.mean(noisy) == pytest.approx(700, abs=4 * np.sqrt(700 / 60))
    assert 300 < np.var(noisy) < 1300
