"""Light of moving objects against closed forms."""

import numpy as np
import pytest

from roman_dms.psf.grid import PsfGrid
from roman_dms.simulation.moving import moving_light
from roman_dms.simulation.sources import PixelSources

SIGMA, READS, FRAME_TIME = 1.2, 20, 3.0


@pytest.fixture(scope="module")
def psf():
    """A Gaussian, four samples a pixel."""
    offsets = np.arange(-64, 65) / 4
    profile = np.exp(-0.5 * (offsets / SIGMA) ** 2) / np.sqrt(2 * np.pi) / SIGMA
    image = np.outer(profile, profile).astype(np.float32)
    nodes = np.zeros(1)
    return PsfGrid(
        "WFI01", "F158", 4, nodes, nodes, np.ones(1), image[None, None, None], image[::4, ::4]
    )


def one(x, y, rate):
    values = np.array([x]), np.array([y]), np.array([rate]), np.ones(1)
    return PixelSources(*values, np.zeros(1), np.zeros((1, 2, 2)))


def test_each_read_has_its_light_where_the_object_is(psf):
    """A slow and a fast object; the sum and the centroid of every read."""
    for speed in ((0.05, -0.02), (0.8, 0.3)):
        velocity = np.array([speed])
        found = moving_light(one(60.3, 50.2, 500.0), velocity, psf, (100, 120), FRAME_TIME, READS)
        for read in range(1, READS + 1):
            here = found[found.read == read]
            light = here.electrons.astype(float)
            time = (read - 0.5 - READS / 2) * FRAME_TIME
            assert light.sum() == pytest.approx(500 * FRAME_TIME, rel=1e-3)
            assert light @ here.column / light.sum() == pytest.approx(
                60.3 + speed[0] * time, abs=2e-3
            )
            assert light @ here.row / light.sum() == pytest.approx(50.2 + speed[1] * time, abs=2e-3)


def test_off_the_image_nothing_is_kept(psf):
    found = moving_light(one(119.0, 50.0, 500.0), np.zeros((1, 2)), psf, (100, 120), 3.0, 1)
    assert found.column.max() == 119
    # the pixel of the centre and everything to its left
    from scipy.stats import norm

    half = norm.cdf(0.5 / SIGMA)
    assert found.electrons.sum() == pytest.approx(1500 * half, rel=0.02)
    nothing = moving_light(one(-200.0, 50.0, 500.0), np.zeros((1, 2)), psf, (100, 120), 3.0, 1)
    assert len(nothing) == 0
