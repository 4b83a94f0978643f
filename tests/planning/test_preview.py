import numpy as np
from astropy.coordinates import SkyCoord

from roman_dms.planning.preview import draw_plan, tangent_plane


def test_the_tangent_plane_is_astropy_s_gnomonic_projection():
    random = np.random.default_rng(3)
    ra, dec = random.uniform(340, 380, 50), random.uniform(40, 80, 50)
    frame = SkyCoord(359.0, 60.0, unit="deg").skyoffset_frame()
    offsets = SkyCoord(ra, dec, unit="deg").transform_to(frame)
    x, y, z = offsets.cartesian.xyz.value
    expected = np.degrees(np.stack([y / x, z / x], axis=1))
    np.testing.assert_allclose(
        tangent_plane(np.stack([ra, dec], axis=1), 359.0, 60.0), expected, atol=1e-10
    )


def test_the_other_half_of_the_sky_has_no_place():
    assert np.isnan(tangent_plane(np.array([[180.0, 0.0]]), 0.0, 0.0)).all()


def test_a_picture_is_drawn_across_the_meridian(planned, tmp_path):
    path = tmp_path / "plan.png"
    draw_plan([planned(ra=0.01), planned(ra=359.99, exposure=2)], path)
    assert path.read_bytes()[:4] == b"\x89PNG"
