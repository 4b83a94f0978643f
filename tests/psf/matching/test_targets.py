import galsim
import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.psf.matching.kernels import matching_kernel
from roman_dms.psf.matching.targets import target_psf
from tests.psf.matching.gaussians import drawn, gaussian


def test_of_gaussians_it_is_the_widest():
    target = target_psf([gaussian(1.0), gaussian(1.4), gaussian(1.2)], oversample=4)

    assert np.abs(target - gaussian(1.4)).max() < 1e-6


def test_none_of_the_psfs_has_to_be_sharpened():
    along = drawn(galsim.Airy(lam_over_diam=1.2).shear(g1=0.15))
    across = drawn(galsim.Airy(lam_over_diam=1.3).shear(g1=-0.15).shift(0.2, 0.1))

    target = target_psf([along, across], oversample=4)

    np.testing.assert_allclose(target, target[::-1, ::-1], atol=1e-12)
    for psf in (along, across):
        kernel = matching_kernel(psf, target, oversample=4)
        assert kernel.oversampled.sharpening < 1.1
        assert kernel.oversampled.residual.largest < 3e-3
        assert kernel.pixels.noise < 1
    # the usual target, the wider of the two, asks for more than there is
    usual = matching_kernel(along, across, oversample=4, noise_limit=np.inf)
    assert usual.oversampled.sharpening > 1.2


def test_sizes():
    target = target_psf([gaussian(1.0, size=17), gaussian(1.4, size=25)], oversample=4, size=21)

    assert target.shape == (81, 81)


def test_nothing_to_find_a_target_for():
    with pytest.raises(UsageError, match="No PSF"):
        target_psf([], oversample=4)
