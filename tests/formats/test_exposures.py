"""L1 and L2 as the mission's library writes them, and as it reads ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asdf
import numpy as np
import pytest
import roman_datamodels
from astropy.time import Time

from roman_dms.errors import FormatError, MetadataError, UsageError, ValidationError
from roman_dms.formats import products
from roman_dms.formats.exposures import tree_of_raw
from roman_dms.formats.writing import write_tree
from roman_dms.products.exposure import RateImage, RawExposure

RATE_ARRAYS = ("data", "dq", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


def test_a_raw_exposure_is_read_as_it_was_written(raw: RawExposure, raw_model: Any) -> None:
    np.testing.assert_array_equal(np.asarray(raw.data), raw_model.data)
    np.testing.assert_array_equal(raw.data.rows(3, 7), raw_model.data[:, 3:7])  # type: ignore[union-attr]
    np.testing.assert_array_equal(np.asarray(raw.amp33), raw_model.amp33)
    assert raw.detector.shape == (32, 128)
    assert raw.meta.read_pattern.reads == ((1,), (2, 3), (5,), (7, 8, 9))
    assert raw.meta["exposure.start_time"] == raw_model.meta.exposure.start_time
    assert raw.meta["unheard_of.answer"] == 42
    assert raw.resultantdq is None


def test_a_rate_image_is_read_as_it_was_written(rate: RateImage, rate_model: Any) -> None:
    for name in RATE_ARRAYS:
        np.testing.assert_array_equal(getattr(rate, name), rate_model[name])
    for name in ("err", "var_poisson", "var_rnoise", "chisq", "dumo"):
        assert getattr(rate, name).dtype == np.float32
    for side in ("left", "right", "top", "bottom"):
        border = rate_model[f"border_ref_pix_{side}"]
        np.testing.assert_array_equal(getattr(rate.borders, side), border)
        flags = rate_model[f"dq_border_ref_pix_{side}"]
        np.testing.assert_array_equal(getattr(rate.borders, f"dq_{side}"), flags)
    assert rate.detector.shape == (32, 128)
    assert rate.detector.science_shape == rate.data.shape


@pytest.mark.parametrize("kind", ["raw", "rate"])
def test_the_missions_library_reads_back_equal(
    kind: str, raw: RawExposure, rate: RateImage, raw_model: Any, rate_model: Any, tmp_path: Path
) -> None:
    product, model = (raw, raw_model) if kind == "raw" else (rate, rate_model)
    path = tmp_path / "ours.asdf"
    before = Time.now()
    products.write_product(product, path)
    with roman_datamodels.open(path) as found:
        found.validate()
        assert type(found) is type(model)
        for name, array in model.items():
            if isinstance(array, np.ndarray):
                assert found[name].dtype == array.dtype
                np.testing.assert_array_equal(found[name], array)
        assert found.meta.filename == "ours.asdf"
        assert before <= found.meta.file_date <= Time.now()
        assert found.meta["unheard_of"]["list"] == [1, "two", None, True]
        ours, theirs = found.meta.to_flat_dict(), model.meta.to_flat_dict()
        changed = {key for key in theirs if ours.get(key) != theirs[key]}
        assert changed <= {"filename", "file_date"}


def test_our_own_reader_agrees(rate: RateImage, tmp_path: Path) -> None:
    path = tmp_path / "ours.asdf"
    products.write_product(rate, path)
    again = products.read_product(path)
    assert isinstance(again, RateImage)
    np.testing.assert_array_equal(again.data, rate.data)
    np.testing.assert_array_equal(again.jump_indices, np.arange(12).reshape(4, 3))


@pytest.mark.filterwarnings("ignore::asdf.exceptions.AsdfPackageVersionWarning")
def test_read_noise_is_what_remains_where_the_file_lacks_it(
    rate_path: Path, tmp_path: Path
) -> None:
    def change(roman: Any) -> None:
        del roman["var_rnoise"]
        roman["err"] = np.full(roman["data"].shape, 0.5, np.float16)
        roman["var_poisson"] = np.full(roman["data"].shape, 0.125, np.float16)
        roman["var_poisson"][0, 0] = 1

    rate = products.read_rate_image(changed(rate_path, tmp_path / "l2.asdf", change))
    assert rate.var_rnoise[1, 1] == 0.125
    assert rate.var_rnoise[0, 0] == 0


def changed(path: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """A file with something wrong in it, written by asdf without any check."""
    with asdf.config_context() as config:
        config.remove_extension(package="roman_datamodels")
        with asdf.open(path, lazy_load=False, ignore_unrecognized_tag=True) as file:
            change(file["roman"])
            file.write_to(target)
    return target


def set_meta(key: str, value: Any) -> Callable[[Any], None]:
    def change(roman: Any) -> None:
        node = roman["meta"]
        *branches, leaf = key.split(".")
        for branch in branches:
            node = node[branch]
        if value is None:
            del node[leaf]
        else:
            node[leaf] = value

    return change


def set_branch(key: str, value: Any) -> Callable[[Any], None]:
    def change(roman: Any) -> None:
        if value is None:
            del roman[key]
        else:
            roman[key] = value

    return change


@pytest.mark.filterwarnings("ignore::asdf.exceptions.AsdfPackageVersionWarning")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (set_meta("exposure.frame_time", float("nan")), MetadataError, "frame_time"),
        (set_meta("exposure.frame_time", "fast"), MetadataError, "frame"),
        (set_meta("exposure.frame_time", None), MetadataError, "frame_time"),
        (set_meta("exposure.read_pattern", [[1], [2, 1], [3], [4]]), MetadataError, "pattern"),
        (set_meta("exposure.read_pattern", "IM_107_8"), MetadataError, "pattern"),
        (set_meta("exposure.read_pattern", []), MetadataError, "pattern"),
        (set_meta("exposure.read_pattern", [[1], [2]]), MetadataError, "4 resultants"),
        (set_meta("exposure.nresultants", 9), MetadataError, "4 resultants"),
        (set_meta("instrument.detector", "WFI19"), UsageError, "WFI19"),
        (set_meta("instrument.detector", 7), MetadataError, "detector"),
        (set_meta("instrument", None), MetadataError, "detector"),
        (set_branch("meta", None), MetadataError, "no metadata"),
        (set_branch("meta", [1]), MetadataError, "no metadata"),
        (set_branch("data", None), FormatError, "no 'data'"),
        (set_branch("data", "pixels"), FormatError, "str"),
        (set_branch("data", np.zeros((4, 32, 128), "f4")), FormatError, "float32"),
        (set_branch("data", np.zeros((32, 128), "u2")), FormatError, "2 axes"),
        (set_branch("data", np.zeros((4, 32, 100), "u2")), FormatError, "32 x 100"),
        (set_branch("data", np.zeros((4, 0, 0), "u2")), FormatError, "amp33"),
        (set_branch("amp33", np.zeros((3, 32, 128), "u2")), FormatError, "amp33"),
        (set_branch("amp33", None), FormatError, "amp33"),
        (set_branch("resultantdq", np.zeros((4, 32, 1), "u1")), FormatError, "resultantdq"),
    ],
)
def test_a_bad_raw_exposure_is_a_clear_error(
    raw_path: Path, tmp_path: Path, change: Any, error: type[Exception], message: str
) -> None:
    path = changed(raw_path, tmp_path / "bad.asdf", change)
    with pytest.raises(error, match=message):
        products.read_raw_exposure(path)


@pytest.mark.filterwarnings("ignore::asdf.exceptions.AsdfPackageVersionWarning")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_branch("dq", np.zeros((24, 120), "u2")), "dq"),
        (set_branch("err", np.zeros((24, 119), "f2")), "err"),
        (set_branch("var_poisson", None), "var_poisson"),
        (set_branch("border_ref_pix_top", np.zeros((4, 5, 128), "f4")), "top border"),
    ],
)
def test_a_bad_rate_image_is_a_clear_error(
    rate_path: Path, tmp_path: Path, change: Any, message: str
) -> None:
    path = changed(rate_path, tmp_path / "bad.asdf", change)
    with pytest.raises(FormatError, match=message):
        products.read_rate_image(path)


def test_the_wrong_kind_of_product_is_a_clear_error(raw_path: Path, rate_path: Path) -> None:
    with pytest.raises(FormatError, match="'wfi_image'"):
        products.read_raw_exposure(rate_path)
    with pytest.raises(FormatError, match="'wfi_science_raw'"):
        products.read_rate_image(raw_path)


def test_names_of_older_schemas_are_understood(raw: RawExposure, tmp_path: Path) -> None:
    tree = tree_of_raw(raw)
    tree["reset_read"] = np.full((32, 128), 7, np.uint16)
    tree["reset_amp33"] = np.full((32, 128), 8, np.uint16)
    write_tree("wfi_science_raw", tree, tmp_path / "old.asdf")
    old = products.read_raw_exposure(tmp_path / "old.asdf")
    assert old.reference_read is not None
    assert np.asarray(old.reference_read)[0, 0] == 7
    assert old.reference_amp33 is not None
    assert old.reference_amp33[0, 0] == 8


def test_metadata_that_break_the_schema_are_not_written(raw: RawExposure, tmp_path: Path) -> None:
    bad = dataclasses.replace(raw, meta=raw.meta.updated({"exposure.type": "HOLIDAY"}))
    with pytest.raises(ValidationError, match=r"meta.exposure.type: found HOLIDAY"):
        products.write_product(bad, tmp_path / "bad.asdf")
    assert not list(tmp_path.iterdir())
