import numpy as np
import pytest
from shapely import affinity, box
from shapely.geometry import Polygon

from roman_dms.errors import UsageError
from roman_dms.mosaics import kernels


def shares_of(kernel, jacobian, x, y):
    """(side, side, n) shares for output pixels at (x, y), and the first pixel of each."""
    ready = kernel.shares(jacobian)
    first_x = np.floor(x - (ready.side - 1) / 2 + 0.5)
    first_y = np.floor(y - (ready.side - 1) / 2 + 0.5)
    share = np.empty((ready.side**2, x.size), np.float32)
    memory = np.empty((ready.edges.size, ready.edges.size, x.size))
    shape = (jacobian[0, 0], jacobian[1, 0], jacobian[0, 1], jacobian[1, 1])
    kernels.fill_shares(ready, shape, x.size, first_x - x, first_y - y, share, memory)
    return share.reshape(ready.side, ready.side, -1), first_x, first_y


def jacobian_of(angle, scale, shear=0.0):
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return scale * np.array([[-cosine, -sine + shear], [-sine, cosine]])


def output_pixel(jacobian, x, y):
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 @ jacobian.T
    return affinity.translate(Polygon(corners), x, y)


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 137, 261])
@pytest.mark.parametrize(
    ("scale", "pixfrac"), [(0.5, 1), (0.45, 0.8), (0.5, 0.3), (1, 1), (2, 0.7)]
)
def test_shares_are_areas_of_overlap(angle, scale, pixfrac):
    rng = np.random.default_rng(angle)
    jacobian = jacobian_of(angle, scale, shear=0.03)
    x, y = rng.uniform(10, 12, (2, 12))
    share, first_x, first_y = shares_of(kernels.square(pixfrac), jacobian, x, y)
    for n in range(x.size):
        pixel = output_pixel(jacobian, x[n], y[n])
        for row in range(6, 17):
            for column in range(6, 17):
                half = pixfrac / 2
                drop = box(column - half, row - half, column + half, row + half)
                j, i = row - int(first_y[n]), column - int(first_x[n])
                inside = 0 <= j < len(share) and 0 <= i < len(share)
                found = share[j, i, n] if inside else 0.0
                truth = pixel.intersection(drop).area / pixfrac**2
                assert found == pytest.approx(truth, rel=1e-5, abs=2e-6 * scale**2 / pixfrac**2)


def test_untouched_pixels_have_no_share():
    x = np.linspace(10, 11, 101)
    share, first_x, _ = shares_of(kernels.square(), jacobian_of(0, 0.4), x, np.full_like(x, 10.0))
    column = first_x + np.arange(2)[:, np.newaxis]
    outside = np.abs(column - x) > 0.7 + 1e-9
    assert outside.any()
    assert (share[:, outside] == 0).all()


@pytest.mark.parametrize(
    ("kernel", "ripple"),
    [
        (kernels.square(0.8), 1e-5),
        (kernels.point(), 1e-5),
        (kernels.turbo(0.7), 1e-5),
        (kernels.gaussian(1.0), 0.05),
        (kernels.lanczos3(), 0.02),
    ],
)
def test_light_of_a_pixel_is_shared_out_whole(kernel, ripple):
    """The shares of one input pixel, over all output pixels of a grid."""
    jacobian = jacobian_of(30, 0.5)
    u, v = (axis.ravel() - 9.5 for axis in np.meshgrid(np.arange(20), np.arange(20)))
    totals = []
    for shift in np.random.default_rng(2).uniform(-0.5, 0.5, (20, 2)):
        x, y = jacobian @ np.stack([u + shift[0], v + shift[1]]) + 20
        share, first_x, first_y = shares_of(kernel, jacobian, x, y)
        j, i = (20 - first_y).astype(int), (20 - first_x).astype(int)
        seen = (j >= 0) & (i >= 0) & (j < len(share)) & (i < len(share))
        totals.append(share[j[seen], i[seen], np.nonzero(seen)[0]].sum())
    assert np.abs(np.array(totals) - 1).max() < ripple


@pytest.mark.parametrize(
    "make",
    [lambda: kernels.square(1.2), lambda: kernels.turbo(-0.1), lambda: kernels.gaussian(0.0)],
)
def test_impossible_drops(make):
    with pytest.raises(UsageError, match="pixfrac"):
        make()
