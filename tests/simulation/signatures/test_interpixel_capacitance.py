"""Interpixel capacitance against scipy and conservation of charge."""

import numpy as np
import pytest
from scipy import ndimage

from roman_dms.errors import FormatError
from roman_dms.simulation.signatures.effects import Effects
from roman_dms.simulation.signatures.interpixel_capacitance import (
    KERNEL,
    InterpixelCapacitance,
    coupled,
    spread,
    uncoupled,
)
from roman_dms.simulation.signatures.properties import Properties
from roman_dms.simulation.signatures.read_out import read_out


def test_equals_convolution():
    image = np.random.default_rng(1).uniform(0, 1000, (20, 33)).astype(np.float32)
    padded = np.pad(image, 1)
    kernel = (np.array(KERNEL) / np.sum(KERNEL)).astype(np.float32)
    seen = np.empty((20, 35), np.float32)
    spread(padded, kernel, seen)
    expected = ndimage.convolve(image.astype(float), kernel.astype(float), mode="constant")
    assert np.allclose(seen[:, 1:-1], expected, rtol=1e-5)
    assert np.array_equal(coupled(image, kernel), seen[:, 1:-1])


def test_default_kernel_is_galsims_as_galsim_applies_it():
    galsim = pytest.importorskip("galsim")
    from galsim import roman

    image = galsim.ImageF(np.random.default_rng(2).random((20, 30), dtype=np.float32))
    found = coupled(image.array, np.array(KERNEL) / np.sum(KERNEL))
    roman.applyIPC(image, edge_treatment="crop")
    assert np.allclose(found[1:-1, 1:-1], image.array[1:-1, 1:-1], rtol=1e-5)


def test_read_out_spreads_charge_and_loses_none(small, pattern):
    """Points in the middle, on the seam of two bands and in a corner; an uneven kernel."""
    rate = np.zeros(small.science_shape, np.float32)
    for row, column in ((20, 100), (11, 50), (12, 60), (27, 130), (0, 0)):
        rate[row, column] = 1000
    kernel = np.array([[1, 4, 2], [5, 80, 6], [3, 7, 9]], float)
    properties = Properties(gain=1.0, ipc_kernel=kernel)
    data = read_out(rate, properties, small, pattern, Effects.only("ipc")).data
    expected = ndimage.convolve(rate.astype(float), kernel / kernel.sum(), mode="constant")
    seen = data[:, 4:-4, 4:-4] / pattern.mean_times[:, None, None]
    assert np.allclose(seen, expected, atol=0.5 / 3)
    assert data[0, 4:-4, 4:-4][5:].sum() == pytest.approx(4 * 3000, abs=10)
    border = np.ones(small.shape, bool)
    border[4:-4, 4:-4] = False
    assert not data[:, border].any()


def test_charge_is_known_again_from_what_is_seen():
    charge = np.random.default_rng(3).uniform(0, 1, (40, 50)).astype(np.float32)
    charge[20, 30] = 1e4
    kernel = np.array(KERNEL) / np.sum(KERNEL)
    seen = ndimage.convolve(charge.astype(float), kernel, mode="constant").astype(np.float32)
    assert np.abs(seen - charge)[20, 31] > 100
    assert np.allclose(uncoupled(seen, kernel), charge, atol=0.1)


def test_a_dark_exposure_shows_the_dark_rate_as_it_was_measured(small, pattern):
    """Hot pixels in the middle, on the seam of two bands and in a corner, with their leak."""
    charge = np.full(small.shape, 0.5)
    charge[20, 100] = charge[16, 50] = charge[31, 130] = charge[4, 4] = 100
    border = np.ones(small.shape, bool)
    border[4:-4, 4:-4] = False
    charge[border] = 0
    kernel = np.array(KERNEL) / np.sum(KERNEL)
    measured = np.where(border, 0, ndimage.convolve(charge, kernel, mode="constant"))
    properties = Properties(gain=0.1, dark_rate=measured / 0.1, ipc_kernel=kernel)
    zero = np.zeros(small.science_shape)
    for effects in (Effects.only("dark_current", "ipc"), Effects.only("dark_current")):
        data = read_out(zero, properties, small, pattern, effects).data.astype(float)
        rate = 0.1 * (data[-1] - data[0]) / np.ptp(pattern.mean_times)
        assert np.allclose(rate[~border], measured[~border], atol=0.01, rtol=2e-3)


def test_a_kernel_without_sum_is_refused(small, pattern):
    effects = Effects.only(ipc=InterpixelCapacitance(((0.0,) * 3,) * 3))
    with pytest.raises(FormatError, match="sum"):
        read_out(np.zeros(small.science_shape), Properties(), small, pattern, effects)
