import galsim
import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.psf.build import psf_grid
from roman_dms.psf.validation.moments import adaptive_moments

EXACT = galsim.hsm.HSMParams(convergence_threshold=1e-9)


def by_galsim(image):
    """x, y, T, e1, e2 in our terms."""
    found = galsim.hsm.FindAdaptiveMom(galsim.Image(np.array(image, float)), hsmparams=EXACT)
    shape = found.observed_shape
    size = 2 * found.moments_sigma**2 / np.sqrt(1 - shape.e**2)
    centre = found.moments_centroid
    half = (np.array(image.shape)[::-1] + 1) / 2
    return [centre.x - half[0], centre.y - half[1], size, shape.e1, shape.e2]


def check(image):
    found = adaptive_moments(image)
    x, y, size, e1, e2 = by_galsim(image)
    assert found.x[0] == pytest.approx(x, abs=1e-5)
    assert found.y[0] == pytest.approx(y, abs=1e-5)
    assert found.size[0] == pytest.approx(size, rel=1e-5)
    assert found.e1[0] == pytest.approx(e1, abs=1e-5)
    assert found.e2[0] == pytest.approx(e2, abs=1e-5)


@pytest.mark.parametrize(
    "profile",
    [
        galsim.Gaussian(sigma=1.3).shear(g1=0.2, g2=-0.1),
        galsim.Moffat(beta=2.5, half_light_radius=1.8).shear(g2=0.05),
        galsim.Airy(lam_over_diam=2.0),
    ],
)
def test_on_pixels_against_galsim(profile):
    image = profile.drawImage(nx=41, ny=37, scale=1.0, offset=(0.3, -0.2), dtype=float).array
    check(image)


@pytest.mark.parametrize("element", ["F062", "F158"])
def test_on_oversampled_psfs_against_galsim(element):
    grid = psf_grid("WFI07", element, nodes=(1, 1), size=17, wing_size=17, cache=False)
    check(grid.at(0, 0, float(grid.wavelengths.mean())))


def test_a_gaussian_in_closed_form():
    x = np.arange(-20, 21)
    image = np.exp(-((x - 0.4) ** 2 / 9 + (x[:, None] + 0.3) ** 2 / 4) / 2)

    found = adaptive_moments(np.stack([image, 5 * image]))

    np.testing.assert_allclose(found.x, 0.4, atol=1e-5)
    np.testing.assert_allclose(found.y, -0.3, atol=1e-5)
    np.testing.assert_allclose(found.size, 13, rtol=1e-5)
    np.testing.assert_allclose(found.e1, 5 / 13, rtol=1e-5)
    np.testing.assert_allclose(found.e2, 0, atol=1e-7)


def test_where_there_are_none():
    found = adaptive_moments(
        np.stack([np.zeros((9, 9)), -np.ones((9, 9)), np.full((9, 9), np.nan)])
    )

    assert np.isnan(found.size).all()
    with pytest.raises(UsageError, match="shape"):
        adaptive_moments(np.zeros(5))
