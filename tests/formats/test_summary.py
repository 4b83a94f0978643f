"""What a file is, at a glance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.modeling.models import Shift

from roman_dms.formats.summary import as_json, summarise
from roman_dms.formats.writing import write_tree
from roman_dms.products.exposure import RawExposure
from tests.formats.test_writing import reference_meta


def test_a_raw_exposure(raw_path: Path, raw: RawExposure) -> None:
    found = summarise(raw_path)
    assert found.product.startswith("L1")
    assert found.schema == "wfi_science_raw-2.1.0"
    assert found.size == raw_path.stat().st_size
    assert found.fields["detector"] == "WFI01"
    assert found.fields["read time [s]"] == 3.16247
    assert "RA [deg]" not in found.fields  # -999999, which stands for unknown
    assert found.read_pattern == "1 | 2-3 | 5 | 7-9"
    by_name = {array.name: array for array in found.arrays}
    assert by_name["data"].shape == (4, 32, 128)
    assert by_name["data"].stored == 4 * 32 * 128 * 2
    last = np.asarray(raw.data)[-1]
    assert found.statistics["median"] == pytest.approx(np.median(last))
    assert found.statistics["maximum"] == last.max()


def test_compression_is_told(rate_path: Path) -> None:
    found = summarise(rate_path)
    assert {array.compression for array in found.arrays} >= {"lz4"}
    assert found.steps == {}


def test_a_reference_file_whose_model_is_not_unpacked(tmp_path: Path) -> None:
    meta = reference_meta("DISTORTION")
    meta["instrument"]["optical_element"] = "F158"
    tree = {"meta": meta, "coordinate_distortion_transform": Shift(1) & Shift(2)}
    write_tree("reference_files/distortion", tree, tmp_path / "d.asdf")
    found = summarise(tmp_path / "d.asdf")
    assert found.product == "reference file: distortion"
    assert found.fields["use after"] == "2020-01-01T00:00:00.000"
    assert found.arrays == ()


def test_it_can_be_json(raw_path: Path) -> None:
    content = json.loads(json.dumps(as_json(summarise(raw_path))))
    assert content["arrays"][0]["name"] == "data"
    assert content["arrays"][0]["shape"] == [4, 32, 128]
