import numpy as np

from roman_dms.planning.footprints import footprints


def test_footprints_are_those_of_pysiaf(siaf, planned):
    from pysiaf.utils.rotations import attitude

    exposure = planned(ra=359.9, dec=-45.0, position_angle=200.0)
    centre = siaf["WFI_CEN"]
    turn = attitude(
        centre.V2Ref, centre.V3Ref, exposure.ra, exposure.dec, 200.0 - centre.V3IdlYAngle
    )
    for name, corners in footprints(exposure).items():
        detector = siaf[f"{name}_FULL"]
        detector.set_attitude_matrix(turn)
        v2, v3 = detector.corners("tel", rederive=False)
        ra, dec = detector.tel_to_sky(v2, v3)
        np.testing.assert_allclose(corners, np.stack([ra % 360, dec], axis=1), atol=1e-6)
