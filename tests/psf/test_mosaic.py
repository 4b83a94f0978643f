"""The PSF of a mosaic against mosaics made with the drizzle package, and closed forms."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from drizzle.resample import Drizzle
from gwcs import WCS
from scipy.special import erf

from roman_dms.errors import UsageError
from roman_dms.instrument.apertures import detector_aperture
from roman_dms.psf.effective import PsfModel
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.mosaic import Contribution, mosaic_psf
from roman_dms.psf.steps.mosaic import MosaicExposure, on_mosaic
from roman_dms.sky.distortion import distortion_model
from roman_dms.sky.wcs import Pointing, build_wcs

SIGMA, WAVE = 0.9, 1.58


def star(x, y, size, sigma=SIGMA):
    """A Gaussian star on whole pixels."""

    def line(centre):
        place = np.arange(size) - centre
        upper, lower = ((place + side) / (np.sqrt(2) * sigma) for side in (0.5, -0.5))
        return (erf(upper) - erf(lower)) / 2

    return np.outer(line(y), line(x))


def model(sigma=SIGMA, detector="WFI01", noise=None):
    fine = np.arange(-40, 41) / 4
    upper, lower = ((fine + side) / (np.sqrt(2) * sigma) for side in (0.5, -0.5))
    line = (erf(upper) - erf(lower)) / 2
    samples = np.outer(line, line)[None, None, None].astype(np.float32)
    wings = star(30, 30, 61, sigma).astype(np.float32)
    zero = np.zeros(1)
    grid = PsfGrid(detector, "F158", 4, zero, zero, np.array([WAVE]), samples, wings)
    return PsfModel(grid, scatter=noise)


def rotation(angle, scale):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return scale * np.array([[c, -s], [s, c]])


@pytest.mark.parametrize("pixfrac", [0.5, 1.0])
def test_as_drizzle_makes_it(pixfrac):
    """144 dithers by twelfths of a pixel, turned by 25 degrees, pixels half as wide."""
    matrix = rotation(25.0, 0.5)
    size, middle, steps = 31, 30.0, (np.arange(12) + 0.3) / 12 - 0.5
    inverse = np.linalg.inv(matrix)
    drizzle = Drizzle(kernel="square", out_shape=(61, 61), fillval="0.0")
    for x, y in 15 + np.array(list(product(steps, steps))):
        rows, columns = np.mgrid[:size, :size]
        offsets = np.stack([columns - x, rows - y])
        out = np.tensordot(inverse, offsets, axes=1) + middle
        drizzle.add_image(
            star(x, y, size), exptime=1.0, pixmap=out.transpose(1, 2, 0), pixfrac=pixfrac,
            in_units="cps", iscale=1.0, pixel_scale_ratio=1.0,
        )  # fmt: skip
    # drizzle keeps surface brightness per input pixel; a mosaic pixel is 1/4 of one
    truth = drizzle.out_img[18:43, 18:43] * abs(np.linalg.det(matrix))

    one = Contribution(model(), 0.0, 0.0, matrix)
    found = mosaic_psf([one], pixfrac=pixfrac, size=25, wavelength=WAVE)

    assert np.abs(found.images[0] - truth).max() < 1e-3 * truth.max()
    assert found.images[0].sum() == pytest.approx(truth.sum(), abs=1e-3)


def test_points_and_same_pixels_leave_the_pixel_of_the_mosaic():
    """A Gaussian integrated over pixels twice, by plain sums."""
    found = mosaic_psf(
        [Contribution(model(1.5), 0.0, 0.0, np.eye(2))], pixfrac=0, size=9, wavelength=WAVE
    ).images[0]
    fine = np.arange(-320, 321) / 32
    box = np.r_[0.5, np.ones(31), 0.5] / 32
    line = np.exp(-(fine**2) / (2 * 1.5**2)) / np.sqrt(2 * np.pi * 1.5**2)
    for _ in range(2):
        line = np.convolve(line, box, mode="same")
    line = line[320 - 4 * 32 : 320 + 4 * 32 + 1 : 32]
    np.testing.assert_allclose(found, np.outer(line, line), atol=3e-4 * found.max())


def test_exposures_count_by_weight_and_share_errors():
    sharp, wide = model(0.8), model(1.2, "WFI02")
    noise = np.full(sharp.grid.samples.shape[1:], 1e-4, np.float32)
    noisy = replace(sharp, scatter=noise)
    alone = [
        mosaic_psf([Contribution(m, 0.0, 0.0, np.eye(2))], size=9, wavelength=WAVE).images[0]
        for m in (sharp, wide)
    ]
    both = mosaic_psf(
        [Contribution(sharp, 0, 0, np.eye(2), 3.0), Contribution(wide, 0, 0, np.eye(2), 1.0)],
        size=9, wavelength=WAVE,
    ).images[0]  # fmt: skip
    one = Contribution(noisy, 0.0, 0.0, np.eye(2))
    single, twice = (
        mosaic_psf(exposures, size=9, wavelength=WAVE).error[0] for exposures in ([one], [one, one])
    )
    other = Contribution(replace(noisy), 0.0, 0.0, np.eye(2))  # another model, equally noisy
    mixed = mosaic_psf([one, other], size=9, wavelength=WAVE).error[0]

    np.testing.assert_allclose(both, 0.75 * alone[0] + 0.25 * alone[1], atol=1e-6)
    np.testing.assert_allclose(twice, single, rtol=1e-4)  # the same PSF errs alike
    np.testing.assert_allclose(mixed, single / np.sqrt(2), rtol=1e-4)


def exposure(ra, dec, roll):
    place = detector_aperture("WFI01")
    pointing = Pointing(place.v2_ref, place.v3_ref, ra, dec, roll)
    wcs = build_wcs(distortion_model("WFI01", 0, 0, (4088, 4088)), pointing, (4088, 4088))
    assert isinstance(wcs, WCS)
    return wcs


def test_at_a_position_on_the_sky():
    """An elongated PSF, seen by exposures that are turned by 90 degrees to one another."""
    round_one = model(1.0)
    flat = np.zeros_like(round_one.grid.samples)
    narrow, wide = (model(sigma).grid.samples[0, 0, 0, 40] for sigma in (0.7, 1.6))
    flat[0, 0, 0] = np.outer(narrow, wide)
    flat /= flat.sum() / round_one.grid.samples.sum()
    long = replace(round_one, grid=replace(round_one.grid, samples=flat))
    ra, dec = 270.0, 66.0

    def moments(exposures):
        image = on_mosaic(ra, dec, 0.055, exposures, size=25, wavelength=WAVE).images[0]
        place = np.arange(25) - 12
        return [(image.sum(axis=axis) * place**2).sum() / image.sum() for axis in (0, 1)]

    one = MosaicExposure(exposure(ra, dec, 0.0), long)
    turned = MosaicExposure(exposure(ra, dec, 90.0), long)
    away = MosaicExposure(exposure(ra + 5, dec, 0.0), model(3.0))

    xx, yy = moments([one])
    xx_turned, yy_turned = moments([turned])
    assert abs(xx - yy) > 3
    np.testing.assert_allclose([xx, yy], [yy_turned, xx_turned], rtol=0.02)
    np.testing.assert_allclose(moments([one, turned, away]), (xx + yy) / 2, rtol=0.02)
    # on its own pixels an exposure keeps its PSF
    own = exposure(ra, dec, 0.0)
    same = on_mosaic(ra, dec, own, [one], size=9, wavelength=WAVE, pixfrac=0.0).images[0]
    alone = mosaic_psf([Contribution(long, 0, 0, np.eye(2))], size=9, wavelength=WAVE, pixfrac=0.0)
    np.testing.assert_allclose(same, alone.images[0], atol=1e-5)
    with pytest.raises(UsageError, match="None of the 1 exposures"):
        on_mosaic(ra, dec, 0.055, [away])


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"weight": -1.0}, {}),
        ({"weight": np.nan}, {}),
        ({"matrix": np.zeros((2, 2))}, {}),
        ({}, {"pixfrac": 1.5}),
        ({}, {"size": 4}),
        ({"jitter": 0.001}, {}),
    ],
)
def test_impossible_mosaics(changes, settings):
    one = replace(Contribution(model(), 0.0, 0.0, np.eye(2)), **changes)
    with pytest.raises(UsageError):
        mosaic_psf([one], **settings)


def test_no_exposures_and_two_elements():
    one = Contribution(model(), 0.0, 0.0, np.eye(2))
    red = replace(one, model=PsfModel(replace(one.model.grid, element="F184")))
    for exposures in ([], [one, red]):
        with pytest.raises(UsageError):
            mosaic_psf(exposures)
