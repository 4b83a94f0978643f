import numpy as np
import pytest
from drizzle.resample import Drizzle

from roman_dms.errors import UsageError
from roman_dms.mosaics import kernels
from roman_dms.mosaics.combining import added, combined
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.warping import Warped, warp

from .exposures import BLOCK, image_of, noise_image, way

INNER = (slice(6, -6), slice(6, -6))
DITHERS = [(0, (0.1, 0.2)), (35, (-20.3, 0.4)), (90, (0.6, 31.3)), (17, (-7.2, -8.1))]


@pytest.fixture(scope="module")
def exposures():
    images = [noise_image(seed) for seed in range(len(DITHERS))]
    return images, [way(angle, shift=shift) for angle, shift in DITHERS]


@pytest.fixture(scope="module")
def warped(exposures):
    return [
        warp(image, found, BLOCK, kernels.square(0.9))
        for image, found in zip(*exposures, strict=True)
    ]


def test_as_drizzle(exposures, warped):
    drizzle = Drizzle(out_shape=BLOCK.shape, fillval=np.nan, fillval2=np.nan)
    for image, found in zip(*exposures, strict=True):
        y, x = np.indices(image.data.shape).astype(float)
        drizzle.add_image(
            image.data,
            1.0,
            np.stack(found.to_mosaic(x, y), -1),
            weight_map=image.weight,
            data2=[image.variances["var_a"], image.variances["var_b"]],
            pixfrac=0.9,
            pixel_scale_ratio=0.5,
        )
    ours = combined(warped, [100.0] * 4, BLOCK)
    for plane, truth in (
        (ours.data, drizzle.out_img),
        (ours.variances["var_a"], drizzle.out_img2[0]),
        (ours.variances["var_b"], drizzle.out_img2[1]),
        (ours.weight, drizzle.out_wht),
    ):
        np.testing.assert_allclose(plane[INNER], truth[INNER], rtol=3e-5)
    total = ours.variances["var_a"] + ours.variances["var_b"]
    np.testing.assert_allclose(ours.err, np.sqrt(total), rtol=1e-6)
    clear = np.abs(warped[1].weight) > 1e-4  # drizzle also counts shares of 1e-8
    clear |= warped[1].weight == 0
    same = (ours.context[0] == drizzle.out_ctx[0].astype(np.uint32))[INNER]
    assert same[clear[INNER]].mean() > 0.999


def test_context_and_exposure_time(warped):
    sequence = [None] * 40
    sequence[3], sequence[33] = warped[0], warped[1]
    times = np.arange(40) + 100.0
    mosaic = combined(sequence, times, BLOCK)
    assert mosaic.context.shape == (2, *BLOCK.shape)
    first, second = warped[0].weight > 0, warped[1].weight > 0
    np.testing.assert_array_equal(mosaic.context[0], first * np.uint32(8))
    np.testing.assert_array_equal(mosaic.context[1], second * np.uint32(2))
    np.testing.assert_array_equal(mosaic.exposure_time, first * 103.0 + second * 133.0)


def test_pixels_without_data(warped):
    one = combined(warped[1:2], [1.0], BLOCK)
    empty = warped[1].weight == 0
    assert empty.any()
    np.testing.assert_array_equal(np.isnan(one.data), empty)
    np.testing.assert_array_equal(np.isnan(one.err), empty)
    assert (one.weight[empty] == 0).all()
    nothing = combined([None, None], [1.0, 1.0], BLOCK)
    assert np.isnan(nothing.data).all()
    assert not nothing.context.any()


def test_part_of_the_exposures_areas(warped):
    part = Area(20, 31, 40, 9)
    some, whole = combined(warped, [1.0] * 4, part), combined(warped, [1.0] * 4, BLOCK)
    np.testing.assert_array_equal(some.data, whole.data[BLOCK.slices(part)])
    np.testing.assert_array_equal(some.context[0], whole.context[0][BLOCK.slices(part)])


def test_one_exposure_more(warped):
    """To a mosaic of float32: as if all had been combined at once."""
    times = [100.0, 110.0, 120.0, 130.0]
    at_once = combined(warped, times, BLOCK)
    later = added(combined(warped[:3], times[:3], BLOCK), warped[3], times[3], 3)
    for one, other in (
        (later.data, at_once.data),
        (later.err, at_once.err),
        (later.weight, at_once.weight),
        (later.variances["var_b"], at_once.variances["var_b"]),
        (later.exposure_time, at_once.exposure_time),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_array_equal(later.context, at_once.context)
    far = added(later, warped[0], 5.0, 64)
    assert far.context.shape[0] == 3
    np.testing.assert_array_equal(far.context[2], warped[0].weight > 0)


def test_the_same_number_twice(warped):
    mosaic = combined(warped[:2], [1.0, 1.0], BLOCK)
    with pytest.raises(UsageError, match="exposure number 1"):
        added(mosaic, warped[2], 1.0, 1)


def test_other_components(warped):
    other = Warped(BLOCK, warped[1].light, warped[1].weight, {"var_c": warped[1].weight})
    with pytest.raises(UsageError, match="var_c"):
        combined([warped[0], other], [1.0, 1.0], BLOCK)


def test_errors_are_the_scatter():
    """2,000 realisations of three exposures of unequal noise, weighted by inverse variance."""
    rng = np.random.default_rng(11)
    area, size = Area(36, 36, 24, 24), 40
    ways = [way(angle, shift=(dx, dy), size=size) for angle, (dx, dy) in DITHERS[:1] + DITHERS[3:]]
    ways.append(way(52, shift=(0.3, 0.8), size=size))
    variances = [rng.uniform(0.5, 3, (size, size)).astype(np.float32) for _ in ways]
    shape = image_of(np.zeros((size, size))).window
    kernel = kernels.square(0.8)
    total, squares, err = np.zeros(area.shape), np.zeros(area.shape), None
    for _ in range(2000):
        made = []
        for found, variance in zip(ways, variances, strict=True):
            noise = rng.standard_normal((size, size), np.float32) * np.sqrt(variance)
            image = InputImage(shape, noise, 1 / variance, {"var_a": variance})
            made.append(warp(image, found, area, kernel, variances=err is None))
        mosaic = combined(made, [1.0] * 3, area)
        err = mosaic.err if err is None else err
        total, squares = total + mosaic.data, squares + mosaic.data.astype(float) ** 2
    pulls = np.sqrt(squares / 2000) / err
    assert np.abs(total / 2000 / err).max() < 5 / np.sqrt(2000)
    assert pulls.mean() == pytest.approx(1, abs=0.005)
    assert np.abs(pulls - 1).max() < 5 / np.sqrt(4000)
