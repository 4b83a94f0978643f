"""What we write, as asdf and roman_datamodels read it; and what happens when we cannot."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asdf
import numpy as np
import pytest
import roman_datamodels
import roman_datamodels.datamodels as rdm
from astropy.modeling.models import Shift
from astropy.time import Time

from roman_dms.errors import FileError, FormatError, UsageError, ValidationError
from roman_dms.formats import trees, writing
from roman_dms.formats.writing import write_tree


def reference_meta(kind: str) -> dict[str, Any]:
    return {
        "reftype": kind,
        "author": "someone",
        "description": "for a test",
        "pedigree": "DUMMY",
        "origin": "STSCI",
        "telescope": "ROMAN",
        "useafter": Time("2020-01-01T00:00:00"),
        "instrument": {"name": "WFI", "detector": "WFI01"},
    }


def gain_tree(size: int = 64) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"meta": reference_meta("GAIN"), "data": rng.normal(2, 0.1, (size, size)).astype("f4")}


@pytest.mark.parametrize("compression", [None, "lz4", "zlib", "bzp2"])
def test_the_missions_library_reads_and_validates(tmp_path: Path, compression: Any) -> None:
    tree = gain_tree(1200)  # several chunks
    tree["data"][:600] = 2  # compressible
    path = tmp_path / "gain.asdf"
    write_tree("reference_files/gain", tree, path, compression=compression)
    with roman_datamodels.open(path) as model:
        assert isinstance(model, rdm.GainRefModel)
        model.validate()
        np.testing.assert_array_equal(model.data, tree["data"])
        assert model.meta.useafter == tree["meta"]["useafter"]
    with asdf.open(path, validate_checksums=True) as file:
        np.testing.assert_array_equal(file["roman"]["data"], tree["data"])


def test_arrays_that_do_not_shrink_are_stored_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "gain.asdf"
    write_tree("reference_files/gain", gain_tree(), path)
    assert trees.open_tagged(path).container.blocks[0].compression == ""
    tree = gain_tree() | {"data": np.full((64, 64), 2, np.float32)}
    write_tree("reference_files/gain", tree, path)
    assert trees.open_tagged(path).container.blocks[0].compression == "lz4"


def test_models_times_and_unknown_branches_survive(tmp_path: Path) -> None:
    model = Shift(1.5) & Shift(-2.5)
    model.inverse = Shift(-1.5) & Shift(2.5)
    meta = reference_meta("DISTORTION")
    meta["instrument"]["optical_element"] = "F158"
    meta["mine"] = {"n": np.int16(3), "x": np.float32(0.5), "t": (1, 2)}
    path = tmp_path / "distortion.asdf"
    tree = {"meta": meta, "coordinate_distortion_transform": model, "extra": [{"a": None}]}
    write_tree("reference_files/distortion", tree, path)
    with roman_datamodels.open(path) as found:
        found.validate()
        assert found.coordinate_distortion_transform(1, 2) == (2.5, -0.5)
        assert found.coordinate_distortion_transform.inverse(2.5, -0.5) == (1, 2)
        assert found.meta.mine.n == 3
        assert found["extra"][0]["a"] is None


def test_an_array_that_appears_twice_is_stored_once(tmp_path: Path) -> None:
    tree = gain_tree()
    tree["again"] = tree["data"]
    path = tmp_path / "gain.asdf"
    write_tree("reference_files/gain", tree, path)
    assert len(trees.open_tagged(path).container.blocks) == 1


def test_a_violation_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    tree = gain_tree()
    tree["data"] = tree["data"].astype(np.float64)
    del tree["meta"]["pedigree"]
    with pytest.raises(ValidationError) as caught:
        write_tree("reference_files/gain", tree, tmp_path / "gain.asdf")
    assert "meta.pedigree" in str(caught.value)
    assert "found datatype float64; expected datatype float32" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_stored_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="object"):
        write_tree("reference_files/gain", gain_tree() | {"x": object()}, tmp_path / "x.asdf")
    with pytest.raises(UsageError, match="no schema"):
        write_tree("reference_files/gains", gain_tree(), tmp_path / "x.asdf")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_or_not_ours_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        write_tree("reference_files/gain", gain_tree(), tmp_path / "none" / "gain.asdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError):
        write_tree("reference_files/gain", gain_tree(), tmp_path / "file" / "gain.asdf")


def test_a_read_only_folder_is_a_file_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writing.os, "open", refuse)
    with pytest.raises(FileError, match="may write to"):
        write_tree("reference_files/gain", gain_tree(), tmp_path / "gain.asdf")


def test_a_full_disk_is_a_file_error_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "gain.asdf"
    path.write_bytes(b"the old one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(FileError, match="too large"):
            write_tree("reference_files/gain", gain_tree(512), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


SLOW_WRITER = """
import sys, time
import numpy as np
from roman_dms.formats import writing

tree = {"meta": {}, "data": np.random.default_rng(0).normal(size=(2000, 1000)).astype("f4")}
original = writing.os.pwrite
def slowly(*arguments):
    print("wrote", flush=True)
    time.sleep(0.2)
    return original(*arguments)
writing.os.pwrite = slowly
writing.rad.check = lambda *_: None
writing.write_tree("reference_files/gain", tree, sys.argv[1])
"""


def test_a_kill_in_the_middle_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "gain.asdf"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "wrote\n"
    time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    assert not path.exists()
