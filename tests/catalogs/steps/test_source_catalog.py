import numpy as np
from scipy.ndimage import binary_dilation

from roman_dms.catalogs.steps.source_catalog import masks_of
from roman_dms.instrument.quality import Pixel


def test_charge_of_bad_pixels_and_jumps_reaches_their_neighbours():
    rng = np.random.default_rng(4)
    dq = np.zeros((80, 90), np.uint32)
    for flag in (Pixel.DO_NOT_USE, Pixel.JUMP_DET, Pixel.DEAD, Pixel.HOT, Pixel.SATURATED):
        dq[rng.random(dq.shape) < 0.02] |= np.uint32(flag)
    bad, jump, dead = ((dq & flag) != 0 for flag in (Pixel.DO_NOT_USE, Pixel.JUMP_DET, Pixel.DEAD))
    expected = bad | binary_dilation(bad & ~dead, np.ones((3, 3))) | binary_dilation(jump)
    unusable, saturated = masks_of(dq)
    np.testing.assert_array_equal(unusable, expected)
    np.testing.assert_array_equal(saturated, (dq & Pixel.SATURATED) != 0)
