import galsim
import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.psf.evaluation import PsfField
from roman_dms.psf.plain import constant_psf, gaussian_psf


@pytest.mark.parametrize("fwhm", [1.2, 2.0, 3.5])
@pytest.mark.parametrize("phase", [(0.0, 0.0), (0.31, -0.44)])
def test_a_gaussian_as_galsim_draws_it(fwhm, phase):
    field = PsfField.of(gaussian_psf(fwhm))
    stamp = field.pixels(10 + phase[0], 20 + phase[1], 7)
    truth = galsim.Gaussian(fwhm=fwhm).shift(*phase)
    drawn = truth.drawImage(nx=15, ny=15, scale=1, method="auto").array
    assert np.abs(stamp - drawn).max() < 2e-4 * drawn.max()


def test_a_users_own_psf_keeps_its_form():
    truth = galsim.Convolve(galsim.Moffat(beta=3, fwhm=2.2), galsim.Pixel(1))
    samples = truth.drawImage(nx=101, ny=101, scale=0.2, method="no_pixel").array
    stamp = PsfField.of(constant_psf(7 * samples, 5)).pixels(0.2, 0.4, 5)
    drawn = truth.shift(0.2, 0.4).drawImage(nx=11, ny=11, scale=1, method="no_pixel").array
    shape = stamp / stamp.sum() - drawn / drawn.sum()
    assert np.abs(shape).max() < 2e-4 * drawn.max()


@pytest.mark.parametrize("fwhm", [0.0, -1.0, np.nan])
def test_no_width_no_psf(fwhm):
    with pytest.raises(UsageError, match="width"):
        gaussian_psf(fwhm)


@pytest.mark.parametrize("samples", [np.ones((4, 4)), np.zeros((5, 5)), np.ones(5)])
def test_what_cannot_be_a_psf(samples):
    with pytest.raises(UsageError, match="PSF"):
        constant_psf(samples, 1)
