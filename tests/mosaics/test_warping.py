import galsim
import numpy as np
import pytest
from drizzle.resample import Drizzle

from roman_dms.errors import UsageError
from roman_dms.mosaics import kernels
from roman_dms.mosaics.geometry import Area
from roman_dms.mosaics.images import InputImage
from roman_dms.mosaics.warping import Warped, warp, warp_anew

from .exposures import BLOCK, SIZE, image_of, noise_image, way

INNER = (slice(6, -6), slice(6, -6))  # drizzle drops pixels that stick out of its output


def drizzled(image, found, pixfrac=1.0, kernel="square", scale=0.5):
    """Light, weight and the first variance as drizzle finds them."""
    y, x = np.indices(image.data.shape).astype(float)
    pixmap = np.stack(found.to_mosaic(x, y), -1)
    drizzle = Drizzle(kernel=kernel, out_shape=found.block.shape, fillval=0.0, fillval2=0.0)
    drizzle.add_image(
        image.data,
        1.0,
        pixmap,
        weight_map=image.weight,
        data2=image.variances["var_a"],
        pixfrac=pixfrac,
        pixel_scale_ratio=scale,
    )
    weight = drizzle.out_wht.astype(float)
    return drizzle.out_img * weight, weight, drizzle.out_img2[0] * weight**2


def planes(warped: Warped):
    return warped.light, warped.weight, warped.variances["var_a"]


@pytest.mark.parametrize("angle", [0, 17, 45, 90])
@pytest.mark.parametrize("scale", [0.5, 1.0, 0.45, 2.0])
@pytest.mark.parametrize("pixfrac", [1.0, 0.8, 0.5])
def test_as_drizzle(angle, scale, pixfrac):
    """Affine maps: to the rounding of float32."""
    image, found = noise_image(angle), way(angle, scale, shift=(0.21, 0.34))
    ours = planes(warp(image, found, BLOCK, kernels.square(pixfrac)))
    theirs = drizzled(image, found, pixfrac, scale=scale)
    for our, their in zip(ours, theirs, strict=True):
        assert np.abs(our - their)[INNER].max() < 1e-5 * their.max()


@pytest.mark.parametrize("angle", [17, 90])
def test_as_drizzle_through_distortion(angle):
    """Area changes by 1 per cent across 2,000 pixels; ours has one shape to 48 pixels."""
    image, found = noise_image(3), way(angle, 0.5, bend=1.5e-6, shift=(0.21, 0.34))
    ours = planes(warp(image, found, BLOCK, kernels.square()))
    for our, their in zip(ours, drizzled(image, found), strict=True):
        assert np.abs(our - their)[INNER].max() < 2e-4 * their.max()


@pytest.mark.parametrize(
    ("kernel", "name", "limit"),
    [
        (kernels.square(0.0), "point", 1e-6),
        (kernels.point(), "point", 1e-6),
        (kernels.turbo(0.8), "turbo", 1e-4),
        (kernels.gaussian(0.8), "gaussian", 1e-4),
        (kernels.lanczos3(), "lanczos3", 5e-3),
    ],
)
@pytest.mark.filterwarnings("ignore:Kernel .* is not a flux-conserving kernel")
def test_other_kernels_as_in_drizzle(kernel, name, limit):
    """Drizzle tabulates Lanczos' function in steps of 0.01; data scatter by 1."""
    image, found = noise_image(4), way(17, 0.5, shift=(0.21, 0.34))
    pixfrac = 0.8 if name in ("turbo", "gaussian") else 1.0
    light, weight, _ = planes(warp(image, found, BLOCK, kernel))
    their_light, their_weight, _ = drizzled(image, found, pixfrac, name)
    seen = np.zeros(BLOCK.shape, bool)
    seen[12:-12, 12:-12] = True
    seen &= (their_weight > 0.1 * their_weight.max()) & (weight > 0)
    assert seen.sum() > 500
    ours, theirs = light[seen] / weight[seen], their_light[seen] / their_weight[seen]
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < limit


def star(x: float, y: float):
    """Pixel values of an undersampled star, and their sum by closed form: 1000."""
    profile = galsim.Moffat(beta=4, fwhm=1.3, trunc=18.0, flux=1000.0)
    drawn = profile.drawImage(
        nx=SIZE,
        ny=SIZE,
        scale=1.0,
        offset=(x - (SIZE - 1) / 2, y - (SIZE - 1) / 2),
    )
    return drawn.array


@pytest.mark.parametrize("angle", [0, 17, 45, 60, 90])
@pytest.mark.parametrize(
    ("scale", "pixfrac", "shift"), [(0.5, 1.0, 0.005), (0.5, 0.5, 0.005), (0.45, 1.0, 0.015)]
)
def test_stars_keep_flux_and_place(angle, scale, pixfrac, shift):
    """Five sub-pixel phases; a pixfrac of 0.5 leaves gaps, but for four dithers that fill them.

    Where an output pixel gets a part of a drop, the light counts at the pixel's centre: with
    grids that are not commensurate one exposure of an undersampled star may move by 0.012 pixel.
    """
    rng = np.random.default_rng(angle)
    rows, columns = np.indices(BLOCK.shape)
    dithers = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)] if pixfrac < 1 else [(0.0, 0.0)]
    for x, y in rng.uniform(46.5, 48.5, (5, 2)):
        light, weight = 0.0, 0.0
        for dx, dy in dithers:
            found = way(angle, scale, shift=(dx, dy))
            warped = warp(image_of(star(x + dx, y + dy)), found, BLOCK, kernels.square(pixfrac))
            light, weight = light + warped.light.astype(float), weight + warped.weight
        mosaic = light / weight
        assert mosaic.sum() * scale**2 == pytest.approx(1000, rel=1e-4)
        centre = way(angle, scale).to_image(
            *(np.array([(mosaic * at).sum() / mosaic.sum()]) for at in (columns, rows))
        )
        assert np.hypot(centre[0][0] - x, centre[1][0] - y) < shift


def test_flux_through_distortion():
    """What counts is surface brightness times the area on the mosaic."""
    found = way(17, 0.5, bend=2e-5)
    x, y, step = 60.2, 57.9, 0.5
    sides = np.array(
        [
            found.to_mosaic(np.array([x + step * i]), np.array([y + step * j]))
            for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1))
        ]
    )[..., 0]
    area = abs(np.linalg.det([sides[1] - sides[0], sides[3] - sides[2]]))
    warped = warp(image_of(star(x, y)), found, BLOCK, kernels.square())
    mosaic = warped.light.astype(float) / warped.weight
    assert abs(area / 4 - 1) > 2e-4  # what is at stake
    assert mosaic.sum() == pytest.approx(1000 * area, rel=1e-4)


@pytest.mark.parametrize("kernel", [kernels.square(), kernels.square(0.7), kernels.lanczos3()])
def test_pixels_depend_on_their_block_alone(kernel):
    """Not on the area, nor on how much of the image is at hand: to the last bit."""
    block = Area(-480, 960, 480, 480)
    found = way(31, 0.5, block=block, bend=2e-6, size=320)
    image = noise_image(1, 320)
    whole = warp(image, found, block.grown(10), kernel)
    for area in (block, Area(-333, 1007, 81, 5), Area(-490, 1200, 13, 77), Area(-100, 1449, 1, 1)):
        window = found.window(area, image.data.shape, 12)
        assert window is not None
        some = warp(image.part(window), found, area, kernel)
        for one, other in zip(planes(some), planes(whole.part(area)), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kernel", [kernels.square(), kernels.square(0.4), kernels.gaussian()])
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_warp_anew_is_warp_without_the_pixels(kernel, scale):
    image, found = noise_image(5), way(63, scale, bend=1e-5)
    area = BLOCK.grown(4)
    before = warp(image, found, area, kernel)
    rejected = np.random.default_rng(6).integers(-3, SIZE + 3, (60, 2))
    weight = image.weight.copy()
    inside = rejected[((rejected >= 0) & (rejected < SIZE)).all(1)]
    weight[inside[:, 0], inside[:, 1]] = 0
    cleaned = InputImage(image.window, image.data, weight, image.variances)
    truth = warp(cleaned, found, area, kernel)
    anew = warp_anew(before, image, found, kernel, rejected)
    assert not np.array_equal(truth.weight, before.weight)
    for one, other in zip(planes(anew), planes(truth), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_rejected_nothing_done():
    image, found = noise_image(5), way()
    before = warp(image, found, BLOCK, kernels.square())
    for rejected in (np.array([[-5, 3], [3, SIZE]]), np.empty((0, 2), int)):
        assert warp_anew(before, image, found, kernels.square(), rejected) is before


def test_only_what_the_image_covers():
    """A detector whose corner alone reaches the block, against drizzle."""
    image, found = noise_image(7), way(17, 0.5, shift=(60.2, -50.3))
    ours = planes(warp(image, found, BLOCK, kernels.square()))
    theirs = drizzled(image, found)
    assert 0.02 < (ours[1] > 0).mean() < 0.5
    for our, their in zip(ours, theirs, strict=True):
        assert np.abs(our - their)[INNER].max() < 1e-5 * their.max()
    far = warp(image, way(17, 0.5, shift=(500.0, 0.0)), BLOCK, kernels.square())
    assert not far.weight.any()


def test_variances_on_demand_and_in_any_number():
    image, found = noise_image(8), way()
    assert warp(image, found, BLOCK, kernels.square(), variances=False).variances == {}
    four = {f"var_{k}": (k + 1) * image.variances["var_a"] for k in range(4)}
    image = InputImage(image.window, image.data, image.weight, four)
    warped = warp(image, found, BLOCK, kernels.square())
    for k in range(4):
        expected = (k + 1) * warped.variances["var_0"]
        np.testing.assert_allclose(warped.variances[f"var_{k}"], expected, rtol=1e-6)


def test_area_too_far_from_its_block():
    with pytest.raises(UsageError, match="too far"):
        warp(noise_image(9), way(), Area(200, 0, 10, 10), kernels.square())
