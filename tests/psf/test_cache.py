import numpy as np
import pytest

from roman_dms.psf import cache
from roman_dms.psf.grid import PsfGrid


class Builder:
    """Makes grids of random numbers and counts them."""

    def __init__(self):
        self.made = 0

    def __call__(self, detector, element, oversample, defocus):
        self.made += 1
        random = np.random.default_rng(self.made)
        return PsfGrid(
            detector,
            element,
            oversample,
            np.arange(2.0),
            np.arange(3.0),
            np.array([1.5]),
            random.random((1, 3, 2, 5, 5)).astype(np.float32),
            random.random((9, 9)).astype(np.float32),
        )


SETTINGS = {"detector": "WFI02", "element": "F106", "oversample": 4, "defocus": 0.0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RDMS_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def assert_same(one, other):
    assert (one.detector, one.element, one.oversample) == (
        other.detector,
        other.element,
        other.oversample,
    )
    for name in ("nodes_x", "nodes_y", "wavelengths", "samples", "wings"):
        found, expected = getattr(one, name), getattr(other, name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_built_once(folder):
    build = Builder()

    first = cache.kept(SETTINGS, build)
    second = cache.kept(SETTINGS, build)

    assert build.made == 1
    assert_same(second, first)
    assert [path.suffix for path in folder.rglob("*") if path.is_file()] == [".npz"]


def test_every_setting_and_the_version_count(folder, monkeypatch):
    build = Builder()
    for changed in ({}, {"defocus": 0.01}, {"element": "F129"}, {"oversample": 3}):
        cache.kept(SETTINGS | changed, build)
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)

    cache.kept(SETTINGS, build)

    assert build.made == 5


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "flipped", "text"])
def test_a_damaged_file_is_built_again(folder, damage):
    build = Builder()
    cache.kept(SETTINGS, build)
    (path,) = folder.rglob("*.npz")
    content = bytearray(path.read_bytes())
    flipped = content.copy()
    flipped[len(content) // 2] ^= 0xFF
    damaged = {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "noise": np.random.default_rng(1).bytes(len(content)),
        "flipped": flipped,
        "text": b"not a grid",
    }
    path.write_bytes(damaged[damage])

    again = cache.kept(SETTINGS, build)

    assert build.made == 2
    assert_same(cache.kept(SETTINGS, build), again)
    assert build.made == 2


def test_a_folder_that_cannot_be_written_means_no_cache(tmp_path, monkeypatch):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("a file, not a folder")
    monkeypatch.setenv("RDMS_CACHE", str(in_the_way))
    build = Builder()

    cache.kept(SETTINGS, build)
    grid = cache.kept(SETTINGS, build)

    assert build.made == 2
    assert grid.samples.shape == (1, 3, 2, 5, 5)
