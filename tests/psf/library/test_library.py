"""The library: append-only, versioned, safe against many writers, kills and damage."""

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from roman_dms.errors import FileError, ReferenceDataError, UsageError
from roman_dms.psf.library import Entry, PsfLibrary, default_path


def an_entry(**changes):
    known = {
        "detector": "WFI01", "element": "F158", "kind": "optical", "valid_from": "2027-01-01",
        "oversample": 4, "nodes": (7, 7), "extent": (0.0, 4087.0, 0.0, 4087.0),
        "wavelengths": (1.5, 1.6),
    }  # fmt: skip
    return Entry(**(known | changes))


@pytest.fixture
def library(tmp_path):
    return PsfLibrary(tmp_path / "library")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "psf.asdf"
    path.write_bytes(b"#ASDF 1.0.0\n" + bytes(1000))
    return path


def test_what_is_put_in_comes_out(library, file):
    known = {
        "kind": "empirical", "stars": 412, "engineering": {"focus": 0.013},
        "quality": {"chi2": 1.1}, "inputs": {"a_cal.asdf": "f00"}, "software": "roman_dms 9",
        "description": "night of storms",
        "valid_until": "2027-02-01T00:00:00",
    }  # fmt: skip
    added = library.add(file, an_entry(**known))
    (found,) = PsfLibrary(library.path).entries("WFI01", "F158")

    assert found == added
    assert (found.number, found.version) == (1, 1)
    for name, value in known.items():
        assert getattr(found, name) == value
    assert library.file(found).read_bytes() == file.read_bytes()
    assert library.verify() == []


def test_versions_count_by_detector_and_element(library, file):
    versions = [
        library.add(file, an_entry(**of)).version
        for of in ({}, {}, {"element": "F129"}, {"detector": "WFI02"}, {"kind": "empirical"})
    ]
    assert versions == [1, 2, 1, 1, 3]
    assert library.query("WFI01", "F158", version=2).entry.number == 2
    assert library.query("WFI01", "F158", kind="optical").entry.version == 2


def test_rows_are_never_changed(library, file):
    library.add(file, an_entry())
    with sqlite3.connect(library.path / "library.sqlite") as connection:
        for statement in ("UPDATE entries SET stars = 3", "DELETE FROM entries"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(statement)
    parent = library.add(file, an_entry(parent=1))
    assert parent.parent == 1
    with pytest.raises(UsageError, match="no entry 77"):
        library.add(file, an_entry(parent=77))
    assert len(library.entries()) == 2


def test_the_rules_in_their_order(library, file):
    def add(**changes):
        return library.add(file, an_entry(**changes)).number

    january = add(valid_from="2027-01-01", valid_until="2027-02-01", engineering={"focus": 0.0})
    march = add(valid_from="2027-03-01", valid_until="2027-04-01", engineering={"focus": 0.1})
    focus = add(valid_from="2027-01-01", valid_until="2027-02-01", engineering={"focus": 0.08})
    stars = add(kind="empirical", valid_from="2027-03-01", valid_until="2027-03-20")
    corner = add(extent=(0.0, 500.0, 0.0, 500.0), valid_from="2020-01-01")

    def chosen(**asked):
        return library.query("WFI01", "F158", **asked).entry.number

    assert chosen(x=3000, y=3000, time="2027-01-15", engineering={"focus": 0.0}) == january
    assert chosen(x=3000, y=3000, time="2027-01-15", engineering={"focus": 0.09}) == focus
    assert chosen(x=3000, y=3000, time="2027-03-05") == stars
    assert chosen(x=3000, y=3000, time="2027-03-25") == march
    assert chosen(x=3000, y=3000, time="2027-02-10T12:00:00Z") == focus  # nearer, and later
    assert chosen(x=3000, y=3000, time="2027-02-20", kind="optical") == march
    assert chosen(time="2021-05-05") == corner
    why = library.query("WFI01", "F158", 3000, 3000, time="2027-02-10", engineering={"focus": 0.1})
    assert why.entry.number == focus
    assert "nearest in time, 9.0 days from 2027-02-10" in why.why
    assert "focus is 0.08, 0.1 was asked for" in why.why


def test_nothing_fits(library, file):
    with pytest.raises(ReferenceDataError, match="none") as error:
        library.query("WFI01", "F158")
    assert "rdms psf build" in error.value.remedy
    library.add(file, an_entry())
    with pytest.raises(ReferenceDataError, match="version 5") as error:
        library.query("WFI01", "F158", version=5)
    assert "1 (optical)" in str(error.value)


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_a_damaged_file_is_found(library, file, damage):
    entry = library.add(file, an_entry())
    path = library.file(entry)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flipped" else content[:300])

    with pytest.raises(ReferenceDataError, match="missing" if damage == "missing" else "damaged"):
        library.file(entry)
    assert len(library.verify()) == 1
    library.add(file, an_entry())  # brings the content back
    assert library.verify() == []


def test_a_file_without_an_entry_is_told(library, file):
    library.add(file, an_entry())
    (library.files / "stray.asdf").write_bytes(b"from a process that was killed")
    assert library.verify() == ["The file stray.asdf belongs to no entry; remove it."]


WRITER = """
import sys
from pathlib import Path
from roman_dms.psf.library import Entry, PsfLibrary

path, file, count = sys.argv[1:]
for number in range(int(count)):
    PsfLibrary(path).add(Path(file), Entry(
        detector="WFI01", element="F158", kind="optical", valid_from="2027-01-01", oversample=4,
        nodes=(7, 7), extent=(0, 4087, 0, 4087), wavelengths=(1.5,), stars=number,
    ))
"""


def writer(library, file, count):
    return subprocess.Popen([sys.executable, "-c", WRITER, library.path, file, str(count)])


def test_many_writers_at_once(library, file):
    writers = [writer(library, file, 5) for _ in range(3)]
    assert [one.wait(120) for one in writers] == [0, 0, 0]
    assert [entry.version for entry in library.entries()] == list(range(1, 16))
    assert library.verify() == []


def test_a_killed_writer_leaves_a_sound_library(library, file):
    one = writer(library, file, 10**6)
    deadline = time.monotonic() + 60
    while len(library.entries()) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    one.kill()
    one.wait(10)

    before = len(library.entries())
    assert before >= 3
    assert library.verify() == []
    assert library.add(file, an_entry()).version == before + 1


def test_places_that_cannot_be(tmp_path, file):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    with pytest.raises(FileError, match="cannot be written"):
        PsfLibrary(in_the_way).add(file, an_entry())
    library = PsfLibrary(tmp_path / "library")
    with pytest.raises(FileError, match="cannot be read"):
        library.add(tmp_path / "nothing.asdf", an_entry())
    (library.path / "library.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(FileError, match="database"):
        library.entries()
    other = PsfLibrary(tmp_path / "newer")
    other.add(file, an_entry())
    with sqlite3.connect(other.path / "library.sqlite") as connection:
        connection.execute("PRAGMA user_version=9")
    with pytest.raises(FileError, match="form 9"):
        PsfLibrary(other.path).entries()


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("RDMS_PSF_LIBRARY", str(tmp_path))
    assert default_path() == tmp_path
    monkeypatch.delenv("RDMS_PSF_LIBRARY")
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(default_path()) == "/home/someone/.local/share/rdms/psf"


@pytest.mark.parametrize(
    "changes",
    [
        {"detector": "WFI19"},
        {"element": "GRISM"},
        {"element": "F999"},
        {"kind": "guessed"},
        {"valid_from": "soon"},
        {"valid_from": "2027-05-01", "valid_until": "2027-04-01"},
    ],
)
def test_entries_that_cannot_be(changes):
    with pytest.raises(UsageError):
        replace(an_entry(), **changes)
