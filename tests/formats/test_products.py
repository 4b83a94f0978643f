"""Any product, from any place, of any age."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from astropy.time import Time

from roman_dms import formats
from roman_dms.errors import FormatError
from roman_dms.formats.validation import validate_file
from roman_dms.products.exposure import RateImage, RawExposure
from roman_dms.products.reference import Gain
from tests.formats.test_writing import gain_tree

TAGS = "asdf://stsci.edu/datamodels/roman/tags/"


def test_the_tag_tells_the_product(raw_path: Path, rate_path: Path, tmp_path: Path) -> None:
    assert isinstance(formats.read_product(raw_path), RawExposure)
    assert isinstance(formats.read_product(rate_path), RateImage)
    formats.write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")
    assert isinstance(formats.read_product(tmp_path / "gain.asdf"), Gain)
    other = raw_path.read_bytes().replace(b"wfi_science_raw-2.1.0", b"msos_stack-2.1.0")
    (tmp_path / "other.asdf").write_bytes(other)
    with pytest.raises(FormatError, match="msos_stack"):
        formats.read_product(tmp_path / "other.asdf")


@pytest.mark.parametrize("kind", ["raw", "rate"])
def test_products_behind_a_url(kind: str, raw_path: Path, rate_path: Path, raw_model: Any) -> None:
    url = f"memory://formats/{kind}.asdf"
    with fsspec.open(url, "wb") as file:
        file.write((raw_path if kind == "raw" else rate_path).read_bytes())
    product = formats.read_product(url)
    if isinstance(product, RawExposure):
        np.testing.assert_array_equal(np.asarray(product.data), raw_model.data)
    else:
        assert isinstance(product, RateImage)
    assert validate_file(url) == []


def test_nested_tags_of_rad_1_are_plain_values(raw_path: Path, tmp_path: Path) -> None:
    """Until RAD 1.3 branches and scalars of the metadata had tags of their own."""
    header, end, blocks = raw_path.read_bytes().partition(b"\n...\n")
    old = header.decode()
    for plain, tagged in [
        ("wfi_science_raw-2.1.0", "wfi_science_raw-1.0.0"),
        ("    exposure:\n", f"    exposure: !<{TAGS}exposure-1.0.0>\n"),
        ("instrument: {", f"instrument: !<{TAGS}wfi_mode-1.0.0> {{"),
        ("telescope: ROMAN", f"telescope: !<{TAGS}telescope-1.0.0> ROMAN"),
    ]:
        assert plain in old
        old = old.replace(plain, tagged)
    lines = [
        f"    file_date: !<{TAGS}file_date-1.0.0> 2020-01-02T03:04:05.000"
        if line.startswith("    file_date:") else line
        for line in old.split("\n")
    ]  # fmt: skip
    path = tmp_path / "old.asdf"
    path.write_bytes("\n".join(lines).encode() + end + blocks)
    raw = formats.read_raw_exposure(path)
    assert raw.detector.name == "WFI01"
    assert type(raw.meta["telescope"]) is str
    assert raw.meta["file_date"] == Time("2020-01-02T03:04:05")
    assert raw.meta.read_pattern.exposure_time == pytest.approx(9 * 3.16247)
    formats.write_product(raw, tmp_path / "new.asdf")
    assert validate_file(tmp_path / "new.asdf") == []


def test_the_package_offers_the_readers_and_writers() -> None:
    assert callable(formats.read_product)
    with pytest.raises(AttributeError, match="read_nothing"):
        formats.read_nothing  # noqa: B018
