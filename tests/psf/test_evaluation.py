"""Sampling of effective PSFs against closed forms and against finer samples of the optics."""

import numpy as np
import pytest
from scipy.special import erf

from roman_dms.errors import UsageError
from roman_dms.psf.evaluation import PsfField, blend, evaluate, padded, patch_shape
from roman_dms.psf.grid import PsfGrid
from roman_dms.psf.optics import optical_psf

SIGMA = 0.6
OVERSAMPLE = 4
SIZE = 21


def in_pixel(offset, sigma=SIGMA):
    """Share of a Gaussian's light along one axis in a pixel at an offset, in closed form."""
    scale = np.sqrt(2) * sigma
    return 0.5 * (erf((offset + 0.5) / scale) - erf((offset - 0.5) / scale))


def gaussian_grid(sigmas=((SIGMA,),), nodes_x=(0.0,), nodes_y=(0.0,), oversample=OVERSAMPLE):
    """A grid of effective PSFs that are Gaussians in pixels, one width a node."""
    half = SIZE // 2 * oversample
    offset = np.arange(-half, half + 1) / oversample
    samples = [
        [np.outer(in_pixel(offset, sigma), in_pixel(offset, sigma)) for sigma in row]
        for row in sigmas
    ]
    whole = np.arange(-30, 31)
    wings = np.outer(in_pixel(whole), in_pixel(whole))
    return PsfGrid(
        "WFI01", "F158", oversample, np.array(nodes_x), np.array(nodes_y), np.array([1.5, 1.6]),
        np.array([samples, samples], np.float32), wings.astype(np.float32),
    )  # fmt: skip


def expected(x, y, half, sigma=SIGMA):
    steps = np.arange(-half, half + 1)
    column, row = round(x) + steps, round(y) + steps
    return np.outer(in_pixel(row - y, sigma), in_pixel(column - x, sigma))


@pytest.mark.parametrize("x", [50.0, 50.49, 49.51, 50.137, 50.25])
@pytest.mark.parametrize("y", [20.0, 20.5, 19.77])
def test_a_star_has_the_light_of_the_closed_form(x, y):
    stamp = PsfField.of(gaussian_grid()).pixels(x, y, 6)
    assert np.abs(stamp - expected(x, y, 6)).max() < 1e-5 * stamp.max()
    assert abs(stamp.sum() - 1) < 1e-5


@pytest.mark.parametrize("oversample", [2, 3, 5])
def test_any_oversampling(oversample):
    field = PsfField.of(gaussian_grid(oversample=oversample))
    stamp = field.pixels(7.3, 8.6, 5)
    # two samples a pixel are few for a core this narrow
    limit = 2e-3 if oversample == 2 else 1e-4
    assert np.abs(stamp - expected(7.3, 8.6, 5)).max() < limit * stamp.max()


def test_slopes_are_those_of_the_closed_form():
    field, half = PsfField.of(gaussian_grid()), 4
    patch = np.zeros(patch_shape(OVERSAMPLE, half), np.float32)
    out = np.empty((3, 2 * half + 1, padded(2 * half + 1)), np.float32)
    blend(field.coefficients, field.nodes_x, field.nodes_y, 5.0, 5.0, half, patch)
    for dx, dy in [(0.0, 0.0), (0.31, -0.44), (-0.9, 0.8), (1.0, -1.0)]:
        evaluate(patch, half, dx, dy, out)
        u = np.arange(-half, half + 1) - dx
        v = np.arange(-half, half + 1) - dy

        def edge(w):
            return np.exp(-((w - 0.5) ** 2) / 2 / SIGMA**2) - np.exp(
                -((w + 0.5) ** 2) / 2 / SIGMA**2
            )

        norm = np.sqrt(2 * np.pi) * SIGMA
        by_x, by_y = out[1, :, : 2 * half + 1], out[2, :, : 2 * half + 1]
        peak = np.abs(by_x).max()
        assert np.abs(by_x - np.outer(in_pixel(v), edge(u) / norm)).max() < 2e-4 * peak
        assert np.abs(by_y - np.outer(edge(v) / norm, in_pixel(u))).max() < 2e-4 * peak


@pytest.mark.parametrize(("element", "limit"), [("F106", 1e-4), ("F158", 1e-4), ("F213", 1e-4)])
def test_the_optics_between_samples(element, limit):
    """A star a third of a sample off, against the optical model sampled twelve times finer."""
    kind = {"wavelengths": [1.05 if element == "F106" else 1.6 if element == "F158" else 2.1]}
    coarse = optical_psf("WFI01", element, 2000, 2000, **kind, oversample=4, size=21)
    fine = optical_psf("WFI01", element, 2000, 2000, **kind, oversample=12, size=21)
    grid = PsfGrid(
        "WFI01", element, 4, np.zeros(1), np.zeros(1), np.array([1.0, 2.5]),
        np.array([coarse, coarse], np.float32)[:, None, None], np.zeros((61, 61), np.float32),
    )  # fmt: skip
    stamp = PsfField.of(grid).pixels(10 + 1 / 12, 10 - 5 / 12, 6)
    middle = (fine.shape[0] - 1) // 2
    steps = np.arange(-6, 7) * 12 + middle
    truth = fine[np.ix_(steps + 5, steps - 1)]
    assert np.abs(stamp - truth).max() < limit * truth.max()


def test_between_nodes_it_is_bilinear():
    grid = gaussian_grid([[0.5, 0.7], [0.6, 0.9]], (100.0, 300.0), (0.0, 400.0))
    stamp = PsfField.of(grid).pixels(150.2, 300.4, 4)
    u, v = 50.2 / 200, 300.4 / 400
    shares = {0.5: (1 - v) * (1 - u), 0.7: (1 - v) * u, 0.6: v * (1 - u), 0.9: v * u}
    truth = sum(share * expected(150.2, 300.4, 4, sigma) for sigma, share in shares.items())
    assert np.abs(stamp - truth).max() < 1e-4 * truth.max()


def test_beyond_the_samples_come_the_wings():
    field = PsfField.of(gaussian_grid())
    wings = np.zeros((61, 61), np.float32)
    wings[:, :] = np.arange(61)  # bilinear interpolation is exact
    field = PsfField(**{**vars(field), "wings": wings})
    stamp = field.pixels(10.25, 7.0, 20)
    columns = np.arange(41)
    assert np.allclose(stamp[0], columns + 10 - 0.25)
    near = 20 - field.reach
    assert stamp[20, near] < 1e-6
    assert stamp[20, near - 1] == pytest.approx(near - 1 + 10 - 0.25)


def test_a_psf_that_is_not_finite_is_refused():
    grid = gaussian_grid()
    grid.samples[0, 0, 0, 3, 3] = np.nan
    with pytest.raises(UsageError, match="not finite"):
        PsfField.of(grid)


def test_a_psf_without_light_is_refused():
    grid = gaussian_grid()
    grid.samples[:] = 0
    with pytest.raises(UsageError, match="no light"):
        PsfField.of(grid)
