import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.instrument.apertures import aperture, aperture_names, detector_aperture
from roman_dms.instrument.detectors import NAMES, detector


def test_every_aperture_is_where_pysiaf_has_it(siaf):
    assert list(aperture_names()) == list(siaf.apertures)
    for name in aperture_names():
        ours, theirs = aperture(name), siaf[name]
        assert (ours.v2_ref, ours.v3_ref) == (theirs.V2Ref, theirs.V3Ref)
        assert (ours.v3_ideal_y_angle, ours.parity) == (theirs.V3IdlYAngle, theirs.VIdlParity)


@pytest.mark.parametrize("name", NAMES)
def test_corners_equal_those_of_pysiaf(siaf, name):
    v2, v3 = siaf[f"{name}_FULL"].corners("tel", rederive=False)
    np.testing.assert_allclose(detector_aperture(name).corners, np.stack([v2, v3], 1), atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_pixels_count_from_zero_and_fit_the_detector(siaf, name):
    ours, theirs = detector_aperture(name), siaf[f"{name}_FULL"]
    assert (ours.x_ref, ours.y_ref) == (theirs.XSciRef - 1, theirs.YSciRef - 1)
    assert ours.shape == detector(name).science_shape


def test_unknown_names_are_errors_that_list_the_known():
    with pytest.raises(UsageError, match="WFI_CEN"):
        aperture("WFI_CENTER")
    with pytest.raises(UsageError, match="WFI19"):
        detector_aperture("WFI19")
