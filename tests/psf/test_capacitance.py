"""Capacitance in effective PSFs, against stars on pixels that scipy and GalSim couple."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from roman_dms.errors import FormatError
from roman_dms.psf.capacitance import with_capacitance
from roman_dms.psf.grid import PsfGrid

UNEVEN = np.array([[0.001, 0.004, 0.002], [0.02, 0.95, 0.006], [0.003, 0.007, 0.007]])
OVERSAMPLE = 4


def light(x, y, width):
    """A Gaussian, as light in a pixel; its share in pixels and not its shape matters here."""
    return np.exp(-(x**2 + y**2) / (2 * width**2)) / (2 * np.pi * width**2)


def gaussian_grid(widths, half=10, wide=15):
    """Two colours at 1 x 2 nodes, each of its own width."""
    steps = np.arange(-half * OVERSAMPLE, half * OVERSAMPLE + 1) / OVERSAMPLE
    samples = np.array([light(steps, steps[:, None], width) for width in widths], np.float32)
    whole = np.arange(-wide, wide + 1)
    wings = light(whole, whole[:, None], np.mean(widths)).astype(np.float32)
    places = np.array([0.0, 100.0]), np.array([50.0])
    shape = (2, 1, 2, *samples.shape[1:])
    waves = np.array([1.4, 1.7])
    return PsfGrid("WFI01", "F158", OVERSAMPLE, *places, waves, samples.reshape(shape), wings)


def pixels(samples, phase_x, phase_y):
    """Pixels of a star, (offset of the first pixel from it, image), from oversampled light."""
    return samples[phase_y::OVERSAMPLE, phase_x::OVERSAMPLE]


@pytest.mark.parametrize("phase", [(0, 0), (1, 0), (2, 3), (3, 3)])
def test_a_star_on_coupled_pixels_at_any_phase(phase):
    """Drawn in closed form on pixels, coupled by scipy: pixel by pixel, an uneven kernel."""
    widths = [0.7, 0.8, 0.9, 1.1]
    found = with_capacitance(gaussian_grid(widths), UNEVEN)
    x, y = (p / OVERSAMPLE - 10 + np.arange(20) for p in phase)
    for samples, width in zip(found.samples.reshape(4, 81, 81), widths, strict=True):
        seen = convolve(light(x, y[:, None], width), UNEVEN, mode="nearest")
        star = pixels(samples, *phase)[:20, :20]
        np.testing.assert_allclose(star, seen, atol=2e-7)


def test_orientation_is_that_in_which_galsim_couples_pixels():
    """A star of GalSim, coupled by GalSim's own routine, which turns its kernel."""
    galsim = pytest.importorskip("galsim")
    from galsim import roman

    star = galsim.Gaussian(sigma=0.9)
    image = star.drawImage(nx=21, ny=21, scale=1.0, method="no_pixel", dtype=np.float64)
    roman.applyIPC(image, edge_treatment="crop")
    kernel = roman.ipc_kernel.array[::-1, ::-1] / roman.ipc_kernel.array.sum()

    found = with_capacitance(gaussian_grid([0.9] * 4), kernel).samples[0, 0, 0]

    star = pixels(found, 0, 0)
    np.testing.assert_allclose(star[1:-1, 1:-1], image.array[1:-1, 1:-1], atol=2e-6)


def test_light_and_its_centre():
    """No light is lost; its centre moves by the first moment of the kernel."""
    grid = gaussian_grid([0.8] * 4)
    found = with_capacitance(grid, UNEVEN)
    steps = (np.arange(81) - 40) / OVERSAMPLE
    expected = np.array(
        [UNEVEN[:, 2].sum() - UNEVEN[:, 0].sum(), UNEVEN[2].sum() - UNEVEN[0].sum()]
    )
    for samples in found.samples.reshape(4, 81, 81):
        total = samples.sum(dtype=float)
        assert total == pytest.approx(OVERSAMPLE**2, rel=1e-6)
        centre = [(samples.sum(axis=axis, dtype=float) * steps).sum() / total for axis in (0, 1)]
        np.testing.assert_allclose(centre, expected, atol=1e-6)
    assert found.wings.sum() == pytest.approx(grid.wings.sum(), rel=1e-5)


def test_wings_are_coupled_as_whole_pixels_and_join_the_core():
    grid = gaussian_grid([2.0] * 4, half=2)
    found = with_capacitance(grid, UNEVEN)
    seen = convolve(grid.wings.astype(float), UNEVEN, mode="nearest")
    outside = np.hypot(*np.indices((31, 31)) - 15) > 4
    np.testing.assert_allclose(found.wings[outside], seen[outside], atol=1e-7)
    core = found.samples[:, :, :, 8, 8].mean()
    assert found.wings[15, 15] == pytest.approx(core, rel=1e-6)


@pytest.mark.parametrize("kernel", [np.ones((5, 5)), np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_kernels_that_cannot_be_are_refused(kernel):
    with pytest.raises(FormatError, match="interpixel"):
        with_capacitance(gaussian_grid([1.0] * 4), kernel)
