"""A scene on an image: points and galaxies together, and what is refused."""

import numpy as np
import pytest

from roman_dms.errors import UsageError
from roman_dms.simulation.drawing.image import draw
from roman_dms.simulation.sources import PixelSources
from tests.simulation.drawing.conftest import expected


def sources(n=3, **changed):
    columns = {
        "x": np.full(n, 20.0),
        "y": np.full(n, 30.0),
        "rate": np.full(n, 1000.0),
        "wavelength": np.full(n, 1.58),
        "sersic": np.zeros(n),
        "shape": np.zeros((n, 2, 2)),
    }
    return PixelSources(**(columns | changed))


def test_an_empty_scene_is_dark(grid):
    image = draw(sources(0), grid, (32, 48))
    assert image.shape == (32, 48)
    assert image.dtype == np.float32
    assert not image.any()


def test_points_and_galaxies_together(grid, psf):
    """A galaxy far smaller than a pixel is a point: GalSim draws both as one star."""
    shape = np.zeros((3, 2, 2))
    shape[1] = np.eye(2) * 1e-4
    mixed = sources(3, sersic=np.array([0, 1.0, 0]), shape=shape)
    theirs = expected(psf, 3000, 20, 30, 61)
    assert np.abs(draw(mixed, grid, (61, 61)) - theirs).max() < 3e-4 * theirs.max()


def test_the_frame_of_a_part_of_the_image(varied):
    """A grid moved with the image's first pixel draws the same part."""
    grid, _ = varied
    whole = draw(sources(x=np.array([20.3, 41.0, 50.0])), grid, (60, 90))
    part = draw(
        sources(x=np.array([20.3, 41.0, 50.0]) - 10, y=np.full(3, 25.0)),
        grid.moved(10, 5),
        (50, 70),
    )
    np.testing.assert_allclose(part, whole[5:55, 10:80], atol=2e-3)


@pytest.mark.parametrize("name", ["x", "y", "rate", "wavelength", "shape"])
def test_values_that_are_not_finite_are_refused(grid, name):
    scene = sources()
    getattr(scene, name)[1] = np.nan
    with pytest.raises(UsageError, match=rf"(?s){name} is .*nan.* in row 1 "):
        draw(scene, grid, (32, 32))


def test_an_index_out_of_range_is_refused(grid):
    scene = sources(sersic=np.array([0, 0, 9.0]), shape=np.ones((3, 2, 2)))
    with pytest.raises(UsageError, match=r"sersic is 9.0 in row 2"):
        draw(scene, grid, (32, 32))


def test_a_galaxy_without_size_is_refused(grid):
    with pytest.raises(UsageError, match=r"(?s)shape is .* in row 0"):
        draw(sources(1, sersic=np.ones(1)), grid, (32, 32))
