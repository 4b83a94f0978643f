"""The attitude against pysiaf's matrices and against romanisim's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from pysiaf.utils import rotations

from roman_dms.instrument.apertures import aperture, detector_aperture
from roman_dms.sky.attitude import Attitude

MILLIARCSECOND = 1 / 3.6e6


@pytest.mark.parametrize(
    ("ra", "dec", "roll"), [(270, 66, 60), (0.01, -0.02, 359), (13, -89.9, 200)]
)
@pytest.mark.parametrize("name", ["WFI01_FULL", "WFI18_FULL", "BORESIGHT"])
def test_points_and_rolls_are_those_of_pysiaf(ra, dec, roll, name):
    centre, place = aperture("WFI_CEN"), aperture(name)
    matrix = rotations.attitude_matrix(centre.v2_ref, centre.v3_ref, ra, dec, roll)
    expected_ra, expected_dec = rotations.pointing(matrix, place.v2_ref, place.v3_ref)
    attitude = Attitude(centre.v2_ref, centre.v3_ref, ra, dec, roll)
    found_ra, found_dec = attitude.sky(place.v2_ref, place.v3_ref)
    off_ra = (found_ra - expected_ra + 180) % 360 - 180
    assert abs(off_ra * np.cos(np.radians(dec))) < 0.01 * MILLIARCSECOND
    assert abs(found_dec - expected_dec) < 0.01 * MILLIARCSECOND
    expected_roll = rotations.posangle(matrix, place.v2_ref, place.v3_ref)
    off_roll = (attitude.roll_at(place.v2_ref, place.v3_ref) - expected_roll + 180) % 360 - 180
    assert abs(off_roll) < 1e-7


def test_agrees_with_what_romanisim_wrote():
    """An exposure of romanisim 0.14 at 270, 66, position angle 0, without aberration."""
    centre, place = aperture("WFI_CEN"), detector_aperture("WFI01")
    attitude = Attitude(centre.v2_ref, centre.v3_ref, 270, 66, 60)
    ra, dec = attitude.sky(place.v2_ref, place.v3_ref)
    assert ra == pytest.approx(269.8325255435308, abs=0.01 * MILLIARCSECOND)
    assert dec == pytest.approx(66.03550953908598, abs=0.01 * MILLIARCSECOND)
    assert attitude.roll_at(place.v2_ref, place.v3_ref) == pytest.approx(59.84667941774913)
    assert attitude.sky(0, 0) == pytest.approx((269.99997982112586, 66.49599999993342))
    assert attitude.roll_at(0, 0) == pytest.approx(59.99905189561604)


def test_aberration_stretches_the_field_around_the_fixed_point():
    plain = Attitude(0, 0, 10, 0, 0)
    stretched = Attitude(0, 0, 10, 0, 0, velocity_scale=1.0001)
    assert stretched.sky(0, 0) == pytest.approx((10, 0))
    ra, _ = plain.sky(1000, 0)
    stretched_ra, _ = stretched.sky(1000, 0)
    assert (stretched_ra - ra) * 3600 == pytest.approx(0.1, rel=1e-6)
