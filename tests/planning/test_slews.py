import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from roman_dms.planning.slews import (
    ELEMENT_WHEEL,
    attitude,
    overhead,
    slew_and_settle,
    slew_angle,
    wheel_time,
)


@pytest.mark.parametrize(
    ("angle", "seconds"),
    [(0.025, 18.9), (0.4, 39.3), (0.8, 52.5), (2, 77.8), (5, 141), (10, 246), (30, 646),
     (90, 1844)],
)  # fmt: skip
def test_slews_take_as_long_as_the_published_examples(angle, seconds):
    """``example_telescope_slews.yaml``, another file than the table."""
    assert slew_and_settle(angle) == pytest.approx(seconds, rel=0.02)


def test_no_slew_no_time_and_the_smallest_slew_must_settle():
    assert slew_and_settle(0) == 0
    assert slew_and_settle(1e-5) == pytest.approx(18.9, abs=0.1)
    assert slew_and_settle(180) == pytest.approx(1844 + 90 * 20, rel=0.01)


def test_attitudes_are_the_euler_rotation():
    rng = np.random.default_rng(1)
    for ra, dec, angle in rng.uniform((0, -90, 0), (360, 90, 360), (20, 3)):
        euler = Rotation.from_euler("ZYX", [ra, -dec, -angle], degrees=True).as_matrix()
        np.testing.assert_allclose(attitude(ra, dec, angle), euler, atol=1e-12)


def test_slew_angle_is_the_eigen_axis_rotation(planned):
    rng = np.random.default_rng(2)
    for a, b in rng.uniform((0, -90, 0), (360, 90, 360), (20, 2, 3)):
        turns = [Rotation.from_euler("ZYX", [r, -d, -p], degrees=True) for r, d, p in (a, b)]
        expected = np.degrees((turns[0].inv() * turns[1]).magnitude())
        names = ("ra", "dec", "position_angle")
        before, after = (planned(**dict(zip(names, place, strict=True))) for place in (a, b))
        assert slew_angle(before, after) == pytest.approx(expected, rel=1e-9)


def test_a_roll_is_a_slew_and_nothing_is_none(planned):
    assert slew_angle(planned(), planned(position_angle=35.0)) == pytest.approx(15)
    assert slew_angle(planned(), planned()) == 0


def test_the_wheel_turns_the_shorter_way(planned):
    assert wheel_time("F158", "F158") == 0
    assert wheel_time("F062", "F106") == 27  # durations 108 s and 81 s of roman_gps.sim.ecsv
    assert wheel_time("F213", "F129") == 39  # 120 s and 81 s
    assert wheel_time("F129", "F087") == 61  # 142 s and 81 s
    assert wheel_time("GRISM", "DARK") == 27
    longest = max(wheel_time(a, b) for a in ELEMENT_WHEEL for b in ELEMENT_WHEEL)
    assert longest == 61
    assert overhead(planned(), planned(element="PRISM")) == 27
