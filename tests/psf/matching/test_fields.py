import numpy as np
import pytest

from roman_dms.errors import CalibrationError, UsageError
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.matching.fields import kernel_field
from tests.psf.matching.gaussians import gaussian

EDGE = 99.0


def grid(width):
    """Gaussians whose standard deviation is a function of the place, in three by three nodes."""
    nodes = np.array([0.0, EDGE / 2, EDGE])
    psfs = [[gaussian(width(x, y), size=25) for x in nodes] for y in nodes]
    samples = np.array(psfs, np.float32)[None]
    wings = np.zeros((33, 33), np.float32)
    return PsfGrid("WFI01", "F158", 4, nodes, nodes, np.array([1.5]), samples, wings)


SOURCE = grid(lambda x, y: 1.2 + 0.1 * x / EDGE)
TARGET = grid(lambda x, y: 1.8 + 0.2 * y / EDGE)


def test_kernels_follow_the_psfs():
    field = kernel_field(SOURCE, TARGET, (3, 2))

    assert field.kernels.shape == (2, 3, 25, 25)
    for y, sigma_y in ((0.0, 1.8), (EDGE, 2.0)):
        for x, sigma_x in ((0.0, 1.2), (EDGE, 1.3)):
            exact = gaussian(np.sqrt(sigma_y**2 - sigma_x**2), size=25, oversample=1)
            assert np.abs(field.at(x, y) - exact).max() < 2e-3 * exact.max()
    middle = field.at(EDGE / 4, 0.0)
    np.testing.assert_allclose(middle, (field.kernels[0, 0] + field.kernels[0, 1]) / 2)
    np.testing.assert_array_equal(field.at(-50.0, -50.0), field.kernels[0, 0])
    assert field.largest < 1e-3
    # Two nodes where the target widens by a tenth: the mean of its ends is not its middle.
    mean = (1.8**-2 + 2.0**-2) / 2
    assert field.between.largest == pytest.approx(mean * 1.9**2 - 1, rel=0.15)


def test_each_star_gets_the_target_of_its_place():
    field = kernel_field(SOURCE, TARGET, (3, 3))
    image = np.zeros((100, 100))
    place = np.arange(100)
    for x, y in ((20, 30), (80, 70)):
        sigma = 1.2 + 0.1 * x / EDGE
        image += (
            7
            * np.exp(-((place - x) ** 2 + (place[:, None] - y) ** 2) / 2 / sigma**2)
            / (2 * np.pi * sigma**2)
        )

    matched = field.convolved(image)

    assert matched.sum() == pytest.approx(image.sum(), rel=1e-6)
    for x, y in ((20, 30), (80, 70)):
        sigma = 1.8 + 0.2 * y / EDGE
        assert matched[y, x] == pytest.approx(7 / (2 * np.pi * sigma**2), rel=5e-3)


def test_variance_is_that_of_the_kernel_of_the_place():
    field = kernel_field(SOURCE, TARGET, (2, 2))

    variance = field.convolved_variance(np.full((100, 100), 3.0, np.float32))

    assert variance.dtype == np.float32
    assert variance[50, 50] == pytest.approx(3 * np.mean((field.kernels**2).sum((2, 3))), rel=0.02)


def test_one_node_and_one_target():
    target = gaussian(2.0, size=25)

    field = kernel_field(SOURCE, target, (1, 1))

    assert field.between is None
    np.testing.assert_allclose(field.nodes_x, [EDGE / 2])
    assert field.matches[0][0].pixels.residual.largest < 1e-3


def test_what_cannot_be_meant():
    with pytest.raises(UsageError, match="nodes"):
        kernel_field(SOURCE, TARGET, (0, 3))
    with pytest.raises(CalibrationError, match="sharpens"):
        kernel_field(TARGET, SOURCE, (1, 1))
