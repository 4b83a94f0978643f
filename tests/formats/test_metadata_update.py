import os
import shutil
import signal
import subprocess
import sys
import time

import asdf
import numpy as np
import pytest
import roman_datamodels.datamodels as rdm
from astropy.time import Time

from roman_dms.errors import FileError, FormatError, ValidationError
from roman_dms.formats import metadata_update
from roman_dms.formats.container import open_container
from roman_dms.formats.metadata_update import update_metadata
from roman_dms.formats.trees import open_tagged
from roman_dms.formats.validation import validate_file

CHANGES = {"unheard_of.state": "COMPLETE", "wcs_fit_results": {"rmse": 0.001, "stars": [1, 2]}}


@pytest.fixture
def path(rate_path, tmp_path):
    """An L2 file that asdf wrote, compressed."""
    shutil.copy(rate_path, tmp_path / "cal.asdf")
    return tmp_path / "cal.asdf"


def arrays_of(path):
    with asdf.open(path, memmap=False) as file:
        return {k: np.array(v) for k, v in file["roman"].items() if hasattr(v, "dtype")}


def blocks_of(path):
    container = open_container(path)
    return [container.source.read(b.offset, b.used_size) for b in container.blocks]


def test_stock_readers_see_the_change_and_the_same_arrays(path):
    before, blocks = arrays_of(path), blocks_of(path)
    update_metadata(path, CHANGES)
    after = arrays_of(path)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[k], after[k], equal_nan=True) for k in before)
    assert blocks_of(path) == blocks
    with rdm.open(path) as model:
        model.validate()
        assert model.meta.unheard_of.state == "COMPLETE"
        assert model.meta.wcs_fit_results["stars"] == [1, 2]
        assert model.meta.unheard_of.answer == 42
        assert model.meta.file_date > Time("2026-01-01")
    assert validate_file(path) == []


def test_index_leads_to_the_blocks(path):
    update_metadata(path, {"cal_logs": ["a line that is long " * 20] * 400})
    content = path.read_bytes()
    lines = content[content.rindex(b"#ASDF BLOCK INDEX") :].split(b"\n- ")[1:]
    offsets = [int(line.split(b"\n")[0]) for line in lines]
    assert len(offsets) == len(open_container(path).blocks)
    assert all(content[offset : offset + 4] == b"\xd3BLK" for offset in offsets)


@pytest.mark.parametrize("lines", [0, 1, 50, 2000])
def test_headers_of_any_length(path, lines):
    before = arrays_of(path)
    for count in (lines, 0, 7):
        update_metadata(path, {"cal_logs": ["x" * 37] * count})
        after = arrays_of(path)
        assert all(np.array_equal(before[k], after[k], equal_nan=True) for k in before)
    assert validate_file(path) == []


def test_without_a_copy_in_the_kernel(path, monkeypatch):
    before = blocks_of(path)

    def refuse(*_args, **_kwargs):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(metadata_update, "_AT_A_TIME", 1000)
    update_metadata(path, CHANGES)
    assert blocks_of(path) == before


def test_a_tree_that_would_be_invalid_leaves_the_file_alone(path):
    content = path.read_bytes()
    with pytest.raises(ValidationError, match="WFI99"):
        update_metadata(path, {"instrument.detector": "WFI99"})
    with pytest.raises(FormatError, match="array"):
        update_metadata(path, {"something": np.arange(3)})
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["cal.asdf"]


def test_a_file_that_another_process_replaces(path, monkeypatch):
    check = metadata_update.rad.check

    def slow(root, name):
        check(root, name)
        update = path.with_suffix(".new")
        shutil.copy(path, update)
        with update.open("ab") as file:
            file.write(b"more")
        update.replace(path)

    monkeypatch.setattr(metadata_update.rad, "check", slow)
    with pytest.raises(FileError, match="changed"):
        update_metadata(path, CHANGES)


def test_links_and_permissions_stay(path, tmp_path):
    path.chmod(0o640)
    link = tmp_path / "link.asdf"
    link.symlink_to(path)
    update_metadata(link, CHANGES)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert open_tagged(path).roman["meta"]["unheard_of"]["state"] == "COMPLETE"


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError):
        update_metadata(tmp_path / "nothing.asdf", CHANGES)


UPDATE_FOR_EVER = """
import itertools, sys
from roman_dms.formats import metadata_update
metadata_update.rad.check = lambda *_: None  # most of the time would go there
for number in itertools.count(1):
    metadata_update.update_metadata(sys.argv[1], {"counter": number, "cal_logs": ["x" * number]})
    if number == 1:
        print("ready", flush=True)
"""


def test_killed_at_any_moment_a_file_is_whole(path):
    before = blocks_of(path)
    seen = set()
    for delay in (0.01, 0.03, 0.05, 0.08):
        process = subprocess.Popen(
            [sys.executable, "-c", UPDATE_FOR_EVER, str(path)], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert blocks_of(path) == before
        seen.add(open_tagged(path).roman["meta"].get("counter"))
    assert max(count or 0 for count in seen) > 0
