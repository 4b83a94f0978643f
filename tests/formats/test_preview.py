"""Pictures: what they average, where they put black and white, and that they exist."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from roman_dms.errors import FileError, UsageError
from roman_dms.formats import preview
from roman_dms.formats.products import read_product
from roman_dms.formats.writing import write_tree
from roman_dms.products.exposure import RateImage, RawExposure
from roman_dms.products.metadata import Metadata
from roman_dms.products.reference import DarkDecay
from tests.formats.test_writing import gain_tree


def test_squares_are_means_of_good_pixels() -> None:
    image = np.ones((2048, 2050), np.float32)
    image[0, 0] = 5
    image[2, 2] = np.nan
    good = np.ones(image.shape, bool)
    good[3:6, 3:6] = False
    small, side = preview.averaged(image, good)
    assert side == 3
    assert small.shape == (682, 683)
    assert small[0, 0] == pytest.approx(1 + 4 / 8)
    assert small[0, 1] == 1
    assert np.isnan(small[1, 1])
    assert np.isnan(small).sum() == 1


def test_limits_follow_sky_and_noise_not_the_extremes() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(100, 2, (300, 300)).astype(np.float32)
    image[0, 0], image[1, 1], image[2, 2] = 1e9, -1e9, np.nan
    black, white, soft = preview.limits(image)
    assert black == pytest.approx(94, abs=0.2)
    assert 100 < white < 115
    assert soft == pytest.approx(4, abs=0.2)


def test_limits_of_nothing_and_of_a_constant() -> None:
    assert preview.limits(np.full((3, 3), np.nan, np.float32)) == (0, 1, 1)
    black, white, soft = preview.limits(np.zeros((3, 3), np.float32))
    assert black < white
    assert soft > 0


def test_pictures_are_drawn(raw: RawExposure, rate: RateImage, tmp_path: Path) -> None:
    preview.write_preview(rate, tmp_path / "rate.png")
    preview.write_preview(raw, tmp_path / "raw.png")
    preview.compare_preview(raw, rate, tmp_path / "both.png")
    one, two = imread(tmp_path / "rate.png"), imread(tmp_path / "both.png")
    assert two.shape[1] == 2 * one.shape[1]
    assert two[..., :3].std() > 0.1
    blank = dataclasses.replace(rate, dq=np.ones_like(rate.dq))
    preview.write_preview(blank, tmp_path / "blank.png")
    write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")
    preview.write_preview(read_product(tmp_path / "gain.asdf"), tmp_path / "gain.png")


def test_what_cannot_be_drawn(rate: RateImage, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no image"):
        preview.panel_of(DarkDecay(meta=Metadata({}), decay_table={}))
    with pytest.raises(FileError):
        preview.write_preview(rate, tmp_path / "none" / "x.png")
