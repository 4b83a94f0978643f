"""A user's own files over a context."""

import pytest

from roman_dms.errors import FormatError, ReferenceDataError
from roman_dms.references import ReferenceStore, build_context
from roman_dms.references.overlay import Overlay, open_context
from tests.references.support import make_reference, parameters


@pytest.fixture
def store(tmp_path):
    files = [
        make_reference(tmp_path, "gain.asdf", "gain"),
        make_reference(tmp_path, "mask.asdf", "mask"),
    ]
    build_context(tmp_path / "store", files)
    return ReferenceStore(tmp_path / "store")


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine").mkdir()
    return make_reference(tmp_path / "mine", "my_gain.asdf", "gain", useafter="2027-01-01")


def names(selection, **values):
    chosen = selection.select(parameters(**values), ["gain", "mask", "epsf"])
    return {kind: path and path.name for kind, path in chosen.items()}


def test_own_files_come_first_where_they_fit(store, mine):
    before = sorted(store.path.rglob("*"))
    overlay = Overlay(store.context(), [mine])
    assert names(overlay, start="2027-02-01") == {
        "gain": "my_gain.asdf", "mask": "mask.asdf", "epsf": None,
    }  # fmt: skip
    assert names(overlay, start="2026-02-01")["gain"] == "gain.asdf"
    assert sorted(store.path.rglob("*")) == before
    with pytest.raises(ReferenceDataError, match="No reference file"):
        names(overlay, detector="WFI02")


def test_own_file_fills_a_gap(store, mine, tmp_path):
    own = make_reference(tmp_path, "other.asdf", "gain", detector="WFI02")
    overlay = Overlay(store.context(), [own])
    assert overlay.select(parameters("WFI02"), ["gain"])["gain"] == own.resolve()


def test_saved_overlay_folder_and_file_are_contexts(store, mine, tmp_path):
    overlay = Overlay(store.context(), [mine])
    saved = overlay.save(tmp_path / "x.overlay.json")
    for path in (saved, mine, mine.parent):
        opened = open_context(store, path)
        assert opened.name == overlay.name
        assert names(opened)["gain"] == "my_gain.asdf"
    assert open_context(store, "roman_0001.pmap").name == "roman_0001.pmap"
    assert open_context(store).name == "roman_0001.pmap"


def test_name_tells_content_apart(store, mine):
    name = Overlay(store.context(), [mine]).name
    assert name.startswith("roman_0001.pmap+overlay-")
    make_reference(mine.parent, mine.name, "gain", useafter="2027-01-02")
    assert Overlay(store.context(), [mine]).name != name


def test_bad_overlays_are_refused(store, mine, tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(FormatError, match="not an overlay"):
        open_context(store, tmp_path / "bad.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReferenceDataError, match="no files"):
        open_context(store, tmp_path / "empty")
    twin = make_reference(tmp_path, "twin.asdf", "gain", useafter="2027-01-01")
    with pytest.raises(ReferenceDataError, match="of another file"):
        Overlay(store.context(), [mine, twin])
