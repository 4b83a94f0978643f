"""Associations: ours are read by romancal, romancal's by us."""

from __future__ import annotations

import json

import pytest

from roman_dms.errors import FileError, FormatError
from roman_dms.formats.associations import read_association, write_association
from roman_dms.products.association import Association

NAME = "r00001_p_v01001001001001_270p65x50y50_f158"
MEMBERS = (
    "r0000101001001001001_0001_wfi01_f158_cal.asdf",
    "r0000101001001001001_0002_wfi01_f158_cal.asdf",
)


def test_what_is_written_is_read(tmp_path):
    cell = {"name": "270p65x50y50", "nx": 5000}
    association = Association(
        NAME, MEMBERS, "270p65x50y50", program="00001", kind="visit", cell=cell
    )
    write_association(association, tmp_path / "one_asn.json")
    assert read_association(tmp_path / "one_asn.json") == association


def test_romancal_reads_ours(tmp_path):
    library = pytest.importorskip("romancal.associations")
    write_association(Association(NAME, MEMBERS, "270p65x50y50"), tmp_path / "one_asn.json")
    with (tmp_path / "one_asn.json").open() as file:
        loaded = library.load_asn(file)
    assert loaded["products"][0]["name"] == NAME
    assert [one["expname"] for one in loaded["products"][0]["members"]] == list(MEMBERS)


def test_we_read_romancals(tmp_path):
    make = pytest.importorskip("romancal.associations.asn_from_list").asn_from_list
    (tmp_path / "one_asn.json").write_text(make(list(MEMBERS), product_name=NAME).dump()[1])
    association = read_association(tmp_path / "one_asn.json")
    assert (association.name, association.members) == (NAME, MEMBERS)
    assert (association.target, association.kind, association.release) == (None, "visit", "p")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "no mapping"),
        ("{}", "no product"),
        ('{"products": [{"name": "a"}]}', "no members"),
        ('{"products": [{"name": "a", "members": []}]}', "no science"),
        ('{"products": [{"name": "a", "members": [{"expname": 3}]}]}', "no science"),
        ('{"products": [{"name": "../a", "members": [{"expname": "b"}]}]}', "'../a'"),
    ],
)
def test_what_is_no_association_is_said(tmp_path, text, what):
    (tmp_path / "bad_asn.json").write_text(text)
    with pytest.raises(FormatError, match=what):
        read_association(tmp_path / "bad_asn.json")


def test_an_absent_file_is_said(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_association(tmp_path / "absent_asn.json")


def test_other_members_than_science_are_left_out(tmp_path):
    tree = {"products": [{"name": "a", "members": [
        {"expname": "x.asdf", "exptype": "science"}, {"expname": "y.asdf", "exptype": "bkg"},
    ]}]}  # fmt: skip
    (tmp_path / "one_asn.json").write_text(json.dumps(tree))
    assert read_association(tmp_path / "one_asn.json").members == ("x.asdf",)
