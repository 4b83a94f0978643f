"""The store: what it trusts, what it refuses, and where."""

import errno
import os
import shutil
import time

import pytest

from roman_dms.errors import FileError, ReferenceDataError
from roman_dms.references import ReferenceStore, build_context, default_path, disk
from tests.references.support import make_reference, parameters, rich_store


@pytest.fixture
def store(tmp_path):
    files = [
        make_reference(tmp_path, "gain.asdf", "gain"),
        make_reference(tmp_path, "mask.asdf", "mask"),
    ]
    build_context(tmp_path / "store", files)
    return ReferenceStore(tmp_path / "store")


def test_selects_by_date_detector_and_type(tmp_path):
    context = rich_store(tmp_path).context()

    def chosen(kind, **values):
        path = context.select(parameters(**values), [kind])[kind]
        return path and path.name

    assert chosen("gain", start="2026-12-01T06:29:59") == "gain_WFI01_0.asdf"
    assert chosen("gain", start="2026-12-01T06:30:00") == "gain_WFI01_1.asdf"
    assert chosen("gain", detector="WFI18", start="2030-01-01") == "gain_WFI18_2.asdf"
    assert chosen("dark", exposure_type="WFI_FLAT") == "dark_WFI01_im.asdf"
    assert chosen("dark", exposure_type="WFI_FLAT", start="2026-06-01") == "dark_WFI01_all.asdf"
    assert chosen("dark", exposure_type="WFI_IMAGE") == "dark_WFI01_all.asdf"
    assert chosen("flat", element="F213", detector="WFI07") == "flat_WFI07_F213.asdf"
    assert chosen("flat", element="GRISM") is None
    assert chosen("epsf") is None
    with pytest.raises(ReferenceDataError, match="No reference file of the kind 'gain'"):
        chosen("gain", detector="WFI02")
    with pytest.raises(ReferenceDataError, match="No reference file of the kind 'mask'"):
        chosen("mask", start="2024-12-31")
    with pytest.raises(ReferenceDataError, match="does not know"):
        chosen("halo")


def test_default_path_follows_the_environment(monkeypatch):
    monkeypatch.delenv("RDMS_REFERENCES", raising=False)
    monkeypatch.setenv("CRDS_PATH", "/a")
    assert str(default_path()) == "/a"
    monkeypatch.setenv("RDMS_REFERENCES", "/b")
    assert str(default_path()) == "/b"


def test_context_of_the_environment_is_respected(store, monkeypatch):
    build_context(store.path, [store.references / "mask.asdf"], "second")
    assert store.context().name == "roman_0002.pmap"
    monkeypatch.setenv("CRDS_CONTEXT", "roman_0001.pmap")
    assert store.context().name == "roman_0001.pmap"
    assert store.context("roman_0002.pmap").name == "roman_0002.pmap"
    assert store.contexts() == ["roman_0001.pmap", "roman_0002.pmap"]


@pytest.mark.parametrize("name", ["roman_0009.pmap", "../roman_0001.pmap", "mine", "x/y.pmap"])
def test_unknown_context_is_told_with_the_known_ones(store, name):
    with pytest.raises(ReferenceDataError, match=r"no context .*\n.*roman_0001.pmap"):
        store.context(name)


def test_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(ReferenceDataError, match="rdms references bootstrap"):
        ReferenceStore(tmp_path / "none").context()


@pytest.mark.parametrize("text", ["", "{", "__import__('os')", "[1]", "(" * 3000])
def test_damaged_configuration(store, text):
    (store.configuration / "server_config").write_text(text)
    with pytest.raises(ReferenceDataError, match="configuration"):
        store.context()


def test_damaged_file_is_found_when_it_is_selected(store):
    path = store.references / "gain.asdf"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReferenceDataError, match="is damaged"):
        ReferenceStore(store.path).context().select(parameters(), ["gain"])


def test_change_behind_an_unchanged_time_is_found_by_verify(store):
    path = store.references / "gain.asdf"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [problem for problem in ReferenceStore(store.path).verify() if "damaged" in problem]


def test_missing_file_and_damaged_mapping_are_found(store):
    assert store.verify() == []
    (store.references / "mask.asdf").unlink()
    rmap = store.mappings / "roman_wfi_gain_0001.rmap"
    rmap.write_text(rmap.read_text().replace("WFI01", "WFI02"))
    fresh = ReferenceStore(store.path)
    problems = "\n".join(fresh.verify())
    assert "mask.asdf" in problems
    assert "roman_wfi_gain_0001.rmap is damaged" in problems
    with pytest.raises(ReferenceDataError, match="not in the store"):
        fresh.context().select(parameters(), ["mask"])


def test_a_copy_with_new_times_is_still_sound(store, tmp_path):
    shutil.copytree(store.path, tmp_path / "copy", copy_function=shutil.copyfile)
    copied = ReferenceStore(tmp_path / "copy")
    assert copied.context().select(parameters(), ["gain"])["gain"].is_file()


def test_read_only_store_works(store, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    (store.configuration / "verified.json").unlink()
    monkeypatch.setattr(disk.tempfile, "mkstemp", refuse)
    fresh = ReferenceStore(store.path)
    context = fresh.context()
    for _ in range(2):
        assert context.select(parameters(), ["gain"])["gain"].is_file()
    assert not (store.configuration / "verified.json").exists()
    with pytest.raises(FileError, match="Read-only"):
        build_context(store.path, [store.references / "gain.asdf"])
    assert fresh.operational == "roman_0001.pmap"


def test_damaged_ledger_is_told(store):
    (store.configuration / "verified.json").write_text("[1")
    with pytest.raises(ReferenceDataError, match="ledger"):
        ReferenceStore(store.path).context().select(parameters(), ["gain"])


def test_selection_is_fast(tmp_path):
    context = rich_store(tmp_path).context()
    kinds = ["gain", "flat", "dark", "mask", "darkdecaysignal"]
    context.select(parameters(), kinds)
    start = time.perf_counter()
    for _ in range(100):
        context.select(parameters(), kinds)
    assert (time.perf_counter() - start) / 500 < 1e-3
