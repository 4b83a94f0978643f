"""Windowed centroids against truth, sep and their own errors."""

import numpy as np
import pytest
import sep

from roman_dms.measure.sources import measure_sources
from roman_dms.measure.windowed import FROM_HALF_LIGHT
from tests.measure.drawn_sources import gaussian, lattice, pull


def test_gaussians_anywhere_in_a_pixel():
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(29.5, 30.5, (20, 2)):
        light = gaussian((61, 61), x, y, 1.3, 1.9).astype(np.float32)
        segments = (light > 1e-4).astype(np.uint32)
        # started half a pixel off
        rows = measure_sources(light, np.ones_like(light), 0.0, segments, [x + 0.3], [y - 0.4])
        assert rows.x_centroid_win[0] == pytest.approx(x, abs=3e-4)
        assert rows.y_centroid_win[0] == pytest.approx(y, abs=3e-4)


def test_as_sep_finds_them():
    import galsim

    galaxy = galsim.Sersic(n=1.5, half_light_radius=3.0).shear(g1=0.2, g2=0.1)
    galaxy = galsim.Convolve(galaxy, galsim.Gaussian(sigma=1.0)).shift(0.31, -0.22)
    light = 1e4 * galaxy.drawImage(nx=101, ny=101, scale=1.0).array.astype(np.float32)
    light += np.random.default_rng(2).normal(0, 3, light.shape).astype(np.float32)
    segments = (light > 15).astype(np.uint32)
    segments[np.hypot(*(np.indices(light.shape) - 50)) > 15] = 0
    rows = measure_sources(light, np.ones_like(light), 0.0, segments, [50.0], [50.0])
    sigma = FROM_HALF_LIGHT * rows.fluxfrac_radius_50.astype(float)
    x, y, _ = sep.winpos(light, [50.0], [50.0], sigma, subpix=11)
    assert rows.x_centroid_win[0] == pytest.approx(x[0], abs=3e-3)
    assert rows.y_centroid_win[0] == pytest.approx(y[0], abs=3e-3)


def test_undersampled_stars_anywhere_in_a_pixel():
    """An Airy disc at 1.6 micron: no more than 0.003 pixel with the place in the pixel."""
    import galsim

    star = galsim.Convolve(
        galsim.Airy(lam_over_diam=1.255, obscuration=0.31),
        galsim.Gaussian(sigma=0.3),
        galsim.Pixel(1.0),
    )
    off = []
    for u, v in np.random.default_rng(3).uniform(-0.5, 0.5, (40, 2)):
        image = 1e4 * star.drawImage(nx=61, ny=61, scale=1.0, method="sb", offset=(u, v)).array
        light = image.astype(np.float32)
        segments = (light > 50).astype(np.uint32)
        rows = measure_sources(light, np.ones_like(light), 0.0, segments, [30 + u], [30 + v])
        off.append((rows.x_centroid_win[0] - 30 - u, rows.y_centroid_win[0] - 30 - v))
    assert np.std(off) < 0.0025
    assert abs(np.mean(off)) < 0.001


@pytest.mark.parametrize("flux", [5, 7, 12, 60, 1000])
def test_errors(flux):
    """Signal to noise 7 and more (10 in a unit of light)."""
    stamp = flux * gaussian((35, 35), 17.2, 17.1, 1.4)
    field = lattice(stamp, (0.2, 0.1), 26, 4.0, seed=flux)
    rows = measure_sources(*field.arguments)
    for axis, truth in (("x", field.x), ("y", field.y)):
        error = getattr(rows, f"{axis}_centroid_win_err")
        mean, scatter = pull(getattr(rows, f"{axis}_centroid_win"), truth, error)
        assert abs(mean) < 0.15
        assert abs(scatter - 1) < 0.1
    together = (rows.x_centroid_win - field.x) * (rows.y_centroid_win - field.y)
    scale = rows.x_centroid_win_err * rows.y_centroid_win_err
    assert np.mean(together / scale) == pytest.approx(
        np.mean(rows.xy_centroid_win_cov / scale), abs=0.15
    )
