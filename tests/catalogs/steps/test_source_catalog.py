import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from roman_dms.catalogs.steps.source_catalog import hot_pixels_leak, masks_of
from roman_dms.instrument.quality import Pixel

FLAGS = (
    Pixel.DO_NOT_USE, Pixel.JUMP_DET, Pixel.DEAD, Pixel.HOT, Pixel.TELEGRAPH, Pixel.SATURATED,
)  # fmt: skip


@pytest.mark.parametrize("leaking", [False, True])
def test_charge_of_bad_pixels_and_jumps_reaches_their_neighbours(leaking):
    rng = np.random.default_rng(4)
    dq = np.zeros((80, 90), np.uint32)
    for flag in FLAGS:
        dq[rng.random(dq.shape) < 0.02] |= np.uint32(flag)
    bad, jump, dead, hot, telegraph, full = ((dq & flag) != 0 for flag in FLAGS)
    silent = dead if leaking else dead | hot | telegraph
    charged = bad & (~silent | full)
    expected = bad | binary_dilation(charged, np.ones((3, 3))) | binary_dilation(jump)
    unusable, saturated = masks_of(dq, leaking=leaking)
    np.testing.assert_array_equal(unusable, expected)
    np.testing.assert_array_equal(saturated, bad & full)


@pytest.mark.parametrize(("leak", "told"), [(0.0, False), (0.01, True)])
def test_whether_hot_pixels_leak_is_seen(leak, told):
    """Hot pixels as bright as those of a detector, and a leak of a per cent of it."""
    rng = np.random.default_rng(5)
    hot = rng.random((512, 512)) < 1.5e-3
    rate = np.where(hot, 0.01 * 10 ** rng.uniform(2, 4, hot.shape), 0)
    around = sum(np.roll(rate, *way) for way in ((1, 0), (-1, 0), (1, 1), (-1, 1)))
    data = (leak * around + rng.normal(0, 0.04, hot.shape)).astype(np.float32)
    data[hot] = np.nan
    dq = np.where(hot, np.uint32(Pixel.HOT | Pixel.DO_NOT_USE), np.uint32(0))
    assert hot_pixels_leak(data, np.full(hot.shape, 0.04, np.float32), dq) is told


def test_an_image_without_hot_pixels_has_no_leak():
    nothing = np.zeros((4, 4), np.float32)
    assert not hot_pixels_leak(nothing, nothing + 1, nothing.astype(np.uint32))
