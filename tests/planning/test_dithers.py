import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from roman_dms.errors import UsageError
from roman_dms.planning.dithers import PATTERNS, combined, dither_pattern, dithered


def test_a_published_plan_is_met():
    """Two rows of ``roman_gps.sim.ecsv`` (spacetelescope/roman_notebooks): LINEGAP2_1.

    PA is 0 for the V3 axis, -60 for the aperture.  The plan keeps the angle at the
    middle of its field, 0.2 deg away, hence the tolerance.
    """
    found = dithered(281.533139, -3.116975, -60.0, dither_pattern("line", 2))
    rows = SkyCoord([281.533139, 281.551296], [-3.116975, -3.184590], unit="deg")
    assert np.all(SkyCoord(found, unit="deg").separation(rows) < 0.06 * u.arcsec)


def test_the_target_falls_where_the_pattern_says(siaf):
    """Against pysiaf: where the target is in the ideal frame of the dithered aperture."""
    from pysiaf.utils.rotations import attitude

    offsets = dither_pattern("box", 9)
    centre = siaf["WFI_CEN"]
    for offset, (ra, dec) in zip(offsets, dithered(150.0, 2.0, 75.0, offsets), strict=True):
        v3_angle = 75.0 - centre.V3IdlYAngle
        centre.set_attitude_matrix(attitude(centre.V2Ref, centre.V3Ref, ra, dec, v3_angle))
        x, y = centre.sky_to_idl(150.0, 2.0)
        np.testing.assert_allclose((x, y), offset, atol=0.04)  # the angle is kept: 0.1" x sin(dec)


@pytest.mark.parametrize("dec", [-90.0, -60.0, 0.0, 89.9])
def test_moves_are_great_circles(dec):
    offsets = ((0.0, 0.0), (-300.0, 0.0), (0.0, -300.0), (5e4, 0.0))
    found = SkyCoord(dithered(359.99, dec, 0.0, offsets), unit="deg")
    start = SkyCoord(359.99, dec, unit="deg")
    expected = [
        start.directional_offset_by(angle * u.deg, size * u.arcsec)
        for angle, size in ((0, 0), (270, 300), (0, 300), (90, 5e4))
    ]
    assert max(a.separation(b).arcsec for a, b in zip(found, expected, strict=True)) < 1e-6


def test_patterns_begin_at_the_target_and_sub_pixel_ones_are_small():
    for kind, patterns in PATTERNS.items():
        for count, offsets in patterns.items():
            assert len(set(offsets)) == count
            assert offsets[0] == (0, 0)
            assert (np.hypot(*np.transpose(offsets)).max() < 0.2) == (kind == "sub")


def test_sub_pixel_patterns_sample_the_pixel_evenly():
    """RDox: phases of SUB4 are those of a grid, whatever whole pixels are added."""
    phases = np.mod(np.array(dither_pattern("sub", 4)) / 0.11, 1)
    assert sorted(phases[:, 0]) == pytest.approx([0, 0.25, 0.5, 0.75])
    assert sorted(phases[:, 1]) == pytest.approx([0, 0.5, 0.75, 0.75])


def test_nested_patterns_and_unknown_ones():
    nested = combined(dither_pattern("line", 3), dither_pattern("sub", 2))
    assert len(set(nested)) == 6
    assert nested[1] == PATTERNS["sub"][2][1]
    assert dither_pattern("box", 1) == ((0, 0),)
    with pytest.raises(UsageError, match=r"'line' dither pattern of 7(.|\n)*box or sub"):
        dither_pattern("line", 7)
    with pytest.raises(UsageError, match="fewer"):
        dither_pattern("sub", 10)
