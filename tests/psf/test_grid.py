import numpy as np
import pytest

from roman_dms.psf.grid import PsfGrid


def gaussian(half, oversample, xx, yy, xy):
    """A normalised Gaussian of a covariance [pixel2], as light in a pixel."""
    steps = np.arange(-half, half + 1) / oversample
    x, y = np.meshgrid(steps, steps)
    determinant = xx * yy - xy**2
    exponent = (yy * x**2 - 2 * xy * x * y + xx * y**2) / determinant
    return np.exp(-exponent / 2) / (2 * np.pi * np.sqrt(determinant))


def grid(wavelengths, samples=None, nodes_x=(0.0, 100.0), nodes_y=(0.0, 50.0, 80.0)):
    shape = (len(wavelengths), len(nodes_y), len(nodes_x), 1, 1)
    return PsfGrid(
        "WFI01",
        "F158",
        4,
        np.array(nodes_x),
        np.array(nodes_y),
        np.array(wavelengths),
        np.zeros(shape, np.float32) if samples is None else samples,
        np.zeros((1, 1), np.float32),
    )


@pytest.mark.parametrize(("count", "degree"), [(1, 0), (2, 1), (3, 2), (9, 3)])
def test_weights_reproduce_polynomials(count, degree):
    wavelengths = np.geomspace(0.75, 1.8, count)
    sought = np.linspace(wavelengths[0], wavelengths[-1], 37)

    weights = grid(wavelengths).weights(sought)

    assert weights.shape == (37, count)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(weights @ wavelengths**degree, sought**degree, rtol=2e-6)


def test_light_a_little_beyond_the_components():
    weights = grid([1.5, 1.6]).weights(np.array([1.2, 1.45, 1.62, 1.9]))

    np.testing.assert_allclose(
        weights, [[1.5, -0.5], [1.5, -0.5], [-0.2, 1.2], [-0.5, 1.5]], rtol=1e-5
    )


def test_bilinear_between_nodes_and_constant_beyond():
    def truth(x, y, wavelength):
        return 1 + 2 * x - y + 0.01 * x * y + 3 * wavelength

    made = grid([1.0, 2.0])
    for component, wavelength in enumerate(made.wavelengths):
        for row, y in enumerate(made.nodes_y):
            for column, x in enumerate(made.nodes_x):
                made.samples[component, row, column] = truth(x, y, wavelength)

    assert made.at(30, 60, 1.25) == pytest.approx(truth(30, 60, 1.25), rel=1e-6)
    assert made.at(-10, 200, 1.5) == pytest.approx(truth(0, 80, 1.5), rel=1e-6)


def test_moved_to_the_frame_of_a_cutout():
    made = grid([1.0])
    made.samples[...] = np.arange(6).reshape(1, 3, 2, 1, 1)

    cutout = made.moved(20, -3)

    assert cutout.at(10, 40, 1.0) == pytest.approx(made.at(30, 37, 1.0))
    assert cutout.at(10, 40, 1.0) != pytest.approx(made.at(10, 40, 1.0))


def test_on_a_turned_and_finer_mosaic():
    """A Gaussian stays one; its covariance transforms with the inverse matrix."""
    covariance = np.array([[1.2, 0.3], [0.3, 0.8]])
    angle = np.deg2rad(35)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = 0.5 * turn @ np.diag([-1, 1])
    inverse = np.linalg.inv(matrix)
    expected = inverse @ covariance @ inverse.T
    psf = gaussian(48, 4, *covariance[[0, 1, 0], [0, 1, 1]]).astype(np.float32)
    made = PsfGrid(
        "WFI01",
        "F158",
        4,
        np.array([0.0, 4087.0]),
        np.zeros(1),
        np.array([1.5]),
        np.broadcast_to(psf, (1, 1, 2, *psf.shape)),
        gaussian(40, 1, *covariance[[0, 1, 0], [0, 1, 1]]).astype(np.float32),
    )

    mosaic = made.on_mosaic(matrix, x=1000, y=1000, oversample=3)

    half = (mosaic.samples.shape[-1] - 1) // 2
    truth = gaussian(half, 3, *expected[[0, 1, 0], [0, 1, 1]])
    assert mosaic.samples.shape[:3] == (1, 1, 1)
    assert half >= 3 * 5 * np.sqrt(expected[0, 0])
    np.testing.assert_allclose(mosaic.samples[0, 0, 0], truth, atol=3e-4 * truth.max())
    wide = (mosaic.wings.shape[0] - 1) // 2
    on_pixels = gaussian(wide, 1, *expected[[0, 1, 0], [0, 1, 1]])
    np.testing.assert_allclose(mosaic.wings, on_pixels, atol=1e-3 * truth.max())
