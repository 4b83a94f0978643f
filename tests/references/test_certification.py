"""What certification refuses, each fault made on purpose."""

import numpy as np
import pytest

from roman_dms.errors import ReferenceDataError
from roman_dms.references import ReferenceStore, build_context
from roman_dms.references.certification import certified, certify
from tests.references.support import (
    DETECTOR_SHAPE,
    TAGS,
    make_parameters,
    make_reference,
    write,
)


def only(path, store=None):
    return "\n".join(certify([path], store)[path])


@pytest.mark.parametrize("kind", ["gain", "mask", "flat", "dark", "readnoise", "darkdecaysignal"])
def test_good_files_are_fit(tmp_path, kind):
    assert only(make_reference(tmp_path, "a.asdf", kind)) == ""


def test_step_parameters_are_fit(tmp_path):
    assert only(make_parameters(tmp_path, "p.asdf", "jumpstep", {"skip": True})) == ""


def with_nan(where=(3, 3)):
    data = np.ones(DETECTOR_SHAPE, "f4")
    data[where] = np.nan
    return data


def faults(folder):
    half = np.ones((16, 100), "f4")
    yield (
        "float64",
        make_reference(folder, "f64.asdf", "gain", content={"data": np.ones(DETECTOR_SHAPE)}),
    )
    yield "nothing", make_reference(folder, "none.asdf", "dark", content={"dark_slope": None})
    yield "16 x 100", make_reference(folder, "half.asdf", "gain", content={"data": half})
    yield "not numbers", make_reference(folder, "nan.asdf", "gain", content={"data": with_nan()})
    yield (
        "negative",
        make_reference(
            folder, "neg.asdf", "gain", content={"data": -np.ones(DETECTOR_SHAPE, "f4")}
        ),
    )
    yield (
        "different shapes",
        make_reference(folder, "two.asdf", "dark", content={"dq": np.zeros((32, 128), "u4")}),
    )
    yield "reftype", make_reference(folder, "kind.asdf", "gain", meta={"reftype": "HALO"})
    yield "useafter", make_reference(folder, "date.asdf", "gain", meta={"useafter": "soon"})
    yield (
        "instrument.detector",
        make_reference(folder, "det.asdf", "gain", meta={"instrument": {"name": "WFI"}}),
    )
    yield "pedigree", make_reference(folder, "ped.asdf", "gain", meta={"pedigree": None})
    yield "not .*gain-x.y.z", make_reference(folder, "tag.asdf", "gain", tag=f"{TAGS}mask-2.0.0")
    yield "not installed", make_reference(folder, "new.asdf", "gain", tag=f"{TAGS}gain-9.0.0")
    yield "name", make_reference(folder, "a b.asdf", "gain")
    yield "NOT_CONFIGURED", make_reference(folder, "not.asdf", "gain", detector="NOT_CONFIGURED")
    yield "no metadata", write(folder / "empty.asdf", {"roman": {}})
    yield "parameters", write(folder / "p.asdf", {"meta": {
        "reftype": "pars-rampfitstep", "useafter": "2020-01-01"}})  # fmt: skip


def test_each_fault_is_told(tmp_path):
    for expected, path in faults(tmp_path):
        problems = certify([path])[path]
        assert len(problems) >= 1, path
        with pytest.raises(ReferenceDataError, match=expected):
            certified([path], ReferenceStore(tmp_path))


def test_flagged_pixels_may_have_no_value(tmp_path):
    flags = np.zeros(DETECTOR_SHAPE, "u4")
    flags[3, 3] = 1
    path = make_reference(
        tmp_path, "s.asdf", "saturation", content={"data": with_nan(), "dq": flags}
    )
    assert only(path) == ""


@pytest.mark.parametrize("keep", [0, 100, 900, -200])
def test_truncated_and_foreign_files_are_told(tmp_path, keep):
    path = make_reference(tmp_path, "gain.asdf", "gain")
    path.write_bytes(path.read_bytes()[:keep])
    assert only(path)


def test_missing_file_is_told(tmp_path):
    assert "cannot be read" in only(tmp_path / "none.asdf")


def test_same_name_and_same_place_are_told(tmp_path):
    (tmp_path / "other").mkdir()
    paths = [
        make_reference(tmp_path, "a.asdf", "gain"),
        make_reference(tmp_path / "other", "a.asdf", "gain", detector="WFI02"),
        make_reference(tmp_path, "b.asdf", "gain"),
    ]
    problems = certify(paths)
    assert ["name a.asdf" in " ".join(problems[path]) for path in paths] == [True, True, False]
    assert ["same exposures" in " ".join(problems[path]) for path in paths] == [True, False, True]


def test_name_must_be_new_in_the_store(tmp_path):
    build_context(tmp_path / "store", [make_reference(tmp_path, "a.asdf", "gain")])
    changed = make_reference(tmp_path, "a.asdf", "gain", useafter="2027-01-01")
    assert "another file named" in only(changed, ReferenceStore(tmp_path / "store"))
