"""Live trees and tagged trees, and the tags of RAD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asdf
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from astropy.time import Time

from roman_dms.errors import FormatError, UsageError
from roman_dms.formats import rad, trees
from roman_dms.formats.writing import write_tree
from tests.formats.test_writing import gain_tree


@pytest.mark.parametrize(
    "text",
    ["2027-06-01T00:02:19.149", "2020-01-01T00:00:00.000", "2016-12-31T23:59:60.500",
     "2027-06-01T00:02:19.123456789"],
)  # fmt: skip
def test_times_keep_their_nanoseconds(tmp_path: Path, text: str) -> None:
    tree = gain_tree()
    tree["meta"]["useafter"] = Time(text)
    write_tree("reference_files/gain", tree, tmp_path / "gain.asdf")
    with asdf.open(tmp_path / "gain.asdf") as file:
        theirs = file["roman"]["meta"]["useafter"]
    ours = trees.open_tagged(tmp_path / "gain.asdf").live()["meta"]["useafter"]
    for found in (theirs, ours):
        assert abs((found - Time(text)).to_value(u.ns)) < 0.5


def test_objects_of_astropy_go_through(tmp_path: Path) -> None:
    extra = {
        "quantity": 3 * u.DN / u.s,
        "many": np.arange(40.0) * u.km,
        "table": Table({"x": [1, 2], "name": ["a", "b"]}),
        "tai": Time("2020-01-01T00:00:00", scale="tai"),
        "times": Time(["2020-01-01", "2021-01-01"]),
    }
    write_tree("reference_files/gain", gain_tree() | {"extra": extra}, tmp_path / "gain.asdf")
    found = trees.open_tagged(tmp_path / "gain.asdf").live()["extra"]
    assert found["quantity"] == 3 * u.DN / u.s
    np.testing.assert_array_equal(found["many"], np.arange(40.0) * u.km)
    assert found["table"]["name"].tolist() == ["a", "b"]
    assert found["tai"].scale == "tai"
    assert found["times"].shape == (2,)


def test_a_file_without_the_branch_of_the_mission_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "other.asdf"
    for tree in ({"other": 1}, {"roman": {"meta": {}}}, {"roman": [1, 2]}):
        asdf.AsdfFile(tree).write_to(path)
        with pytest.raises(FormatError, match="no 'roman' branch"):
            trees.open_tagged(path)


@pytest.mark.parametrize(
    "yaml", [b"roman: *none", b"roman: {", b"- 1", b"", b"roman: !!python/object:os.x {}"]
)
def test_a_bad_header_is_a_format_error(tmp_path: Path, yaml: bytes) -> None:
    path = tmp_path / "bad.asdf"
    path.write_bytes(b"#ASDF 1.0.0\n%YAML 1.1\n---\n" + yaml + b"\n...\n")
    with pytest.raises(FormatError):
        trees.open_tagged(path)


def test_a_branch_that_no_converter_understands_is_a_format_error(tmp_path: Path) -> None:
    path = tmp_path / "bad.asdf"
    header = (
        "#ASDF 1.0.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n---\n"
        f"roman: !<{rad.newest_tag('wfi_image')}>\n"
        "  wcs: !<tag:stsci.edu:asdf/transform/shift-1.2.0> {offset: [a, b]}\n"
        "  tree: !<tag:of/nobody-1.0> {x: 1}\n...\n"
    )
    path.write_text(header)
    file = trees.open_tagged(path)
    with pytest.raises(FormatError, match="shift"):
        file.live()
    assert file.live(foreign=False)["wcs"].endswith("shift-1.2.0")
    assert file.live(file.roman["tree"])["x"] == 1


def test_our_extension_leaves_other_users_of_asdf_alone() -> None:
    rad.Context()
    mine = [ext for ext in asdf.get_config().extensions if ext.package_name == "roman_dms"]
    assert mine == []
    managers = rad.Context().extension_manager
    assert managers.get_tag_definition(rad.newest_tag("wfi_image")).schema_uris
    classes = {type(converter).__module__ for ext in managers.extensions
               for converter in ext.converters}  # fmt: skip
    assert not any("roman_datamodels" in name for name in classes)


def test_tags() -> None:
    import roman_datamodels.datamodels as rdm

    model: Any = rdm.ImageModel.create_fake_data(shape=(2, 8, 8))
    assert rad.newest_tag("wfi_image") == model.tag
    assert rad.newest_tag(model.tag) == model.tag
    assert rad.split_tag(model.tag) == ("wfi_image", "2.1.0")
    assert rad.is_known(model.tag)
    assert not rad.is_known(model.tag + "9")
    with pytest.raises(UsageError):
        rad.newest_tag("image")
