"""Stretch and colours against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.visualization import AsinhStretch

from roman_dms.errors import UsageError
from roman_dms.mosaics.hips.colour import Palette, Stretch, colour, grey, stretch_for


def test_the_stretch_is_astropys():
    values = np.linspace(0, 1, 50).astype(np.float32)
    ours = Stretch(10.0, 30.0, 2.0)(10 + 20 * values)
    assert ours == pytest.approx(AsinhStretch(0.1)(values), abs=1e-5)
    shown = grey(np.array([[9.0, 10.0, 30.0, 99.0, np.nan]], np.float32), Stretch(10.0, 30.0, 2.0))
    assert shown[0].tolist() == [[0, 255], [0, 255], [255, 255], [255, 255], [0, 0]]


def test_the_stretch_of_a_survey():
    sky = np.random.default_rng(1).normal(5, 0.1, 100_000).astype(np.float32)
    found = stretch_for(np.concatenate([sky, np.full(50, 100, np.float32)]))
    assert found.black == pytest.approx(4.7, abs=0.01)
    assert found.soft == pytest.approx(0.3, abs=0.01)
    with pytest.raises(UsageError):
        Stretch(2.0, 1.0, 1.0)


def test_colour_does_not_depend_on_brightness():
    palette = Palette((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.1)
    bright = np.array([[0.01, 0.1, 0.5, 5.0, 500.0]], np.float32)
    shown = colour([bright, bright / 2, bright / 4], palette).astype(float)
    assert shown[0, 1:, 1] / shown[0, 1:, 0] == pytest.approx(0.5, abs=0.02)
    assert shown[0, 1:, 2] / shown[0, 1:, 0] == pytest.approx(0.25, abs=0.02)
    assert (np.diff(shown[0, :3, 0]) > 0).all()
    assert shown[0, -1, 0] == 255


def test_a_missing_band_adds_no_colour_and_nothing_is_transparent():
    palette = Palette((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.1)
    nan = np.float32(np.nan)
    one, two, three = (np.array([[v, nan]], np.float32) for v in (0.3, 0.3, nan))
    shown = colour([one, two, three], palette)
    assert len(set(shown[0, 0, :3].tolist())) == 1
    assert shown[0, 0, 3] == 255
    assert shown[0, 1].tolist() == [0, 0, 0, 0]
