"""Adaptive moments against GalSim's HSM, closed forms and their own errors."""

import numpy as np
import pytest

from roman_dms.measure.shapes import adaptive
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, gaussian_psf, lattice, pull


@pytest.mark.parametrize("index", [0.5, 1.0, 4.0])
def test_well_sampled_sources_as_hsm_measures_them(index):
    import galsim

    source = galsim.Sersic(n=index, half_light_radius=3.5).shear(e1=0.25, e2=-0.35)
    source = galsim.Convolve(source, galsim.Gaussian(sigma=1.5)).shift(0.3, 0.1)
    image = source.drawImage(nx=121, ny=121, scale=1.0, dtype=float)
    peer = galsim.hsm.FindAdaptiveMom(image)
    found, x, y, xx, xy, yy = adaptive(image.array.astype(np.float32), 60.0, 60.0, 2.0)
    assert found
    # pixels of GalSim are counted from 1
    assert x + 1 == pytest.approx(peer.moments_centroid.x, abs=2e-3)
    assert y + 1 == pytest.approx(peer.moments_centroid.y, abs=2e-3)
    assert (xx * yy - xy**2) ** 0.25 == pytest.approx(peer.moments_sigma, rel=2e-3)
    assert (xx - yy) / (xx + yy) == pytest.approx(peer.observed_e1, abs=1e-3)
    assert 2 * xy / (xx + yy) == pytest.approx(peer.observed_e2, abs=1e-3)


def test_a_widened_weight_finds_the_same_gaussian():
    # narrower than the narrowest weight of 1.41 pixels
    light = gaussian((41, 41), 20.3, 19.9, 1.0, 1.2).astype(np.float32)
    found, x, y, xx, xy, yy = adaptive(light, 20.0, 20.0, 1.0)
    assert found
    assert (x, y) == pytest.approx((20.3, 19.9), abs=2e-3)
    assert (xx, yy) == pytest.approx((1 + 1 / 12, 1.44 + 1 / 12), rel=5e-3)
    assert xy == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("sigma", [1.0, 1.8])
@pytest.mark.parametrize("signal_to_noise", [25, 100, 400])
def test_errors(sigma, signal_to_noise):
    """Scatter over 676 realisations within 10 % of the error, with the sky's and photon noise."""
    shape = gaussian((43, 43), 21.2, 21.1, 1.2 * sigma, 0.9 * sigma)
    pixels = 1 / np.sum(shape**2)
    square, per_light, sky = signal_to_noise**2, 0.007, 0.01
    flux = 0.5 * (
        square * per_light + np.sqrt(square**2 * per_light**2 + 4 * square * sky * pixels)
    )
    field = lattice(flux * shape, (0.2, 0.1), 26, 5.0, sky, per_light, seed=signal_to_noise)
    psf = gaussian_psf(0.9)
    truth, rows = (
        measure_sources(*field.noiseless, psf=psf),
        measure_sources(*field.arguments, psf=psf),
    )
    assert np.isfinite(rows.shape_sigma).mean() > 0.99
    for name in ("shape_e1", "shape_e2", "shape_sigma", "resolution"):
        mean, scatter = pull(
            getattr(rows, name), np.median(getattr(truth, name)), getattr(rows, f"{name}_err")
        )
        assert abs(scatter - 1) < 0.1, name
        assert abs(mean) < 0.3, name


def test_resolution_of_stars_and_galaxies():
    psf = gaussian_psf(1.5)
    for sigma in (1.5, 2.5):
        light = gaussian((61, 61), 30.2, 30.1, sigma).astype(np.float32)
        segments = (light > 1e-5).astype(np.uint32)
        rows = measure_sources(light, np.ones_like(light), 0.0, segments, [30.2], [30.1], psf=psf)
        expected = 1 - (1.5**2 + 1 / 12) / (sigma**2 + 1 / 12)
        assert rows.psf_sigma[0] == pytest.approx(np.sqrt(1.5**2 + 1 / 12), rel=1e-3)
        assert rows.resolution[0] == pytest.approx(expected, abs=2e-3)


def test_nothing_has_no_shape():
    zero = np.zeros((31, 31), np.float32)
    assert not adaptive(zero, 15.0, 15.0, 1.0)[0]
    assert not adaptive(zero - 1, 15.0, 15.0, 1.0)[0]
    assert not adaptive(zero * np.nan, 15.0, 15.0, 1.0)[0]
