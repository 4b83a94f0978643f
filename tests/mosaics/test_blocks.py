import numpy as np
import pytest

from roman_dms.mosaics import blocks, kernels
from roman_dms.mosaics.blocks import MARGIN, Contribution, make_block
from roman_dms.mosaics.geometry import Area, block_map
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.outliers import OutlierSettings

from .exposures import BLOCK, SIZE, turned

DITHERS = [(0, (0.1, 0.2)), (31, (-3.3, 0.4)), (12, (0.6, 4.3)), (17, (-1.2, -2.1)), (5, (2, 1))]
LEVEL = 10.0
HITS = {1: np.array([(40, 41), (41, 42), (52, 30)]), 3: np.array([(45, 50)])}
"""Rows and columns, by image."""


def contributions(noise=0.0):
    """Exposures of a flat sky, some with hits."""
    random = np.random.default_rng(1)
    for number, (angle, shift) in enumerate(DITHERS):
        data = np.full((SIZE, SIZE), LEVEL) + noise * random.standard_normal((SIZE, SIZE))
        if number in HITS:
            data[tuple(HITS[number].T)] += 300
        weight = (random.random(data.shape) > 0.02).astype(np.float32)
        for at in HITS.get(number, ()):
            weight[tuple(at)] = 1
        variance = np.full(data.shape, 1.5, np.float32)
        image = InputImage(
            Area(0, 0, SIZE, SIZE), data.astype(np.float32), weight, {"var_a": variance}
        )
        found = block_map(turned(angle, 0.5, shift=shift), BLOCK, MARGIN)
        yield Contribution(number, image, found, LEVEL, variance, 0.0, 100.0)


def made(noise=0.0, outliers=None):
    return make_block(BLOCK, list(contributions(noise)), len(DITHERS), kernels.square(), outliers)


def test_hits_leave_no_trace():
    block = made(outliers=OutlierSettings())
    np.testing.assert_allclose(block.sums.data, LEVEL, rtol=1e-6)
    found = {number: places.tolist() for number, places in block.rejected if len(places)}
    assert found == {number: places.tolist() for number, places in HITS.items()}
    without = made()
    assert without.rejected == ()
    assert without.sums.data.max() > 1.5 * LEVEL  # it is the rejection that removes them
    assert (block.sums.exposure_time <= without.sums.exposure_time).all()


def test_many_images_as_few(monkeypatch):
    few = made(1.2, OutlierSettings())
    monkeypatch.setattr(blocks, "FEW", 2)
    many = made(1.2, OutlierSettings())
    for name in ("data", "err", "weight", "context", "exposure_time"):
        np.testing.assert_array_equal(getattr(many.sums, name), getattr(few.sums, name))
    np.testing.assert_array_equal(many.sums.variances["var_a"], few.sums.variances["var_a"])
    for (_, one), (_, other) in zip(few.rejected, many.rejected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sum(len(places) for _, places in few.rejected) >= 4


@pytest.mark.parametrize("outliers", [None, OutlierSettings()])
def test_no_image(outliers):
    block = make_block(BLOCK, [], 3, kernels.square(), outliers)
    assert np.isnan(block.sums.data).all()
    assert not block.sums.context.any()
