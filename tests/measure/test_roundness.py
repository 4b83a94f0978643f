"""Sharpness and roundness as the mission's own code has them."""

import numpy as np
import pytest

from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian


@pytest.mark.parametrize("fwhm", [1.5, 2.4, 4.0])
def test_as_romancal_measures_them(fwhm):
    from romancal.source_catalog._daofind import DAOFindCatalog

    rng = np.random.default_rng(3)
    light = rng.normal(0, 0.01, (120, 120))
    x, y = rng.uniform(20, 100, (2, 6)) // 14 * 14 + rng.uniform(-0.4, 0.4, (2, 6))
    for k in range(6):
        light += 30 * gaussian(light.shape, x[k], y[k], 1.0, 1.0 + 0.2 * k)
    light = light.astype(np.float32)
    none = np.zeros(light.shape, np.uint32)
    rows = measure_sources(light, np.ones_like(light), 0.0, none, x, y, kernel_fwhm=fwhm)
    peer = DAOFindCatalog(light.astype(float), np.stack([x, y], 1), fwhm)
    np.testing.assert_allclose(rows.sharpness, peer.sharpness, rtol=1e-4)
    np.testing.assert_allclose(rows.roundness1, peer.roundness1, rtol=1e-3, atol=1e-5)
