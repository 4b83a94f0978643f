"""The observatory against states of its orbit file that were left out, and against romanisim."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import get_body_barycentric_posvel
from astropy.time import Time
from romanisim.velocity_aberration import compute_va_effects

from roman_dms.errors import UsageError
from roman_dms.instrument.installed_tables import installed_file
from roman_dms.sky import observatory
from roman_dms.sky.observatory import observatory_position, observatory_state, velocity_scale

HALO = 61557.0


def test_a_state_of_the_file_is_given_back_around_the_earth():
    line = next(
        line
        for line in installed_file("roman_technical_information", observatory.ORBIT)
        .read_text()
        .splitlines()
        if line.startswith("2027-152T")
    )
    date, *numbers = line.split()
    time = Time(date.replace("-", ":").replace("T", ":"), format="yday", scale="utc")
    earth, velocity = get_body_barycentric_posvel("earth", time)
    state = observatory_state(time.mjd)
    assert state.predicted
    around_earth = state.position - earth.xyz.to_value("km")
    np.testing.assert_allclose(around_earth, [float(v) for v in numbers[:3]], atol=0.1)
    speed = state.velocity - velocity.xyz.to_value("km/s")
    np.testing.assert_allclose(speed, [float(v) for v in numbers[3:]], atol=1e-6)


def test_between_states_it_lies_where_a_state_that_is_left_out_was(monkeypatch):
    days, states = observatory._orbit()
    place = int(np.searchsorted(days, HALO))
    expected = observatory_state(days[place]).position
    gap = np.delete(days, place), np.delete(states, place, axis=0)
    monkeypatch.setattr(observatory, "_orbit", lambda: gap)
    found = observatory_state(days[place]).position
    assert 0 < np.linalg.norm(found - expected) < 5  # km, over twice the usual step


def test_velocity_is_the_derivative_of_position():
    before, after = (observatory_state(HALO + 0.3 + step).position for step in (-0.01, 0.01))
    expected = (after - before) / (0.02 * 86400)
    np.testing.assert_allclose(observatory_state(HALO + 0.3).velocity, expected, atol=2e-5)


def test_outside_the_orbit_it_is_beyond_the_earth():
    state = observatory_state(60000.0)
    assert not state.predicted
    assert 1.49e8 < np.linalg.norm(state.position) < 1.53e8


def test_the_position_is_in_astronomical_units_and_beyond_the_earth():
    earth = get_body_barycentric_posvel("earth", Time(HALO, format="mjd"))[0].xyz.to_value("au")
    offset = observatory_position(HALO) - earth
    assert 0.005 < np.linalg.norm(offset) < 0.013
    assert offset @ earth > 0


def test_a_date_that_is_none_is_named():
    with pytest.raises(UsageError, match="nan"):
        observatory_state(float("nan"))


@pytest.mark.parametrize(("ra", "dec"), [(270, 66), (0, 0), (100, -30)])
def test_the_scale_is_that_of_romanisim(ra, dec):
    velocity = observatory_state(HALO).velocity
    expected = compute_va_effects(*velocity, ra, dec)[0]
    assert velocity_scale(velocity, ra, dec) == pytest.approx(expected, abs=1e-12)
