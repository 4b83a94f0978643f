"""Writers that are killed, by the kernel, and what the next writer finds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from roman_dms.formats import under_way
from roman_dms.formats.writing import replacing

WRITER = """
import sys
from pathlib import Path
from roman_dms.formats.writing import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"of the other process")
    print("writing", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def writer(path: Path):
    """A process in the middle of writing a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.communicate()


def write(path: Path, content: bytes = b"ours") -> None:
    with replacing(path) as file:
        file.write(content)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "a[1].asdf"
    with writer(path) as process:
        process.kill()
        assert process.wait() == -signal.SIGKILL
        (name,) = left(tmp_path)
        assert re.fullmatch(r"\.a\[1\]\.asdf\.[0-9a-f]{8}\.[0-9a-f]{8}\.tmp", name)
        write(tmp_path / "b.asdf")
        assert left(tmp_path) == [name]  # of another target
        write(path)
    assert left(tmp_path) == []
    assert path.read_bytes() == b"ours"


def test_a_living_writer_keeps_its_file_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.asdf"
    with writer(path) as process:
        names = left(tmp_path)
        write(path)
        assert left(tmp_path) == names
        assert path.read_bytes() == b"ours"
        process.communicate("end\n")
        assert process.returncode == 0
    assert path.read_bytes() == b"of the other process"
    assert left(tmp_path) == []


def test_a_child_that_outlives_its_parent_counts_as_the_writer(tmp_path: Path) -> None:
    """Its copy of the descriptor holds the lock, as long as it may write."""
    path = tmp_path / "a.asdf"
    beside, descriptor = under_way.begin(path)
    pausing = [sys.executable, "-c", "import signal; signal.pause()"]
    child = subprocess.Popen(pausing, pass_fds=[descriptor])
    os.close(descriptor)
    write(path)
    assert left(tmp_path) == [beside.name]
    child.kill()
    child.wait()
    write(path)
    assert left(tmp_path) == []


@pytest.mark.parametrize(("age", "stays"), [(3600.0, True), (2 * under_way.ABANDONED, False)])
def test_a_file_of_another_host_is_left_for_a_day(tmp_path: Path, age: float, stays: bool) -> None:
    """Its lock may not be seen here."""
    other = tmp_path / ".a.asdf.00000000.12345678.tmp"
    other.write_bytes(b"")
    then = time.time() - age
    os.utime(other, (then, then))
    write(tmp_path / "a.asdf")
    assert other.exists() == stays


def test_many_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.asdf"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write(path, bytes([n]) * 1000), range(200)))
    assert left(tmp_path) == []
    assert len(set(path.read_bytes())) == 1


def test_a_new_file_that_is_taken_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer may look between the making of a file and its lock."""
    made, original = [], under_way.os.open

    def opened(name, *arguments):
        descriptor = original(name, *arguments)
        if not made:
            made.append(name)
            under_way.clear_leftovers(tmp_path / "a.asdf")
        return descriptor

    monkeypatch.setattr(under_way.os, "open", opened)
    beside, descriptor = under_way.begin(tmp_path / "a.asdf")
    assert not made[0].exists()
    assert beside.exists()
    os.close(descriptor)


def test_a_file_system_without_locks_is_written_to_and_nothing_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer(tmp_path / "a.asdf") as process:
        process.kill()
        process.wait()
        names = left(tmp_path)

        def refuse(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(under_way.fcntl, "flock", refuse)
        write(tmp_path / "a.asdf")
    assert left(tmp_path) == names
    assert (tmp_path / "a.asdf").read_bytes() == b"ours"
