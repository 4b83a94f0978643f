"""The one call: what goes in, what comes out, whatever is in between."""

from dataclasses import fields

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.measure.measurements import Caution, SourceMeasurements
from roman_dms.measure.sources import measure_sources
from tests.measure.drawn_sources import gaussian, gaussian_psf, lattice

PSF = gaussian_psf(1.2)


@pytest.fixture(scope="module")
def field():
    return lattice(30 * gaussian((31, 31), 15.2, 15.1, 1.2), (0.2, 0.1), 20, 4.0, seed=1)


def values(rows):
    return {q.name: getattr(rows, q.name) for q in fields(SourceMeasurements)}


def test_every_quantity_is_declared_and_has_one_row_a_source(field):
    rows = measure_sources(*field.arguments, psf=PSF, radii=(1.0, 2.0, 3.0))
    for quantity in fields(SourceMeasurements):
        array = getattr(rows, quantity.name)
        assert len(array) == 400 == len(rows)
        assert array.dtype == quantity.metadata["kind"]
        assert quantity.metadata["meaning"]
        assert "unit" in quantity.metadata
    assert rows.circle_flux.shape == rows.circle_flux_err.shape == (400, 3)


def test_threads_do_not_matter(field):
    one = values(measure_sources(*field.arguments, psf=PSF, workers=1))
    many = values(measure_sources(*field.arguments, psf=PSF, workers=5))
    for name, expected in one.items():
        np.testing.assert_array_equal(many[name], expected, err_msg=name)


def test_correlated_noise_enlarges_all_errors(field):
    plain = values(measure_sources(*field.arguments, psf=PSF))
    more = values(measure_sources(*field.arguments, psf=PSF, correlation=1.3))
    for name, expected in plain.items():
        factor = {"err": 1.3, "cov": 1.69}.get(name.rsplit("_", 1)[-1], 1)
        np.testing.assert_allclose(more[name], factor * expected, rtol=1e-5, err_msg=name)


def test_no_source():
    nothing = np.zeros((30, 30), np.float32)
    rows = measure_sources(nothing, nothing + 1, 0.0, nothing.astype(np.uint32), [], [], psf=PSF)
    assert len(rows) == 0
    assert rows.circle_flux.shape == (0, 5)


def test_an_image_that_says_nothing():
    zero = np.zeros((60, 60), np.float32)
    segments = np.zeros(zero.shape, np.uint32)
    segments[20:25, 20:25] = 1
    rows = values(measure_sources(zero, zero + np.inf, 0.0, segments, [22.0], [22.0], psf=PSF))
    assert np.isnan(rows["kron_flux"][0])
    assert np.isnan(rows["circle_flux"][0]).all()
    assert rows["warning_flags"][0] & Caution.NO_PIXELS


@pytest.mark.parametrize("scale", [0, 1, 1e-20, 1e20])
def test_never_infinite(scale):
    rng = np.random.default_rng(2)
    light = (scale * rng.normal(size=(120, 120))).astype(np.float32)
    segments = rng.integers(0, 30, light.shape).astype(np.uint32)
    segments[:60] = 0
    segments[70:90] = 29
    variance = np.where(rng.random(light.shape) < 0.2, np.inf, 1).astype(np.float32)
    variance[5:10] = np.nan
    x, y = rng.uniform(-20, 140, (2, 29))
    x[:3], y[1:4], x[5] = np.nan, np.inf, 1e30
    rows = values(measure_sources(light, variance, 0.5, segments, x, y, psf=PSF))
    for name, array in rows.items():
        assert not np.isinf(array.astype(float)).any(), name
    assert (rows["warning_flags"][:4] & Caution.CENTRE_UNUSABLE).all()


def test_a_source_as_large_as_the_image():
    light = 1e5 * gaussian((600, 600), 300, 290, 110.0).astype(np.float32)
    segments = np.ones(light.shape, np.uint32)
    rows = measure_sources(light, np.ones_like(light), 0.0, segments, [300.0], [290.0], psf=PSF)
    assert rows.segment_flux[0] == pytest.approx(1e5, rel=0.02)
    assert rows.warning_flags[0] & Caution.EDGE
    assert rows.is_extended[0]


def test_what_does_not_belong_together_is_refused():
    image = np.ones((30, 30), np.float32)
    labels = np.ones((30, 30), np.uint32)
    with pytest.raises(UsageError, match="segment 1 but there are 0"):
        measure_sources(image, image, 0.0, labels, [], [])
    with pytest.raises(UsageError, match="shapes"):
        measure_sources(image, image[1:], 0.0, labels, [1.0], [1.0])
    with pytest.raises(UsageError, match="Positions"):
        measure_sources(image, image, 0.0, labels, [1.0], [1.0, 2.0])
    with pytest.raises(UsageError, match="radii"):
        measure_sources(image, image, 0.0, labels, [1.0], [1.0], radii=(0.0, 1.0))


def test_a_source_without_a_segment_keeps_its_circles(field):
    light, variance, per_light, segments, x, y = field.arguments
    bare = np.where(segments == 7, 0, segments)
    rows = measure_sources(light, variance, per_light, bare, x, y, psf=PSF)
    whole = measure_sources(*field.arguments, psf=PSF)
    assert rows.segment_area[6] == 0
    assert rows.bbox_xmin[6] == -1
    assert rows.warning_flags[6] & Caution.NO_PIXELS
    assert np.isnan(rows.kron_flux[6])
    np.testing.assert_array_equal(rows.circle_flux[6], whole.circle_flux[6])
    assert rows.extendedness[6] == whole.extendedness[6]
